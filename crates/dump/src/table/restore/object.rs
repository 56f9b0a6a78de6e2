//! A data object: read, compared with the manifest, decompressed and cut into items, in bounded
//! memory whatever it unpacks to.

use autodump_core::compression::Algorithm;
use autodump_core::ports::{Content, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::item::{Item, Reader};
use super::lines::Lines;
use super::{DataObject, damaged};
use crate::codec::Decoder;

/// Pieces that may wait on either side of the thread.
const WAITING: usize = 4;
/// How many bytes of items are handed over at once.
const GROUP: usize = 64 << 10;

/// Reads an object to its end and hands its items over, in their order. What was handed over
/// before an error may be written already: that it is damaged may be known only at its end.
pub(super) async fn read<R: ObjectReader>(
    reader: &R,
    object: &DataObject,
    algorithm: Algorithm,
    items: Reader,
    to: Sender<Vec<Item>>,
    mut count: impl FnMut(u64) + Send,
) -> Result<()> {
    let (input, from) = channel(WAITING);
    let wanted = object.clone();
    let thread = tokio::task::spawn_blocking(move || unpack(&wanted, algorithm, from, items, &to));
    let fed = feed(reader, object, &input, &mut count).await;
    drop(input);
    let unpacked = thread.await.map_err(|error| {
        let what = format!("reading {} ended with a panic: {error}", name(object));
        Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
    })?;
    // The thread's error is the reason where both have one, unless its input was cut off.
    match fed {
        Ok(()) => unpacked,
        Err(error) => Err(error),
    }
}

/// Ends without an error where the thread takes no more: it knows why.
async fn feed<R: ObjectReader>(
    reader: &R,
    object: &DataObject,
    input: &Sender<Bytes>,
    count: &mut (impl FnMut(u64) + Send),
) -> Result<()> {
    let mut content = reader.get(&object.location, None).await?;
    while let Some(bytes) = content.next().await? {
        count(bytes.len() as u64);
        if input.send(bytes).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn unpack(
    object: &DataObject,
    algorithm: Algorithm,
    mut from: Receiver<Bytes>,
    reader: Reader,
    to: &Sender<Vec<Item>>,
) -> Result<()> {
    let mut seen = Seen::new(object);
    let mut decoder = Decoder::new(algorithm)?;
    let mut lines = Lines::default();
    let mut group = Group { object, reader, to, items: Vec::new(), bytes: 0, count: 0 };
    let in_object = |error: Error| {
        let what = format!("{}: {}", name(object), error.what());
        Error::new(error.class(), what, error.hint().to_owned())
    };
    while let Some(bytes) = from.blocking_recv() {
        seen.add(&bytes)?;
        decoder
            .write(&bytes, &mut |piece| lines.write(piece, &mut |line| group.take(line)))
            .map_err(in_object)?;
    }
    // Bytes that are missing or changed say more than what they do to the last line.
    seen.compare()?;
    decoder.finish().map_err(in_object)?;
    lines.finish(&mut |line| group.take(line)).map_err(in_object)?;
    group.finish()
}

/// What comes out, on its way to the workers.
struct Group<'a> {
    object: &'a DataObject,
    reader: Reader,
    to: &'a Sender<Vec<Item>>,
    items: Vec<Item>,
    bytes: usize,
    count: u64,
}

impl Group<'_> {
    fn take(&mut self, line: &[u8]) -> Result<()> {
        self.count += 1;
        let item = self.reader.read(line);
        let item = item.map_err(|why| damaged(format!("line {} {why}", self.count)))?;
        if self.count > self.object.items {
            return Err(damaged(format!("it has more than {} items", self.object.items)));
        }
        self.bytes += item.text.len();
        self.items.push(item);
        if self.bytes >= GROUP { self.give() } else { Ok(()) }
    }

    fn give(&mut self) -> Result<()> {
        self.bytes = 0;
        self.to.blocking_send(std::mem::take(&mut self.items)).map_err(|_| {
            Error::new(
                ErrorClass::Internal,
                "items were read that nobody takes any more",
                "Report this: it is a fault of AutoDump",
            )
        })
    }

    fn finish(mut self) -> Result<()> {
        if self.count != self.object.items {
            let Self { object, count, .. } = self;
            let what = format!("{} has {count} items, not {}", name(object), object.items);
            return Err(damaged(what));
        }
        self.give()
    }
}

/// What the object turns out to be.
struct Seen<'a> {
    object: &'a DataObject,
    bytes: u64,
    sha256: Option<Sha256>,
    crc: Option<Crc>,
}

impl<'a> Seen<'a> {
    fn new(object: &'a DataObject) -> Self {
        Self {
            object,
            bytes: 0,
            sha256: object.sha256.as_ref().map(|_| Sha256::new()),
            crc: object.crc64nvme.map(|_| Crc::new(CrcAlgorithm::Crc64Nvme)),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.object.bytes {
            let Self { object, .. } = self;
            return Err(damaged(format!("{} has more than {} bytes", name(object), object.bytes)));
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(crc) = &mut self.crc {
            crc.update(bytes);
        }
        Ok(())
    }

    fn compare(self) -> Result<()> {
        let Self { object, bytes, sha256, crc } = self;
        if bytes != object.bytes {
            let what = format!("{} has {bytes} bytes, not {}", name(object), object.bytes);
            return Err(damaged(what));
        }
        let sha256 = sha256.map(|sha256| hex::encode(sha256.finalize()));
        if let (Some(is), Some(expected)) = (sha256, &object.sha256)
            && !is.eq_ignore_ascii_case(expected)
        {
            return Err(damaged(format!("{} has SHA-256 {is}, not {expected}", name(object))));
        }
        if let (Some(crc), Some(expected)) = (crc, object.crc64nvme) {
            let is = crc.finalize();
            if is != expected {
                let what = format!("{} has CRC {is:016x}, not {expected:016x}", name(object));
                return Err(damaged(what));
            }
        }
        Ok(())
    }
}

/// Its name in the store.
pub(super) fn name(object: &DataObject) -> String {
    format!("s3://{}/{}", object.location.bucket, object.location.key)
}
