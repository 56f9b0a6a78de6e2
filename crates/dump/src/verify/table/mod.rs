//! Whether the backup of a table is what its manifest says.
//!
//! - `checksum`: every object is read once, and its length, SHA-256 and CRC64-NVME are compared,
//!   or those of an export with its MD5; the table's definition is understood, and is the table's;
//!   the manifest's numbers of items agree with each other.
//! - `archive`: the same, and in the same reading every object is decompressed to its end. Each
//!   line is an item with the key attributes of the definition; items are counted, and no key is
//!   there twice. Of more than 4,194,304 items only a share is looked at for the latter, which the
//!   result says.
//!
//! There is no level `restore`.

mod keys;
#[cfg(test)]
mod made;
mod object;
mod sums;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use autodump_core::compression::Compression;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::table::definition::Definition;
use autodump_core::table::manifest::{TableManifest, TableObject};
use autodump_core::verification::{Level, Verification};
use autodump_core::{Error, ErrorClass, Result};
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use self::keys::Keys;
use self::object::{Archive, Wanted};
use super::found::Found;
use super::watch::{Event, Phase, Watched, Watcher};
use super::{UNVERIFIED, is_damaged, log_progress};
use crate::object::{AnyManifest, read_all, read_any_manifest, uri};
use crate::output::interrupted;
use crate::restore::SharedReader;
use crate::table::restore::item::Reader;

/// How many pairs of objects with the same keys are named.
const NAMED: usize = 10;

/// What is to be verified, and how.
#[derive(Debug)]
pub struct Verify<R> {
    /// Where the backup is.
    pub reader: R,
    /// The backup's manifest.
    pub manifest: ObjectLocation,
    /// How far, but not [`Level::Restore`]. [`Level::None`] reads the manifest alone.
    pub level: Level,
    /// Objects that are read at once; 1 to 64.
    pub jobs: u16,
    /// The clock.
    pub now: fn() -> DateTime<Utc>,
}

