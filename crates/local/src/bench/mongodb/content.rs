//! What archives hold, so that both sides are seen to have dumped the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::super::store::{Backup, Store};
use super::dump::{Job, Tools};
use crate::say::progress;

/// What a backup that was checked has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// Its objects, the manifest not among them.
    pub(super) objects: usize,
    /// All documents, in bytes of BSON.
    pub(super) bson: u64,
}

/// Of each collection: its documents, their bytes, and a sum of their hashes.
type Held = BTreeMap<String, (u64, u64, String)>;

impl Tools<'_> {
    /// Runs ours into a real server, and mongodump into a file. Fails unless the objects are those of the manifest, and
    /// manifest and both archives have the same documents. Nothing is measured before.
    pub(super) async fn check(&self, job: Job<'_>) -> Result<Checked> {
        let store = Store::start(self.directory).await?;
        self.ours(job, Some(&store)).await?;
        let backup = store.backup()?;
        let kind = &backup.manifest["method"]["kind"];
        ensure!(kind == job.method, "ours read by {kind}, not by {}", job.method);
        let ours = self.held(&files(&store, &backup)?).await.context("our archive")?;
        let counts: BTreeMap<&str, u64> = ours.iter().map(of_collection).collect();
        let listed = counts_of(&backup.manifest)?;
        ensure!(counts == listed, "the archive has {counts:?}, the manifest says {listed:?}");
        let file = self.directory.join("checked.archive");
        let compared = self.archive(job, &file).await?;
        if compared {
            let theirs = self.held(std::slice::from_ref(&file)).await.context("mongodump's")?;
            ensure!(ours == theirs, "ours holds {ours:?}, mongodump's {theirs:?}");
        }
        let _ = std::fs::remove_file(&file);
        let checked = Checked {
            objects: backup.objects.len() - 1,
            bson: ours.values().map(|(_, bytes, _)| bytes).sum(),
        };
        progress(&format!(
            "checked: {}: {} documents in {} collections{}",
            job.text(),
            counts.values().sum::<u64>(),
            counts.len(),
            if compared { ", the same as in mongodump's archive" } else { "" }
        ));
        Ok(checked)
    }

    async fn held(&self, files: &[PathBuf]) -> Result<Held> {
        let mut command = Command::new(&self.python);
        command.args(["-c", include_str!("archive.py")]).args(files).kill_on_drop(true);
        let done = command.output().await?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(serde_json::from_slice(&done.stdout)?)
    }
}

/// The archive's objects in their order.
fn files(store: &Store, backup: &Backup) -> Result<Vec<PathBuf>> {
    let objects = backup.manifest["objects"].as_array().context("no objects")?;
    let file = |object: &Value| {
        let text = |field: &str| object[field].as_str().context("an object without a name");
        Ok(store.file(&format!("{}/{}", text("bucket")?, text("key")?)))
    };
    let is_archive = |file: &PathBuf| {
        let name = file.file_name().map(Path::new).map(|name| name.display().to_string());
        name.is_some_and(|name| name.contains(".archive"))
    };
    let files: Vec<PathBuf> = objects.iter().map(file).collect::<Result<_>>()?;
    ensure!(files.iter().all(is_archive), "these are no archive: {files:?}");
    Ok(files)
}

fn of_collection<'a>(held: (&'a String, &(u64, u64, String))) -> (&'a str, u64) {
    let (name, (documents, ..)) = held;
    (name.split_once('.').map_or(name.as_str(), |(_, collection)| collection), *documents)
}

/// By the manifest, how many documents each collection has.
fn counts_of(manifest: &Value) -> Result<BTreeMap<&str, u64>> {
    let tables = manifest["tables"].as_array().context("the manifest lists no collections")?;
    let mut counts = BTreeMap::new();
    for table in tables {
        let (name, rows) = (table["name"].as_str(), table["rows"].as_u64());
        counts.insert(name.context("no name")?, rows.context("a collection without a count")?);
    }
    Ok(counts)
}
