//! What several tests need.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::Duration;

use autodump_core::manifest::{Consistency, Job, Method, MethodKind};
use autodump_core::options::DumpOptions;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::{EngineName, SecretValue};
use autodump_core::testing::MemoryStore;
use autodump_core::verification::Level;
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::StopFlag;
use autodump_dump::child::{Command, Exit};
use autodump_dump::engine::{Content, Engine, Order};
use autodump_dump::open_uploads::SharedStore;
use autodump_dump::output::upload_output;
use autodump_dump::publish::Patience;
use autodump_dump::restore::{Backup, RestoreWork, Restored, SharedReader};
use autodump_dump::run::{DumpJob, Settings};
use autodump_dump::uploader::Uploader;
use autodump_dump::verify::{Tried, VerifyWork};
use chrono::{DateTime, Utc};

pub(crate) mod backup;
pub(crate) mod disk;
pub(crate) mod exotic;
pub(crate) mod hooked;
pub(crate) mod postgres;

/// An engine whose dump program is a shell script. `$1` is the database.
pub(crate) struct Script(pub(crate) &'static str);

impl Engine for Script {
    fn name(&self) -> EngineName {
        EngineName::Postgres
    }

    async fn databases<A: DatabaseAccess>(
        &self,
        access: &Arc<A>,
        _: &DumpOptions,
    ) -> Result<Vec<String>> {
        let one = access.secret().await?.database;
        Ok(vec!["first".to_owned(), one, "third".to_owned()])
    }

    async fn dump<A: DatabaseAccess + 'static, S: SharedStore>(
        &self,
        order: &Order<A>,
        uploader: &Arc<Uploader<S>>,
        stop: StopFlag,
    ) -> Result<Content<S::Upload>> {
        let command = Command::new("/bin/sh").arguments(["-c", self.0, "script", &order.database]);
        let location = order.location(&format!("{}.dump", order.database));
        let objects = upload_output(uploader, location, 0, &command, explain, stop).await?;
        let compression = "none".to_owned();
        Ok(Content {
            server_version: "1.0".to_owned(),
            client: "script 1.0".to_owned(),
            consistency: Consistency::Snapshot,
            snapshot: None,
            method: Method { kind: MethodKind::Client, jobs: 1, compression, reason: None },
            objects,
            tables: Vec::new(),
            restore: vec![format!("restore {}", order.database)],
        })
    }

    fn check(&self, _: &Backup) -> Result<()> {
        Err(only_dumps())
    }

    async fn restore<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        _: &RestoreWork<'_, R, A>,
        _: StopFlag,
    ) -> Result<Restored> {
        Err(only_dumps())
    }

    async fn verify<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        _: &VerifyWork<'_, R, A>,
        _: StopFlag,
    ) -> Result<Tried> {
        Err(only_dumps())
    }
}

fn only_dumps() -> Error {
    Error::new(ErrorClass::Internal, "a script only dumps", "Correct the test")
}

fn explain(exit: &Exit) -> Error {
    Error::new(ErrorClass::Engine, exit.to_string(), "Look at the script")
}

/// A secret that does not change.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) SecretValue);

impl DatabaseAccess for Fixed {
    async fn secret(&self) -> Result<SecretValue> {
        Ok(self.0.clone())
    }
}

/// Access to a database that is never connected to.
pub(crate) fn access() -> Arc<Fixed> {
    access_to(&serde_json::json!({
        "engine": "postgres", "host": "h", "dbname": "shop", "username": "u", "password": "p",
    }))
}

/// Access to what these fields of a secret say.
pub(crate) fn access_to(fields: &serde_json::Value) -> Arc<Fixed> {
    Arc::new(Fixed(secret(fields)))
}

pub(crate) fn left_nothing(store: &MemoryStore) {
    assert_eq!(store.keys(), Vec::<String>::new(), "something was published");
    assert_eq!(store.open_uploads(), Vec::<String>::new(), "an upload is still open");
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from(std::time::SystemTime::now())
}

/// The usual settings with less patience.
pub(crate) fn settings() -> Settings {
    let patience = Patience {
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(50),
        total: Duration::from_millis(500),
    };
    Settings { patience, ..Settings::new(now) }
}

pub(crate) fn secret(fields: &serde_json::Value) -> SecretValue {
    SecretValue::parse(&fields.to_string()).unwrap()
}

pub(crate) fn job() -> DumpJob {
    DumpJob {
        resource_arn: "arn:aws:secretsmanager:eu-central-1:1:secret:prod/app-AbCdEf".to_owned(),
        tag_hash: format!("v1:{}", "0".repeat(64)).into(),
        scheduled_for: "2026-11-22T08:00:00Z".parse().unwrap(),
        execution_arn: "arn:aws:states:eu-central-1:1:execution:AutoDump:x".to_owned(),
        job: Job { id: "job".to_owned(), attempt: 1 },
        database: "shop".to_owned(),
        options: DumpOptions::default(),
        verify: Level::None,
        bucket: "backups".to_owned(),
        autodump_version: "0.1.0".to_owned(),
    }
}
