//! One table, one CSV.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use autodump_core::compression::Algorithm;
use autodump_core::ports::{ObjectLocation, ObjectReader, ObjectWriter};
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::Staged;
use autodump_dump::codec::extension;
use autodump_dump::open_uploads::{OpenUploads, SharedStore};
use autodump_dump::part_size::PARTS;
use autodump_dump::progress::Progress;
use autodump_dump::publish::{begin_manifest, publish, stage_manifest};
use autodump_dump::transfer::transfer;
use autodump_dump::uploader::{Limits, Uploader};
use tokio::runtime::Handle;

use crate::layout::Table;
use crate::manifest::{ResultManifest, ResultObject, Source, SourceFile, VERSION};
use crate::options::{Destination, OnBad, Options};
use crate::output::{Stream, channel};
use crate::rows::{Made, Making, Rows};
use crate::schema::TableSchema;
use crate::sources::{Before, before, unchanged};

/// How often more a CSV has than its Parquet; only the size of parts depends on it.
const LARGER: u64 = 6;
/// Less than this is not expected of any CSV.
const LITTLE: u64 = 16 << 20;
/// After this time, uploads that could not be aborted are left to the bucket's lifecycle rule.
const ABORTING: Duration = Duration::from_secs(30);

/// What became of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The result is there now.
    Converted(Box<ResultManifest>),
    /// The result of these files, or of these and newer ones, was there already, and is as it was.
    AlreadyThere(Box<ResultManifest>),
    /// Nothing was published, for this file has come meanwhile: a sentence without a full stop.
    /// The event of the newer files converts them all.
    Growing(String),
}

/// Converts one table of `bucket`. On any error no result is there that was not there before:
/// uploads are aborted, and a CSV without a manifest is none.
///
/// When `stop` ends first, everything ends, with an error of class [`ErrorClass::Interrupted`].
///
/// A table that may still be growing, or has no files, is refused. A result of fewer of its files,
/// or made with other options, or whose data are not as its manifest says, is replaced, and is
/// away meanwhile; one of other files is an error.
pub async fn convert<R, S>(
    reader: &R,
    bucket: &str,
    table: &Table,
    store: &S,
    destination: &Destination,
    options: &Options,
    stop: impl Future<Output = ()> + Send,
) -> Result<Outcome>
where
    R: ObjectReader + Clone + Send + 'static,
    S: SharedStore + ObjectReader + ObjectWriter,
{
    let making = making(table, bucket, options)?;
    let proof_location = destination.manifest(table);
    let found = before(store, &proof_location, bucket, table, options).await?;
    if let Before::Covered(manifest) = found {
        return Ok(Outcome::AlreadyThere(manifest));
    }
    let limits = Limits { memory: options.memory.parts, in_flight: 4, parts: PARTS };
    let uploader = Uploader::new(store.clone(), limits, Arc::new(Progress::default()));
    let proof = OpenUploads::default();
    let visible = OnceLock::new();
    let job = Job { reader, bucket, table, store, destination, options, uploader, visible };
    let outcome = tokio::select! {
        biased;
        outcome = job.published(making, &proof) => outcome,
        () = stop => Err(interrupted(table)),
    };
    // After a success nothing is open but a reject file that was not needed.
    tokio::join!(
        job.uploader.abort_open(tokio::time::sleep(ABORTING)),
        proof.abort_all(tokio::time::sleep(ABORTING))
    );
    match (outcome, job.visible.get()) {
        (Err(error), Some(ours)) => job.outrun(ours, error).await,
        (outcome, _) => outcome,
    }
}

/// Refuses what cannot be converted, before anything is done.
fn making(table: &Table, bucket: &str, options: &Options) -> Result<Making> {
    let refused = |what: String, hint: &str| Err(Error::new(ErrorClass::Configuration, what, hint));
    if let Some(growing) = table.why_growing(bucket) {
        return refused(growing, "Convert it when its writer has ended");
    }
    if table.files.is_empty() {
        let what = format!("s3://{bucket}/{} has no files of Parquet", table.directory);
        return refused(what, "Find out what wrote _SUCCESS there without any, or removed them");
    }
    if options.compression.algorithm() == Algorithm::Lz4 {
        return refused(
            format!("the compression is {}", options.compression),
            "Use none, gzip or zstd",
        );
    }
    options.format.check()?;
    Ok(Making {
        format: options.format.clone(),
        binary: options.binary,
        schema: options.schema.clone(),
        pages: options.memory.pages,
        longest: options.memory.row,
    })
}