/// Verifies the backup of a table. An error means that it could not be done: nobody may read
/// there, the store cannot be reached, there is no manifest (class verification), it is that of a
/// database, the level is [`Level::Restore`] (class configuration), or `stop` came to its end. A
/// manifest that is there and cannot be read is a problem of the backup, unless a newer version
/// wrote it.
///
/// Memory is bounded whatever the size of the backup: about 20 MiB for each job, 64 MiB for keys,
/// and the manifest.
pub async fn run<R: SharedReader>(
    verify: &Verify<R>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Verification> {
    verify.run(Watched::default(), stop).await
}

/// The same, telling `watcher` how far it is.
pub async fn run_watched<R: SharedReader>(
    verify: &Verify<R>,
    watcher: Arc<dyn Watcher>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Verification> {
    verify.run(Watched(Some(watcher)), stop).await
}

impl<R: SharedReader> Verify<R> {
    async fn run(
        &self,
        watched: Watched,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Verification> {
        if self.level == Level::Restore {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("{} is to be verified by restoring a table", uri(&self.manifest)),
                "Backups of tables are verified up to the level archive",
            ));
        }
        let started_at = (self.now)();
        let found = Found::new(watched);
        let stop = pin!(stop);
        let unchecked = tokio::select! {
            biased;
            () = stop => return Err(interrupted(UNVERIFIED)),
            never = log_progress(&found) => match never {},
            outcome = self.read(&found) => outcome?,
        };
        let verification = found.into_verification(&self.manifest, self.level, started_at);
        Ok(Verification { finished_at: (self.now)(), unchecked, ..verification })
    }

    /// Reads the backup as far as the level asks for. Gives what was not looked at.
    async fn read(&self, found: &Found) -> Result<Vec<String>> {
        let Some(manifest) = self.manifest(found).await? else { return Ok(Vec::new()) };
        let backup =
            Backup { reader: &self.reader, at: &self.manifest, manifest: &manifest, found };
        let objects = &manifest.objects;
        found.tell(Event::Planned {
            objects: objects.len() as u64,
            bytes: objects.iter().fold(0, |sum, object| sum.saturating_add(object.bytes)),
        });
        found.tell(Event::Phase(Phase::Objects));
        if self.level == Level::None {
            return Ok(Vec::new());
        }
        backup.check_manifest();
        let keys = backup.keys().await?;
        let mut unchecked = match (self.level, keys) {
            (Level::Archive, Some(keys)) => backup.read_items(keys, self.jobs).await?,
            (level, keys) => {
                backup.read_objects(None, self.jobs).await?;
                let missing = level == Level::Archive && keys.is_none();
                let why = "The lines of the objects were not looked at: the key is not known";
                missing.then(|| why.to_owned()).into_iter().collect()
            }
        };
        unchecked.extend(backup.strangers().await);
        Ok(unchecked)
    }

    /// The manifest; `None` where it is damaged, which has been noted.
    async fn manifest(&self, found: &Found) -> Result<Option<Box<TableManifest>>> {
        match read_any_manifest(&self.reader, &self.manifest).await {
            Ok(AnyManifest::Table(manifest)) => Ok(Some(manifest)),
            Ok(AnyManifest::Database(manifest)) => {
                let (manifest, engine) = (uri(&self.manifest), manifest.engine.name);
                let what = format!("{manifest} is the backup of a database of engine {engine:?}");
                let hint = "Name the backup of a table";
                Err(Error::new(ErrorClass::Configuration, what, hint))
            }
            Err(error) if is_damaged(&self.reader, &self.manifest, &error).await? => {
                found.problem(error.what());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// A backup, and where it lies now.
struct Backup<'a, R> {
    reader: &'a R,
    at: &'a ObjectLocation,
    manifest: &'a TableManifest,
    found: &'a Found,
}

impl<R: ObjectReader> Backup<'_, R> {
    /// Where an object lies: as it was to the manifest when that was written, wherever the whole
    /// run was copied to since.
    fn location(&self, bucket: &str, key: &str) -> ObjectLocation {
        let directory = |key: &str| key.rsplit_once('/').map_or(0, |(name, _)| name.len() + 1);
        let written = &self.manifest.definition;
        let run = &written[..directory(written)];
        match key.strip_prefix(run).filter(|_| !run.is_empty()) {
            Some(rest) => {
                let key = format!("{}{rest}", &self.at.key[..directory(&self.at.key)]);
                ObjectLocation { bucket: self.at.bucket.clone(), key }
            }
            None => ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() },
        }
    }

    fn location_of(&self, object: &TableObject) -> ObjectLocation {
        self.location(&object.bucket, &object.key)
    }

    /// What the manifest says twice has to be the same.
    fn check_manifest(&self) {
        let Self { manifest, found, .. } = self;
        let items = manifest.objects.iter().try_fold(0, |s: u64, one| s.checked_add(one.items));
        if items != Some(manifest.items) {
            let items = items.map_or("too many".to_owned(), |items| items.to_string());
            let all = manifest.items;
            found.problem(format!("the manifest's objects have {items} items, not {all}"));
        }
        for table in manifest.tables.iter().filter(|table| table.rows != manifest.items) {
            let (name, rows) = (&table.name, table.rows);
            found.problem(format!(
                "the table {name} of the manifest has {rows} rows, not as many as items"
            ));
        }
        let mut known = BTreeSet::new();
        for object in &manifest.objects {
            let location = uri(&self.location_of(object));
            if !known.insert(&object.key) {
                found.problem(format!("the manifest names {location} twice"));
            }
            if object.sha256.is_none() && object.crc64nvme.is_none() && object.md5.is_none() {
                found.problem(format!("the manifest has no checksum of {location}"));
            }
        }
    }

    /// The key that the table's definition says; `None` where that is not as it should be.
    async fn keys(&self) -> Result<Option<Vec<(String, String)>>> {
        let location = self.location(&self.at.bucket, &self.manifest.definition);
        let read = async {
            let text = read_all(self.reader, &location).await?;
            let definition = Definition::parse(&String::from_utf8_lossy(&text))?;
            let (of, target) = (&definition.table_arn, &self.manifest.target.arn);
            if of != target {
                let what = format!("it is of {of}, not of {target}");
                return Err(Error::new(ErrorClass::Verification, what, "Use another backup"));
            }
            definition.keys()
        };
        match read.await {
            Ok(keys) => Ok(Some(keys)),
            Err(error) if error.class() == ErrorClass::Verification => {
                self.found.problem(format!("{}: {}", uri(&location), error.what()));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads all objects, and the items in them. Gives what was not looked at.
    async fn read_items(&self, names: Vec<(String, String)>, jobs: u16) -> Result<Vec<String>> {
        let compression = &self.manifest.method.compression;
        let algorithm = match compression.parse::<Compression>() {
            Ok(compression) => compression.algorithm(),
            Err(why) => {
                self.found.problem(format!("the manifest's compression {compression:?} {why}"));
                self.read_objects(None, jobs).await?;
                let why = "The lines of the objects were not looked at: how they are compressed \
                           is not known";
                return Ok(vec![why.to_owned()]);
            }
        };
        let objects = self.manifest.objects.iter();
        let items = objects.fold(0, |sum: u64, object| sum.saturating_add(object.items));
        let keys = Arc::new(Keys::new(items, keys::MOST));
        let reader = Reader::new(names);
        let archive = Archive { algorithm, reader, keys: Arc::clone(&keys) };
        let items = self.read_objects(Some(archive), jobs).await?;
        self.found.table(items);
        self.note_twice(&keys);
        Ok(match keys.one_of() {
            1 => Vec::new(),
            share => vec![format!(
                "Whether a key is there twice was looked at for one in {share} keys: there is \
                 memory for {} of them",
                keys::MOST
            )],
        })
    }

    /// Reads all objects, several at a time. Gives how many items they have that were counted.
    async fn read_objects(&self, archive: Option<Archive>, jobs: u16) -> Result<u64> {
        let numbered = (0..).zip(&self.manifest.objects);
        let each = numbered.map(|(number, object)| {
            let location = self.location_of(object);
            let archive = archive.clone();
            let wanted = Wanted { number, object: object.clone(), location, archive };
            object::read(self.reader, wanted, self.found)
        });
        let each = stream::iter(each).buffer_unordered(usize::from(jobs.max(1)));
        each.try_fold(0, |sum, items| async move { Ok(sum + items.unwrap_or_default()) }).await
    }

    fn note_twice(&self, keys: &Keys) {
        let all = keys.twice();
        let name = |number: u32| {
            let object = usize::try_from(number).ok().and_then(|n| self.manifest.objects.get(n));
            object.map(|object| uri(&self.location_of(object))).unwrap_or_default()
        };
        for ((one, other), times) in all.iter().take(NAMED) {
            let (one, other) = (name(*one), name(*other));
            self.found.problem(if one == other {
                format!("{one} has {times} items with keys that it has before")
            } else {
                format!("{other} has {times} items with keys that {one} has too")
            });
        }
        if all.len() > NAMED {
            let more = all.len() - NAMED;
            self.found.problem(format!("keys are there twice in {more} pairs of objects more"));
        }
    }

    /// What lies with the data and is not in the manifest: whoever restores without AutoDump lets
    /// DynamoDB import all that lies there.
    async fn strangers(&self) -> Option<String> {
        let objects = &self.manifest.objects;
        let known: BTreeSet<_> = objects.iter().map(|one| self.location_of(one).key).collect();
        let here = self.location_of(objects.first()?);
        let (directory, _) = here.key.rsplit_once('/')?;
        let listed = match self.reader.list(&here.bucket, &format!("{directory}/")).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::info!(what = error.what(), "the data are not listed");
                return None;
            }
        };
        let mut strangers = listed.iter().filter(|listed| !known.contains(&listed.key));
        let first = strangers.next()?;
        let others = match strangers.count() {
            0 => String::new(),
            more => format!(" and {more} objects more"),
        };
        let (bucket, key) = (&here.bucket, &first.key);
        Some(format!("s3://{bucket}/{key}{others}: not in the manifest, but with the data"))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
