//! What identifies the content of an object: as far as the manifest says it.

use autodump_core::table::manifest::TableObject;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5::Md5;
use sha2::{Digest, Sha256};

/// The sums of what was read so far.
pub(super) struct Sums {
    pub(super) bytes: u64,
    sha256: Option<Sha256>,
    crc64nvme: Option<Crc>,
    md5: Option<Md5>,
}

impl Sums {
    /// Those that the manifest has of an object.
    pub(super) fn of(object: &TableObject) -> Self {
        Self {
            bytes: 0,
            sha256: object.sha256.as_ref().map(|_| Sha256::new()),
            crc64nvme: object.crc64nvme.as_ref().map(|_| Crc::new(CrcAlgorithm::Crc64Nvme)),
            md5: object.md5.as_ref().map(|_| Md5::new()),
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(crc64nvme) = &mut self.crc64nvme {
            crc64nvme.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// The first thing in which the content is not the object of the manifest.
    pub(super) fn difference(self, object: &TableObject) -> Option<String> {
        let bytes = object.bytes;
        if self.bytes > bytes {
            return Some(format!("has more than {bytes} bytes"));
        }
        if self.bytes < bytes {
            return Some(format!("has {} bytes, not {bytes}", self.bytes));
        }
        let sha256 = self.sha256.map(|sum| hex::encode(sum.finalize()));
        let crc = self.crc64nvme.map(|sum| BASE64_STANDARD.encode(sum.finalize().to_be_bytes()));
        let md5 = self.md5.map(|sum| BASE64_STANDARD.encode(sum.finalize()));
        let expected = object.sha256.as_ref().map(|sum| sum.to_ascii_lowercase());
        differs("SHA-256", sha256, expected)
            .or_else(|| differs("CRC64-NVME", crc, object.crc64nvme.clone()))
            .or_else(|| differs("MD5", md5, object.md5.clone()))
    }
}

fn differs(name: &str, found: Option<String>, expected: Option<String>) -> Option<String> {
    let (found, expected) = found.zip(expected)?;
    (found != expected).then(|| format!("has {name} {found}, not {expected}"))
}
