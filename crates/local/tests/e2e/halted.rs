//! A dump that stands in the middle of its rows.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use autodump_local::api::Execution;
use autodump_local::postgres::Postgres;
use serde_json::{Value, json};

use crate::databases::make_large_database;
use crate::tap::Tap;
use crate::world::{FAR, SCHEDULE, Target, World};

/// Of 82 MB that the server sends for a large database. A reader alone takes 25 MB of them in its
/// first range, which makes a part, and 19 MB in its second one, of which more is left then than the
/// buffers between take.
const ROWS: u64 = 32_000_000;
/// Enough to have connected, and less than the rows are.
const FEW: u64 = 1_000_000;

/// A dump of a large database of its own, behind a tap.
pub(crate) struct Halted {
    pub(crate) target: Target,
    pub(crate) run: Execution,
    pub(crate) tap: Tap,
    /// The id of its job.
    pub(crate) job: String,
    pub(crate) database: String,
}

/// A dump whose first parts are sent.
pub(crate) async fn halted(world: &Arc<World>, name: &str) -> Result<Halted> {
    let database = name.replace('/', " ");
    make_large_database(&world.server, &database)?;
    halted_with(world, name, &world.value(&database), world.server.port(), &[]).await
}

/// The same of a database that is there, reached by this secret.
pub(crate) async fn halted_with(
    world: &Arc<World>,
    name: &str,
    value: &Value,
    server: u16,
    tags: &[(&str, &str)],
) -> Result<Halted> {
    let halted = begun(world, name, value, server, tags, ROWS).await?;
    for _ in 0..3_000 {
        if world.cloud.faults().count("UploadPart", &halted.target.directory()) > 0 {
            return Ok(halted);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("no part was sent within 30 s")
}

/// A dump whose connections have brought next to nothing yet, so that `pg_dump` still runs.
pub(crate) async fn hardly_begun(world: &Arc<World>, name: &str) -> Result<Halted> {
    let database = name.replace('/', " ");
    make_large_database(&world.server, &database)?;
    hardly_begun_with(world, name, &world.value(&database), world.server.port(), &[]).await
}

/// The same of a database that is there, reached by this secret.
pub(crate) async fn hardly_begun_with(
    world: &Arc<World>,
    name: &str,
    value: &Value,
    server: u16,
    tags: &[(&str, &str)],
) -> Result<Halted> {
    begun(world, name, value, server, tags, FEW).await
}

async fn begun(
    world: &Arc<World>,
    name: &str,
    value: &Value,
    server: u16,
    tags: &[(&str, &str)],
    most: u64,
) -> Result<Halted> {
    let tap = Tap::new(server, most).await?;
    let mut behind = value.clone();
    behind["port"] = json!(tap.port);
    let mut all = vec![(SCHEDULE, FAR), ("autodump:jobs", "1")];
    all.extend(tags);
    let target = world.secret(name, &behind, &all).await?;
    let run = world.run_now(&target).await?;
    let job = world.wait_for_job(&run, |job| job.pid.is_some()).await?.id;
    tap.has_stopped().await?;
    let database = value["databasename"].as_str().context("no database")?.to_owned();
    Ok(Halted { target, run, tap, job, database })
}

impl Halted {
    /// The processes of this name that the job's process has started.
    pub(crate) async fn children(&self, world: &World, name: &str) -> Result<Vec<i32>> {
        let job = world.wait_for_job(&self.run, |job| job.pid.is_some()).await?;
        let parent = job.pid.context("no process")?.to_string();
        for _ in 0..1_000 {
            let found = children(&parent, name)?;
            if !found.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("no {name} of process {parent} within 10 s")
    }

    /// How many connections of the dump the server has that are reading rows.
    pub(crate) fn readers(&self, server: &Postgres) -> Result<usize> {
        let rows = server.sql("postgres", &format!("SELECT count(*) {}", self.copying()))?;
        Ok(rows.parse()?)
    }

    /// The end of a query for those connections.
    pub(crate) fn copying(&self) -> String {
        format!(
            "FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'autodump' \
             AND state = 'active' AND query ILIKE 'COPY%'",
            self.database
        )
    }
}

/// `/proc/<id>/stat` has the name in parentheses, then the state and the parent.
fn children(parent: &str, name: &str) -> Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((head, tail)) = stat.rsplit_once(") ") else { continue };
        let Some((id, known)) = head.split_once(" (") else { continue };
        if known == name && tail.split(' ').nth(1) == Some(parent) {
            found.push(id.parse()?);
        }
    }
    Ok(found)
}
