//! DynamoDB makes the table and imports its items itself.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use autodump_core::table::arn::TableArn;
use autodump_core::table::calls;
use autodump_core::table::ports::{Called, TableService};
use autodump_core::{Error, ErrorClass, Result};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::pace::PATIENCE;
use super::state::{Reached, State};
use super::watch::{Event, Watcher};
use super::{Backup, damaged};
use crate::table::importing;

/// Between two looks at an import, which takes minutes at least.
const PAUSE: Duration = Duration::from_secs(15);

/// Imports, and waits for the end. False where the service knows no imports: nothing was done
/// then. An import is not stopped by whoever stops waiting.
pub(super) async fn run(
    service: &impl TableService,
    backup: &Backup,
    create: &Map<String, Value>,
    target: &TableArn,
    state: &State,
    watcher: &dyn Watcher,
) -> Result<bool> {
    let input = input(backup, create, &target.name)?;
    state.reached(Reached::Made(target.name.clone()));
    let called = service.dynamodb("ImportTable", input).await?;
    if matches!(&called, Called::Refused { code, .. } if calls::is_unsupported(code)) {
        state.nothing_done();
        return Ok(false);
    }
    if matches!(called, Called::Refused { .. }) {
        state.nothing_done();
    }
    let mut answer = calls::answer("ImportTable", &target.name, called)?;
    let arn = answer["ImportTableDescription"]["ImportArn"].take();
    let arn = arn.as_str().unwrap_or_default().to_owned();
    state.reached(Reached::Importing(target.name.clone(), arn.clone()));
    let mut heard = Instant::now();
    loop {
        let called = match service.dynamodb("DescribeImport", json!({"ImportArn": arn})).await {
            // The import goes on, whether anybody can ask about it or not.
            Err(error) if error.class() == ErrorClass::Source && heard.elapsed() < PATIENCE => {
                sleep(PAUSE).await;
                continue;
            }
            called => called?,
        };
        heard = Instant::now();
        let mut answer = calls::answer("DescribeImport", &arn, called)?;
        let import = answer["ImportTableDescription"].take();
        let count = |name: &str| import[name].as_u64().unwrap_or_default();
        watcher.note(&Event::Imported(count("ProcessedItemCount")));
        match import["ImportStatus"].as_str() {
            Some("IN_PROGRESS" | "CANCELLING") => sleep(PAUSE).await,
            Some("COMPLETED") => {
                state.add_items(count("ImportedItemCount"));
                state.reached(Reached::Filling(target.name.clone()));
                return complete(&import, backup, &arn).map(|()| true);
            }
            _ => {
                state.add_items(count("ImportedItemCount"));
                state.reached(Reached::Filling(target.name.clone()));
                return Err(failed(&import, &arn));
            }
        }
    }
}

fn input(backup: &Backup, create: &Map<String, Value>, table: &str) -> Result<Value> {
    let mut source = json!({"S3Bucket": backup.data.bucket, "S3KeyPrefix": backup.data.key});
    if let Some(owner) = &backup.bucket_owner {
        source["S3BucketOwner"] = json!(owner);
    }
    let mut input = importing::input(create, table, backup.compression, &source)?;
    // Makes a request whose answer was lost the same one; a later restore asks for another.
    let token = format!("{:016x}", RandomState::new().build_hasher().finish());
    input["ClientToken"] = json!(token);
    Ok(input)
}

/// Compares what was imported with the manifest.
fn complete(import: &Value, backup: &Backup, arn: &str) -> Result<()> {
    let items: u64 = backup.objects.iter().map(|object| object.items).sum();
    let imported = import["ImportedItemCount"].as_u64();
    let errors = import["ErrorCount"].as_u64().unwrap_or_default();
    if imported == Some(items) && errors == 0 {
        return Ok(());
    }
    Err(damaged(format!(
        "the import {arn} does not have the {items} items of the manifest: {}",
        counts(import)
    )))
}

fn failed(import: &Value, arn: &str) -> Error {
    let text = |name: &str| import[name].as_str().unwrap_or("unknown").to_owned();
    let what = format!(
        "the import {arn} ended as {}: {}: {} ({})",
        text("ImportStatus"),
        text("FailureCode"),
        text("FailureMessage"),
        counts(import)
    );
    let hint =
        "Look at what DynamoDB wrote to CloudWatch about it, or let AutoDump write the items";
    Error::new(ErrorClass::Engine, what, hint)
}

fn counts(import: &Value) -> String {
    let count = |name: &str| import[name].as_u64().unwrap_or_default();
    let log = import["CloudWatchLogGroupArn"].as_str();
    format!(
        "{} items processed, {} imported, {} errors{}",
        count("ProcessedItemCount"),
        count("ImportedItemCount"),
        count("ErrorCount"),
        log.map_or_else(String::new, |log| format!("; see {log}"))
    )
}
