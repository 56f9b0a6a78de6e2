//! The programs that ship: where they lie and how large they are.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The architectures that ship, by the names that AWS gives them.
pub(super) const ARCHITECTURES: [&str; 2] = ["x86_64", "arm64"];

/// This machine's architecture.
pub(super) const HERE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// What `scripts/build-assets` makes for one architecture.
#[derive(Clone, Debug)]
pub(super) struct Assets {
    pub(super) scanner_zip: PathBuf,
    pub(super) hash_zip: PathBuf,
    pub(super) dumper: PathBuf,
    pub(super) ca_bundle: PathBuf,
}

impl Assets {
    /// Fails when one of them is missing, and says what makes it.
    pub(super) fn of(root: &Path, architecture: &str) -> Result<Self> {
        let zips = root.join("assets").join(architecture);
        let image = root.join("batch-image");
        let found = Self {
            scanner_zip: zips.join("scanner.zip"),
            hash_zip: zips.join("hash.zip"),
            dumper: image.join("bin").join(architecture).join("dumper"),
            ca_bundle: image.join("rds-ca-bundle.pem"),
        };
        for path in [&found.scanner_zip, &found.hash_zip, &found.dumper, &found.ca_bundle] {
            if !path.exists() {
                bail!(
                    "{} is missing. Run scripts/build-assets --arch {architecture} first",
                    path.display()
                );
            }
        }
        Ok(found)
    }
}

/// The dumper for this machine, where nothing else is measured.
pub(super) fn dumper(root: &Path) -> Result<PathBuf> {
    let path = root.join("batch-image/bin").join(HERE).join("dumper");
    if !path.exists() {
        bail!("{} is missing. Run scripts/build-assets --arch {HERE} first", path.display());
    }
    Ok(path)
}

/// The size of a file in bytes.
pub(super) fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len())
}

/// Unpacks a function's program into `directory` and returns its path.
pub(super) fn unpack(zip: &Path, directory: &Path) -> Result<PathBuf> {
    let file =
        std::fs::File::open(zip).with_context(|| format!("cannot read {}", zip.display()))?;
    let mut archive = zip::ZipArchive::new(file)?;
    let mut program = Vec::new();
    let mut entry = archive
        .by_name("bootstrap")
        .with_context(|| format!("{} has no bootstrap", zip.display()))?;
    entry.read_to_end(&mut program)?;
    std::fs::create_dir_all(directory)?;
    let path = directory.join("bootstrap");
    std::fs::write(&path, program)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
