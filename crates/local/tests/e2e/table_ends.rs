//! Runs of tables that somebody or something ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use autodump_local::api::Execution;
use autodump_local::{Fault, FaultRule, JobView, Signal};
use serde_json::{Value, json};

use crate::table_items::{assert_same, call, items, long_item, write};
use crate::world::{Case, FAR, SCHEDULE, Target, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_killed_child_of_a_table_goes_on_where_it_was),
    case!(a_cancelled_run_of_a_table_leaves_nothing),
    case!(a_table_that_is_deleted_while_it_is_read_is_no_backup),
];

/// A run whose scan stands still.
struct Held {
    table: Target,
    run: Execution,
    rule: u64,
    /// A text that each request of the scan has.
    scan: String,
}

/// Starts a run that is held at its `nth` request.
async fn held(world: &World, name: &str, tags: &[(&str, &str)], nth: u64) -> Result<Held> {
    let all: Vec<_> = [(SCHEDULE, FAR)].iter().chain(tags).copied().collect();
    let table = world.table(name, &all).await?;
    write(world.api(), name, (0..4000).map(long_item)).await?;
    let scan = format!("\"{name}\",\"Segment\"");
    let rule = FaultRule::always("Scan", &scan, Fault::Hold).starting_at(nth);
    let rule = world.cloud.faults().add(rule);
    let run = world.run_now(&table).await?;
    Ok(Held { table, run, rule, scan })
}