struct Job<'a, R, S: SharedStore> {
    reader: &'a R,
    bucket: &'a str,
    table: &'a Table,
    store: &'a S,
    destination: &'a Destination,
    options: &'a Options,
    uploader: Arc<Uploader<S>>,
    /// The manifest of data that may be visible, in the place of others'.
    visible: OnceLock<ResultManifest>,
}

type Parts<S> = Vec<Staged<<S as autodump_core::ports::ObjectStore>::Upload>>;

impl<R, S> Job<'_, R, S>
where
    R: ObjectReader + Clone + Send + 'static,
    S: SharedStore + ObjectReader + ObjectWriter,
{
    async fn published(&self, making: Making, proof: &OpenUploads<S::Upload>) -> Result<Outcome> {
        let location = self.destination.manifest(self.table);
        let begun = begin_manifest(self.store, proof, location.clone()).await?;
        let (made, lines, rejects) = self.uploaded(making).await?;
        let manifest = self.manifest(made, &lines, &rejects);
        let json = serde_json::to_vec_pretty(&manifest).map_err(|error| {
            let what = format!("the manifest of {} cannot be written: {error}", self.table.name);
            Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
        })?;
        let staged = stage_manifest(begun, json.into()).await?;
        if let Some(key) = unchanged(self.reader, self.bucket, self.table).await? {
            return Ok(Outcome::Growing(self.growing(&key)));
        }
        match before(self.store, &location, self.bucket, self.table, self.options).await? {
            // Another conversion was quicker.
            Before::Covered(manifest) => return Ok(Outcome::AlreadyThere(manifest)),
            // Between this and the end there is no result, rather than one that is none.
            Before::Outdated => self.remove_manifest(&location).await?,
            Before::Nothing => {}
        }
        let _ = self.visible.set(manifest.clone());
        let data = lines.into_iter().chain(rejects).collect();
        publish(self.uploader.open(), data, staged, self.options.patience).await?;
        tracing::info!(
            table = self.table.name,
            rows = manifest.rows_out,
            rejects = manifest.rejects,
            key = location.key,
            "table converted"
        );
        Ok(Outcome::Converted(Box::new(manifest)))
    }

    /// The manifest could not be published: there may be one of another conversion that ended at
    /// the same moment. If it is of the very same data, all is well. Otherwise the data may not be
    /// what it says, and it has to go, as does one of which that cannot be found out: no result
    /// can be made again, and one that is none could not be told from a good one.
    async fn outrun(&self, ours: &ResultManifest, error: Error) -> Result<Outcome> {
        let location = self.destination.manifest(self.table);
        let is_ours = |found: &ResultManifest| {
            found.objects == ours.objects && found.reject_objects == ours.reject_objects
        };
        match before(self.store, &location, self.bucket, self.table, self.options).await {
            Ok(Before::Covered(found)) if is_ours(&found) => {
                return Ok(Outcome::AlreadyThere(found));
            }
            Ok(Before::Nothing) => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let Err(problem) = self.remove_manifest(&location).await else { return Err(error) };
        let what = format!(
            "{}; and s3://{}/{} may name other data than lie beside it, and could not be removed: {}",
            error.what(),
            location.bucket,
            location.key,
            problem.what()
        );
        let hint = "Remove that manifest, and convert the table again";
        Err(Error::new(error.class(), what, hint).caused_by(error))
    }

    async fn remove_manifest(&self, location: &ObjectLocation) -> Result<()> {
        self.store.remove(&location.bucket, std::slice::from_ref(&location.key)).await
    }

    fn growing(&self, come: &str) -> String {
        let Self { bucket, table: Table { directory, .. }, .. } = self;
        format!("s3://{bucket}/{directory} is still growing: s3://{bucket}/{come} has come")
    }

    /// Everything uploaded, and nothing visible yet.
    async fn uploaded(&self, making: Making) -> Result<(Made, Parts<S>, Parts<S>)> {
        let (lines, from_lines) = channel(self.options.compression)?;
        let (rejects, from_rejects) = match self.options.on_bad {
            OnBad::Stop => (None, None),
            OnBad::Reject => {
                let (sink, stream) = channel(self.options.compression)?;
                (Some(sink), Some(stream))
            }
        };
        let rows = Rows::new(making, lines, rejects);
        let (reader, bucket) = (self.reader.clone(), self.bucket.to_owned());
        let (files, runtime) = (self.table.files.clone(), Handle::current());
        let thread =
            tokio::task::spawn_blocking(move || rows.run(&reader, &bucket, &files, &runtime));
        let sent = tokio::try_join!(self.send(".csv", from_lines), self.send_rejects(from_rejects));
        // Without anybody who listens, the thread ends.
        let made = thread.await.unwrap_or_else(|error| Err(broke_down(&error)));
        match (made, sent) {
            (Ok(made), Ok((lines, rejects))) => {
                let rejects = if made.rejects > 0 { rejects } else { Vec::new() };
                Ok((made, lines, rejects))
            }
            // Of two ends of a channel, the other one's error is the reason.
            (Err(error), Ok(_)) => Err(self.explained(error).await),
            (Ok(_), Err(error)) => Err(error),
            (Err(_), Err(sent)) if sent.class() != ErrorClass::Internal => Err(sent),
            (Err(made), Err(_)) => Err(self.explained(made).await),
        }
    }

    async fn send(&self, extension: &str, mut from: Stream) -> Result<Parts<S>> {
        let location = self.location(extension);
        let bytes: u64 = self.table.files.iter().map(|file| file.bytes).sum();
        let expected = bytes.saturating_mul(LARGER).max(LITTLE);
        transfer(&self.uploader, location, expected, &mut from).await
    }

    async fn send_rejects(&self, from: Option<Stream>) -> Result<Parts<S>> {
        match from {
            Some(from) => self.send(".rejects.csv", from).await,
            None => Ok(Vec::new()),
        }
    }

    fn location(&self, name: &str) -> ObjectLocation {
        let packed = extension(self.options.compression.algorithm());
        self.destination.location(self.table, &format!("{name}{packed}"))
    }

    /// A file that cannot be read may be one that is another now.
    async fn explained(&self, error: Error) -> Error {
        if error.class() != ErrorClass::Verification {
            return error;
        }
        match unchanged(self.reader, self.bucket, self.table).await {
            Err(changed) if changed.class() == ErrorClass::Verification => changed.caused_by(error),
            _ => error,
        }
    }

    fn manifest(&self, made: Made, lines: &Parts<S>, rejects: &Parts<S>) -> ResultManifest {
        let files = self.table.files.iter().zip(&made.rows).map(|(file, rows)| SourceFile {
            key: file.key.clone(),
            bytes: file.bytes,
            etag: file.etag.clone(),
            rows: *rows,
        });
        ResultManifest {
            version: VERSION,
            table: self.table.name.clone(),
            source: Source {
                bucket: self.bucket.to_owned(),
                directory: self.table.directory.clone(),
                files: files.collect(),
            },
            rows_in: made.rows.iter().sum(),
            columns: made.columns,
            format: self.options.format.clone(),
            binary: self.options.binary,
            compression: self.options.compression.to_string(),
            schema: self.options.schema.as_ref().map(TableSchema::sha256),
            on_bad: self.options.on_bad,
            rows_out: made.rows_out,
            rejects: made.rejects,
            objects: lines.iter().map(described).collect(),
            reject_objects: rejects.iter().map(described).collect(),
        }
    }
}

fn described<U>(staged: &Staged<U>) -> ResultObject {
    ResultObject {
        key: staged.location.key.clone(),
        bytes: staged.completion.bytes,
        sha256: hex::encode(staged.sha256),
    }
}

fn interrupted(table: &Table) -> Error {
    let what = format!("somebody asked to stop (SIGTERM) before {} was converted", table.name);
    Error::new(ErrorClass::Interrupted, what, "Convert it again if that was not meant")
}

fn broke_down(error: &tokio::task::JoinError) -> Error {
    let what = format!("the thread that makes the lines broke down: {error}");
    Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "fault_tests.rs"]
mod fault_tests;

#[cfg(test)]
#[path = "race_tests.rs"]
mod race_tests;

#[cfg(test)]
#[path = "types_tests.rs"]
mod types_tests;

#[cfg(test)]
#[path = "copy_tests.rs"]
mod copy_tests;

#[cfg(test)]
#[path = "duckdb_tests.rs"]
mod duckdb_tests;

#[cfg(test)]
#[path = "roundtrip_tests.rs"]
mod roundtrip_tests;

#[cfg(test)]
#[path = "odd_tests.rs"]
mod odd_tests;
