//! One backup of a table, end to end, by the dumper that ships.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use autodump_core::hash::TagHash;
use autodump_core::table::layout;
use autodump_core::table::plan::{Method, Plan, Scan};
use autodump_core::table::planner::directory;
use autodump_core::verification::Level;
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde_json::{Value, json};
use tokio::process::Command;

use super::super::dumps::{BUCKET, timed};
use super::super::procfs::{Usage, own_cpu_s};
use super::super::server::Server;
use super::super::services::Services;
use super::TABLE;
use super::stub::Totals;
use crate::process::Processes;
use crate::{ACCOUNT, REGION};

/// How many segments are read at once, and how large data objects are: as the planner chooses for a job of one vCPU.
const AT_ONCE: u32 = 16;
const OBJECT: u64 = 32 << 20;

/// A table, and how it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    /// Where its DynamoDB is.
    pub(super) endpoint: &'a str,
    /// What it holds.
    pub(super) totals: Totals,
    pub(super) segments: u32,
    /// Such as `zstd:1`.
    pub(super) compression: &'a str,
}

/// A run of the dumper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub(super) wall: Duration,
    /// The dumper's process.
    pub(super) dumper: Usage,
    /// Of all its data objects.
    pub(super) bytes: u64,
    /// The requests that put an object, journal and state included.
    pub(super) puts: u64,
    /// The processor time of this process: the sink, and the stub if it was read.
    pub(super) servers_cpu_s: f64,
}

/// What runs the dumper.
#[derive(Debug)]
pub(super) struct Dumper<'a> {
    pub(super) program: PathBuf,
    pub(super) processes: &'a Processes,
    /// For its log.
    pub(super) directory: &'a Path,
}

impl Dumper<'_> {
    /// Runs it as Batch would, from its start to its end: a plan is there, and at the end there has to be a manifest of
    /// all items.
    pub(super) async fn run(&self, job: Job<'_>) -> Result<Ours> {
        let server = Server::start(Services::with_secrets(0)).await?;
        let plan = plan(job, Utc::now().trunc_subsecs(0));
        let place = directory(&plan.resource_arn, plan.scheduled_for, &plan.execution_arn);
        let text = serde_json::to_vec(&plan)?;
        server.sink().place(&format!("{BUCKET}/{place}{}", layout::PLAN), text.into());
        let mut command = Command::new(&self.program);
        command.env_clear().envs(server.environment()).envs(environment(&plan, self.directory));
        command.env("AWS_ENDPOINT_URL_DYNAMODB", job.endpoint);
        let before = own_cpu_s();
        let ran = timed(self.processes, &mut command, &self.directory.join("dumper.log")).await;
        let (wall, watch) = ran.context("the dumper")?;
        let servers_cpu_s = own_cpu_s() - before;
        let bytes = check(&server, &place, job)?;
        let puts = server.sink().puts();
        Ok(Ours { wall, dumper: watch.own(), bytes, puts, servers_cpu_s })
    }
}

/// Looks whether the backup is whole, and gives the bytes of its data.
fn check(server: &Server, place: &str, job: Job<'_>) -> Result<u64> {
    let sink = server.sink();
    let manifest = sink.content(&format!("{BUCKET}/{place}manifest.json"));
    let manifest: Value = serde_json::from_slice(&manifest.context("there is no manifest")?)?;
    let (items, wanted) = (manifest["items"].as_u64(), job.totals.items);
    ensure!(items == Some(wanted), "the manifest says {items:?} items, there are {wanted}");
    let objects = sink.take_objects();
    ensure!(!objects.keys().any(|key| key.contains("/journal-")), "a journal was left");
    let (mut all, mut held) = (0, 0);
    for object in manifest["objects"].as_array().into_iter().flatten() {
        let (key, bytes) = (object["key"].as_str().unwrap_or_default(), object["bytes"].as_u64());
        let stored = objects.get(&format!("{BUCKET}/{key}")).copied();
        ensure!(stored.is_some() && stored == bytes, "{key} has {stored:?} bytes, not {bytes:?}");
        all += bytes.unwrap_or_default();
        held += object["items"].as_u64().unwrap_or_default();
    }
    ensure!(held == wanted, "the data objects have {held} items, there are {wanted}");
    Ok(all)
}

fn plan(job: Job<'_>, now: DateTime<Utc>) -> Plan {
    let Totals { items, counted, .. } = job.totals;
    let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}");
    let scan = Scan {
        segments: job.segments,
        ranges: 1,
        parallel: None,
        at_once: AT_ONCE,
        consistent: false,
        units_per_second: None,
        compression: job.compression.to_owned(),
        object_bytes: OBJECT,
        item_bytes: counted / items.max(1),
        items,
    };
    Plan {
        version: 1,
        tag_hash: TagHash::from("v1:00".to_owned()),
        scheduled_for: now,
        execution_arn: format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:bench:run"),
        planned_at: now,
        verify: Level::default(),
        table_id: None,
        replica: None,
        method: Method::Scan(scan),
        definition: json!({
            "version": 1,
            "tableArn": arn,
            "itemCount": items,
            "tableSizeBytes": counted,
            "create": super::create(),
        }),
        resource_arn: arn,
    }
}

/// What the dumper is told beside the endpoints: `contract/environment.json`.
fn environment(plan: &Plan, scratch: &Path) -> Vec<(&'static str, String)> {
    let start = plan.scheduled_for.to_rfc3339_opts(SecondsFormat::Secs, true);
    vec![
        ("AUTODUMP_BUCKET", BUCKET.to_owned()),
        ("AUTODUMP_TAG_PREFIX", "autodump".to_owned()),
        ("AUTODUMP_SCRATCH", scratch.display().to_string()),
        ("AUTODUMP_RESOURCE_ARN", plan.resource_arn.clone()),
        ("AUTODUMP_TAG_HASH", plan.tag_hash.to_string()),
        ("AUTODUMP_START", start),
        ("AUTODUMP_EXECUTION_ARN", plan.execution_arn.clone()),
        ("AWS_BATCH_JOB_ID", uuid::Uuid::new_v4().to_string()),
        ("AWS_BATCH_JOB_ATTEMPT", "1".to_owned()),
    ]
}
