//! What lies in the bucket, and whether it is a backup.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use autodump_local::api::ObjectInfo;
use autodump_local::compare;
use autodump_local::postgres::Postgres;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::world::{Target, World};

/// A manifest and where it lies.
#[derive(Debug, Clone)]
pub(crate) struct Backup {
    pub(crate) key: String,
    pub(crate) manifest: Value,
}

impl Backup {
    /// As a restore wants it.
    pub(crate) fn url(&self, world: &World) -> Result<String> {
        Ok(format!("s3://{}/{}", world.bucket()?, self.key))
    }

    /// The keys of its objects.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let objects = self.manifest["objects"].as_array().into_iter().flatten();
        objects.filter_map(|object| object["key"].as_str()).collect()
    }

    /// The key of the data of the only table that has this name.
    pub(crate) fn key_of(&self, table: &str) -> Result<&str> {
        let tables = self.manifest["tables"].as_array().into_iter().flatten();
        let found = tables.filter(|known| known["name"] == table);
        let keys: Vec<_> = found.filter_map(|known| known["keys"][0].as_str()).collect();
        let [key] = keys.as_slice() else { bail!("{} tables {table}", keys.len()) };
        Ok(key)
    }
}

impl World {
    pub(crate) async fn objects(&self, target: &Target) -> Result<Vec<ObjectInfo>> {
        self.api().list_objects(self.bucket()?, &target.directory()).await
    }

    /// The backups of a target, the oldest first.
    pub(crate) async fn backups(&self, target: &Target) -> Result<Vec<Backup>> {
        let mut backups = Vec::new();
        for object in self.objects(target).await? {
            if object.key.ends_with("/manifest.json") {
                let bytes = self.api().get_object(self.bucket()?, &object.key).await?;
                let manifest = serde_json::from_slice(&bytes)?;
                backups.push(Backup { key: object.key, manifest });
            }
        }
        Ok(backups)
    }

    pub(crate) async fn one_backup(&self, target: &Target) -> Result<Backup> {
        let mut backups = self.backups(target).await?;
        let (Some(backup), true) = (backups.pop(), backups.is_empty()) else {
            bail!("{} backups, not one", backups.len());
        };
        Ok(backup)
    }

    /// Asserts that exactly one backup of the target exists and nothing else, restores it with
    /// the stock `pg_restore`, and compares the contents with those of `database`.
    pub(crate) async fn one_backup_equals(&self, target: &Target, database: &str) -> Result<()> {
        let backup = self.one_backup(target).await?;
        let objects = self.objects(target).await?;
        let found: BTreeSet<_> = objects.iter().map(|object| object.key.as_str()).collect();
        let mut known: BTreeSet<_> = backup.keys().into_iter().collect();
        known.insert(&backup.key);
        ensure!(found == known, "not all of these are in the manifest: {found:?}");
        let restored = format!("{database} restored");
        self.restores_by_hand(&backup, &self.server, &restored).await?;
        let source = compare::fingerprint(&self.server, database)?;
        compare::assert_equal(&source, &compare::fingerprint(&self.server, &restored)?)
    }

    /// Restores a backup with the stock `pg_restore` into a new database.
    pub(crate) async fn restores_by_hand(
        &self,
        backup: &Backup,
        server: &Postgres,
        database: &str,
    ) -> Result<()> {
        let directory = tempfile::tempdir()?;
        for object in backup.manifest["objects"].as_array().context("no objects")? {
            self.fetch(object, directory.path()).await?;
        }
        compare::restore(server, &archive(&directory)?, database)
    }

    /// Fetches an object of a manifest, compares it with what the manifest says, and writes it
    /// into the archive's directory within `into`; what lies elsewhere is left out.
    async fn fetch(&self, object: &Value, into: &Path) -> Result<()> {
        let key = object["key"].as_str().context("no key in the manifest")?;
        let data = self.api().get_object(self.bucket()?, key).await?;
        ensure!(object["bytes"] == data.len(), "{object}: {} bytes", data.len());
        ensure!(object["sha256"] == hex::encode(Sha256::digest(&data)), "SHA-256 of {object}");
        let mut parts = key.rsplit('/');
        let (Some(file), Some(directory)) = (parts.next(), parts.next()) else {
            bail!("the key {key} has no directory");
        };
        if file == "globals.sql" {
            return Ok(());
        }
        std::fs::create_dir_all(into.join(directory))?;
        std::fs::write(into.join(directory).join(file), &data)?;
        Ok(())
    }

    /// After a failure: no manifest, no data object, no open upload; the next run waits.
    pub(crate) async fn nothing_is_left_but_the_next_run(&self, target: &Target) -> Result<()> {
        self.nothing_is_left(target).await?;
        self.next_run_waits(target).await
    }

    pub(crate) async fn nothing_is_left(&self, target: &Target) -> Result<()> {
        let objects = self.objects(target).await?;
        ensure!(objects.is_empty(), "left behind: {objects:?}");
        self.nothing_is_open(target).await
    }

    pub(crate) async fn nothing_is_open(&self, target: &Target) -> Result<()> {
        let uploads = self.api().open_uploads(self.bucket()?, &target.directory()).await?;
        ensure!(uploads.is_empty(), "open uploads: {uploads:?}");
        Ok(())
    }
}

/// The one directory that was fetched.
fn archive(directory: &TempDir) -> Result<std::path::PathBuf> {
    let entries: Vec<_> = std::fs::read_dir(directory.path())?.collect::<Result<_, _>>()?;
    let [archive] = entries.as_slice() else { bail!("{} directories", entries.len()) };
    Ok(archive.path())
}
