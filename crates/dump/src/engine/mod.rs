//! The database engines. Each is one file (or folder) beside this one.

use std::sync::Arc;

use autodump_core::Result;
use autodump_core::manifest::{Consistency, Method, Object, Table};
use autodump_core::options::DumpOptions;
use autodump_core::ports::{DatabaseAccess, ObjectLocation, Upload};
use autodump_core::secret::EngineName;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::assembly::Staged;
use crate::open_uploads::SharedStore;
use crate::restore::{Backup, RestoreWork, Restored, SharedReader};
use crate::stop::StopFlag;
use crate::uploader::Uploader;
use crate::verify::{Tried, VerifyWork};

mod installed;
pub mod mongodb;
pub mod postgres;

pub use installed::{AnyEngine, Engines};
pub use mongodb::Mongodb;
pub use postgres::Postgres;

/// What AutoDump has to know about an engine: which databases its server has, how one of them
/// becomes uploaded objects, and what these are good for.
pub trait Engine: Sync {
    /// The engine's name.
    fn name(&self) -> EngineName;

    /// The databases of the server that can be dumped, for whoever wants all of them. One name
    /// that no database has (`*`) stands for all of them together, where the options ask for what
    /// only one backup of all can have.
    fn databases<A: DatabaseAccess>(
        &self,
        access: &Arc<A>,
        options: &DumpOptions,
    ) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// Dumps a database into objects that nobody sees yet. It changes nothing in the database
    /// and completes no upload. On an error, and when it is dropped, no program of its runs
    /// any more; what is open in `uploader` is aborted by the caller. When `stop` is raised
    /// it may use the next moments to end its programs.
    fn dump<A: DatabaseAccess + 'static, S: SharedStore>(
        &self,
        order: &Order<A>,
        uploader: &Arc<Uploader<S>>,
        stop: StopFlag,
    ) -> impl Future<Output = Result<Content<S::Upload>>> + Send;

    /// Whether a manifest of this engine names what every backup of it has. Nothing is read. What
    /// it lacks is an error of class verification.
    fn check(&self, backup: &Backup) -> Result<()>;

    /// Restores a backup that was checked. Nothing is changed before backup and database were
    /// looked at, and `work.state` was told what the database was like. When `stop` is raised it
    /// may use the next moments to end its programs; when it is dropped, none of them runs any
    /// more.
    fn restore<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        work: &RestoreWork<'_, R, A>,
        stop: StopFlag,
    ) -> impl Future<Output = Result<Restored>> + Send;

    /// Reads every object of a backup that was checked, as far as the work's level asks for
    /// (archive or restore), and restores it where `VerifyWork::is_to_be_restored` says so.
    /// What is wrong with the backup is a problem in `work.files.found`; an error says that it
    /// could not be found out. When `stop` is raised it ends with an error of class interrupted,
    /// after it has removed what it made.
    fn verify<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        work: &VerifyWork<'_, R, A>,
        stop: StopFlag,
    ) -> impl Future<Output = Result<Tried>> + Send;
}

/// What is to be dumped, and to where.
#[derive(Debug)]
pub struct Order<A> {
    /// How to reach the server.
    pub access: Arc<A>,
    /// The database.
    pub database: String,
    /// What of it, and how.
    pub options: DumpOptions,
    /// The bucket.
    pub bucket: String,
    /// The run's directory, with a slash at its end.
    pub directory: String,
}

impl<A> Order<A> {
    /// Where a file of the run's directory lies.
    #[must_use]
    pub fn location(&self, file: &str) -> ObjectLocation {
        ObjectLocation { bucket: self.bucket.clone(), key: format!("{}{file}", self.directory) }
    }
}

/// A dump whose objects wait for their publication.
#[derive(Debug)]
pub struct Content<U> {
    /// The server's version, such as `15.18`.
    pub server_version: String,
    /// The dump program and its version, such as `pg_dump 15.18`.
    pub client: String,
    /// In which sense the content is of one point in time.
    pub consistency: Consistency,
    /// The server's name for the snapshot.
    pub snapshot: Option<String>,
    /// How it was dumped.
    pub method: Method,
    /// The objects.
    pub objects: Vec<Staged<U>>,
    /// What is known of the tables.
    pub tables: Vec<Table>,
    /// Shell commands that restore it without AutoDump.
    pub restore: Vec<String>,
}

/// How an object stands in the manifest.
pub(crate) fn described<U: Upload>(staged: &Staged<U>) -> Object {
    Object {
        bucket: staged.location.bucket.clone(),
        key: staged.location.key.clone(),
        bytes: staged.completion.bytes,
        sha256: hex::encode(staged.sha256),
        crc64nvme: BASE64_STANDARD.encode(staged.completion.crc64nvme.to_be_bytes()),
        segments: staged.segments.clone(),
    }
}

/// Quotes a text for a POSIX shell where that is needed.
#[must_use]
pub fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_quoted;

    #[test]
    fn quotes_only_where_the_shell_would_meddle() {
        for (text, quoted) in
            [("app", "app"), ("my db", "'my db'"), ("it's $1", r"'it'\''s $1'"), ("", "''")]
        {
            assert_eq!(shell_quoted(text), quoted);
        }
    }
}
