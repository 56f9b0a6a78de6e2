//! The directory that `pg_dump` makes, as a backup holds it in the store.

use autodump_core::Result;
use autodump_core::compression::Algorithm;
use autodump_core::manifest::Object;
use autodump_core::ports::ObjectReader;
use sha2::{Digest, Sha256};

use super::toc::FILE_NAME as TOC;
use crate::codec;
use crate::object::{broken, read_all};
use crate::restore::Backup;
use crate::restore::backup::compare;

/// A backup whose objects are the files of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directory<'a> {
    pub(super) backup: &'a Backup,
    /// What the keys of the files begin with in the manifest, with a slash.
    path: &'a str,
}

impl<'a> Directory<'a> {
    /// The directory is where the table of contents is. A manifest that names none is an error
    /// of class verification.
    pub(super) fn of(backup: &'a Backup) -> Result<Self> {
        let mut keys = backup.manifest.objects.iter().map(|object| object.key.as_str());
        let path = keys.find_map(|key| key.strip_suffix(TOC).filter(|path| path.ends_with('/')));
        let path = path.ok_or_else(|| lacks_toc(backup))?;
        Ok(Self { backup, path })
    }

    /// The name of an object within the directory; `None` for others.
    pub(super) fn file_name<'b>(&self, object: &'b Object) -> Option<&'b str> {
        object.key.strip_prefix(self.path).filter(|name| !name.contains('/'))
    }

    /// The objects that hold the data file `name` of the table of contents, in order; empty
    /// when there is none.
    pub(super) fn data_file(&self, name: &str) -> Vec<&'a Object> {
        let find = |wanted: &str| {
            let mut objects = self.backup.manifest.objects.iter();
            objects.find(|object| self.file_name(object) == Some(wanted))
        };
        for algorithm in [Algorithm::None, Algorithm::Gzip, Algorithm::Zstd, Algorithm::Lz4] {
            let first = format!("{name}{}", codec::extension(algorithm));
            let Some(object) = find(&first) else { continue };
            let more = (2_u32..).map_while(|number| find(&format!("{first}.{number}")));
            return std::iter::once(object).chain(more).collect();
        }
        Vec::new()
    }

    /// The table of contents, compared with the manifest.
    pub(super) async fn table_of_contents<R: ObjectReader>(&self, reader: &R) -> Result<Vec<u8>> {
        let mut objects = self.backup.manifest.objects.iter();
        let object = objects.find(|object| self.file_name(object) == Some(TOC));
        let object = object.ok_or_else(|| lacks_toc(self.backup))?;
        let location = self.backup.location(object);
        let bytes = read_all(reader, &location).await?;
        compare(object, &location, &Sha256::digest(&bytes), bytes.len() as u64)?;
        Ok(bytes)
    }
}

fn lacks_toc(backup: &Backup) -> autodump_core::Error {
    broken(format!("the manifest {} names no {TOC}", backup.uri()))
}
