//! What several tests need.
#![allow(dead_code)]

use std::time::Duration;

use autodump_core::manifest::{Job, Object};
use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::child::{Command, Exit};
use autodump_dump::engine::{Engine, Prepared};
use autodump_dump::publish::Patience;
use autodump_dump::run::{DumpJob, Settings};
use chrono::{DateTime, Utc};

pub(crate) mod postgres;

/// An engine whose dump program is a shell script.
pub(crate) struct Script(pub(crate) &'static str);

impl Engine for Script {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn prepare(&self, _secret: &SecretValue) -> Result<Prepared> {
        Ok(Prepared {
            server_version: "1.0".to_owned(),
            client: "script 1.0".to_owned(),
            extension: "dump",
            expected_bytes: 0,
            command: Command::new("/bin/sh").arguments(["-c", self.0]),
        })
    }

    fn explain(&self, exit: &Exit) -> Error {
        Error::new(ErrorClass::Engine, exit.to_string(), "Look at the script")
    }

    fn restore_commands(&self, database: &str, _objects: &[Object]) -> Vec<String> {
        vec![format!("restore {database}")]
    }
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
    Settings { patience, child_grace: Duration::from_secs(1), ..Settings::new(now) }
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
        secret: secret(&serde_json::json!({
            "engine": "postgres", "host": "h", "dbname": "shop", "username": "u", "password": "p",
        })),
        bucket: "backups".to_owned(),
        autodump_version: "0.1.0".to_owned(),
    }
}