async fn until_it_stands(world: &World, held: &Held) -> Result<()> {
    let begun = Instant::now();
    while !world.cloud.faults().seen(&held.scan).iter().any(|seen| seen.faulted) {
        ensure!(begun.elapsed().as_secs() < 60, "the scan does not come so far");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// How often each page was asked for, by the request.
fn asked(world: &World, scan: &str) -> BTreeMap<String, u32> {
    let mut asked = BTreeMap::new();
    for seen in world.cloud.faults().seen(scan) {
        *asked.entry(seen.key).or_default() += 1;
    }
    asked
}

fn segment(request: &str) -> Result<u64> {
    let request: Value = serde_json::from_str(request)?;
    request["Segment"].as_u64().context("no segment")
}

/// Two children; one of them is killed in the middle, and reads on in its second attempt.
async fn a_killed_child_of_a_table_goes_on_where_it_was(world: Arc<World>) -> Result<()> {
    let tags = [("autodump:jobs", "2"), ("autodump:segments", "4")];
    let held = held(&world, "e2e-killed", &tags, 9).await?;
    let name = format!("{}-read", held.run.name);
    let children = || -> Vec<JobView> {
        let jobs = world.cloud.jobs().into_iter();
        jobs.filter(|job| job.name == name && job.array_index.is_some()).collect()
    };
    until_it_stands(&world, &held).await?;
    let running = |job: &&JobView| job.status == "RUNNING";
    let killed = children();
    let killed = killed.iter().find(running).context("no child runs")?;
    world.cloud.signal_job(&killed.id, Signal::Kill)?;
    world.cloud.faults().remove(held.rule);
    world.succeeds_in(&held.run, "Backup complete").await?;
    let again = children().into_iter().find(|job| job.id == killed.id).context("no child")?;
    let codes: Vec<_> = again.attempts.iter().map(|attempt| attempt.exit_code).collect();
    ensure!(codes == [Some(137), Some(0)], "{codes:?}");
    // Each segment of the killed child asked at most once more for one page.
    let mut in_vain = BTreeMap::<u64, u32>::new();
    for (request, times) in asked(&world, &held.scan) {
        *in_vain.entry(segment(&request)?).or_default() += times - 1;
    }
    ensure!(in_vain.values().all(|times| *times <= 1), "read again: {in_vain:?}");
    let backup = world.one_backup(&held.table).await?;
    assert_same(&items(world.api(), "e2e-killed").await?, &world.backed_up(&backup).await?)
}

async fn a_table_that_is_deleted_while_it_is_read_is_no_backup(world: Arc<World>) -> Result<()> {
    let held = held(&world, "e2e-deleted", &[], 4).await?;
    until_it_stands(&world, &held).await?;
    call(world.api(), "DeleteTable", &json!({"TableName": "e2e-deleted"})).await?;
    world.cloud.faults().remove(held.rule);
    let ended = world.end(&held.run).await?;
    let cause = ended.cause.unwrap_or_default();
    ensure!(ended.status == "FAILED", "{}", ended.status);
    ensure!(cause.contains("exit code 10") || cause.contains("configuration"), "{cause}");
    let log = world.job_log(&held.run);
    ensure!(log.contains("is not there any more"), "{log}");
    ensure!(world.jobs_of(&held.run)[0].attempts.len() == 1, "it was tried again");
    ensure!(world.backups(&held.table).await?.is_empty());
    Ok(())
}

/// What `autodump status` tells of a run that stands still after some of its 4000 items.
async fn assert_status(world: &World, held: &Held) -> Result<()> {
    let (machine, bucket) = (world.stack.state_machine()?, world.bucket()?);
    let asked = ["status", "e2e-cancelled", "--state-machine", machine, "--bucket", bucket];
    let told = world.autodump(&[&asked[..], &["--segments", "--json"]].concat()).await?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let runs = told.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let run = runs.iter().map(|event| &event["run"]).find(|run| run["name"] == *held.run.name);
    let run = run.with_context(|| format!("the run is not told of: {told}"))?;
    ensure!(run["status"] == "running" && run["waits"] == false, "{run}");
    let scan = &run["progress"];
    let number =
        |of: &Value, name: &str| of[name].as_u64().with_context(|| format!("{name}: {of}"));
    let (items, bytes) = (number(scan, "items")?, number(scan, "bytes")?);
    ensure!(0 < items && items < 4000, "{scan}");
    // Each has 4096 bytes of padding, and less of all else.
    ensure!(items * 4096 < bytes && bytes < items * 8192, "{scan}");
    ensure!(number(scan, "segments")? == 4 && number(scan, "itemsEstimate")? == 4000, "{scan}");
    let share = scan["percentEstimate"].as_f64().context("no share")?;
    let tenths = u32::try_from(items * 1000 / 4000)?;
    ensure!((share - f64::from(tenths) / 10.0).abs() < 0.01, "{share} % of {items}: {scan}");
    let each = scan["each"].as_array().context("no segments")?;
    let mut sums = (0, 0);
    for (index, segment) in each.iter().enumerate() {
        ensure!(segment["segment"] == index, "{scan}");
        sums = (sums.0 + number(segment, "items")?, sums.1 + number(segment, "bytes")?);
    }
    ensure!(each.len() == 4 && sums == (items, bytes), "{sums:?}: {scan}");
    Ok(())
}

async fn a_cancelled_run_of_a_table_leaves_nothing(world: Arc<World>) -> Result<()> {
    // The sixth request for a page of four segments comes after one page at least was committed.
    let tags = [("autodump:jobs", "2"), ("autodump:segments", "4")];
    let held = held(&world, "e2e-cancelled", &tags, 6).await?;
    until_it_stands(&world, &held).await?;
    assert_status(&world, &held).await?;
    ensure!(!world.objects(&held.table).await?.is_empty(), "nothing was written yet");
    let done = world.autodump(&["cancel", &held.run.arn]).await?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let expected = [
        "The execution was stopped.\n".to_owned(),
        format!("Ended: the job {}-read.\n", held.run.name),
        "Removed: ".to_owned(),
    ];
    ensure!(expected.iter().all(|words| said.contains(words)), "{said}");
    ensure!(!said.contains("cancel it again"), "it was planned long ago: {said}");
    world.cloud.faults().remove(held.rule);
    ensure!(world.end(&held.run).await?.status == "ABORTED");
    let jobs = world.cloud.jobs().into_iter().filter(|job| job.name.starts_with(&held.run.name));
    let alive: Vec<_> =
        jobs.filter(|job| !["FAILED", "SUCCEEDED"].contains(&job.status.as_str())).collect();
    ensure!(alive.is_empty(), "{alive:?}");
    let objects = world.objects(&held.table).await?;
    ensure!(objects.is_empty(), "{said}: left behind: {objects:?}");
    world.nothing_is_open(&held.table).await
}
