use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use autodump_core::execution::ExecutionInput;
use autodump_core::hash::TagHash;
use autodump_core::runs::{RunJob, RunPage};
use autodump_core::snapshot::names;
use autodump_core::snapshot::run::Run as SnapshotRun;
use autodump_core::table::plan::{Export, Method, Plan};
use autodump_core::table::planner;
use autodump_core::tags::Size;
use autodump_core::testing::snapshots::{MemorySnapshots, RdsCall};
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_core::verification::Level;
use autodump_core::{Error, ErrorClass};
use serde_json::{Value, json};

use super::*;

const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:AutoDump";
const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
const DATABASE: &str = "arn:aws:rds:eu-central-1:111122223333:db:orders";
const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf";

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-22T{time}:00Z").parse().unwrap()
}

/// An execution for `target` at `start`, by its name; it began a day before.
fn of(target: &str, start: &str, status: RunStatus, ended: Option<&str>) -> Run {
    let (hash, when) = (TagHash::from("v1:00".to_owned()), at(start));
    let name = execution::name(target, &hash, when);
    Run {
        arn: format!("arn:aws:states:eu-central-1:111122223333:execution:AutoDump:{name}"),
        name,
        status,
        started: when - chrono::Duration::days(1),
        ended: ended.map(at),
        input: Some(ExecutionInput::new(target, hash, when, Size::Small, Level::None)),
        cause: (status == RunStatus::Failed).then(|| "it failed".to_owned()),
    }
}

/// Step Functions and Batch, as far as they are asked.
#[derive(Default)]
struct World {
    all: Vec<Run>,
    looked_at: Mutex<Vec<String>>,
    environments: AtomicU32,
    refuses: bool,
    /// How many executions a page has.
    page: Option<usize>,
    /// Of those that have ended there is always another page.
    endless: bool,
    /// The statuses of the pages that were asked for.
    pages: Mutex<Vec<RunStatus>>,
}

impl Runs for World {
    async fn run(&self, arn: &str) -> Result<Run> {
        let run = self.all.iter().find(|run| run.arn == arn).unwrap().clone();
        self.looked_at.lock().unwrap().push(run.name.clone());
        Ok(run)
    }

    async fn page(
        &self,
        machine: &str,
        status: RunStatus,
        token: Option<String>,
    ) -> Result<RunPage> {
        assert_eq!(machine, MACHINE);
        if self.refuses {
            return Err(Error::new(ErrorClass::Credentials, "nobody may list", "Ask"));
        }
        self.pages.lock().unwrap().push(status);
        let mut found: Vec<_> = self.all.iter().filter(|run| run.status == status).collect();
        found.sort_by_key(|run| Reverse(run.started));
        let first: usize = token.map_or(0, |token| token.parse().unwrap());
        let size = self.page.unwrap_or(1000);
        let endless = self.endless && status != RunStatus::Running;
        let next = (endless || first + size < found.len()).then(|| (first + size).to_string());
        let listed = |run: &Run| Run { input: None, cause: None, ..run.clone() };
        let runs = found.into_iter().skip(first).take(size).map(listed).collect();
        Ok(RunPage { runs, next })
    }

    async fn definition(&self, _: &str) -> Result<String> {
        Ok(json!({"JobQueue": "queue", "JobDefinition": "autodump"}).to_string())
    }

    async fn stop(&self, _: &str, _: &str) -> Result<()> {
        panic!("nothing is stopped")
    }
}

impl RunJobs for World {
    async fn named(&self, _: &str, _: &str) -> Result<Vec<RunJob>> {
        panic!("no job is looked for")
    }

    async fn described(&self, _: &[String]) -> Result<Vec<RunJob>> {
        panic!("no job is looked at")
    }

    async fn terminate(&self, _: &str, _: &str) -> Result<()> {
        panic!("no job is ended")
    }

    async fn environment(&self, definition: &str) -> Result<Vec<(String, String)>> {
        assert_eq!(definition, "autodump");
        self.environments.fetch_add(1, Ordering::Relaxed);
        Ok(vec![("AUTODUMP_BUCKET".to_owned(), "backups".to_owned())])
    }
}

/// At nine: one run under way and two that wait for each target, and some that have ended.
fn world() -> World {
    let mut all = Vec::new();
    for target in [TABLE, SECRET] {
        all.push(of(target, "08:00", RunStatus::Running, None));
        all.push(of(target, "20:00", RunStatus::Running, None));
        all.push(of(target, "10:00", RunStatus::Running, None));
        all.push(of(target, "06:00", RunStatus::Succeeded, Some("08:30")));
        all.push(of(target, "07:00", RunStatus::Failed, Some("07:10")));
    }
    World { all, ..World::default() }
}

fn asked(target: Option<&str>, limit: usize) -> Asked {
    let target = target.map(str::to_owned);
    Asked { state_machine: MACHINE.to_owned(), target, limit, segments: false }
}

/// An RDS in which nothing is.
static EMPTY: LazyLock<MemorySnapshots> = LazyLock::new(|| MemorySnapshots::new(at("09:00")));

type Asking<'a, S> = Status<'a, World, World, S, MemorySnapshots>;

fn status<'a, S: ObjectReader>(world: &'a World, store: &'a S) -> Asking<'a, S> {
    Status::new(world, world, store, &*EMPTY, None, at("09:00"))
}

/// Target, start, and whether it waits.
fn short(runs: &[RunState]) -> Vec<(&str, String, bool)> {
    let name = |run: &RunState| run.starts_at.unwrap().format("%H").to_string();
    let target = |run: &RunState| if run.target.as_deref() == Some(TABLE) { "t" } else { "s" };
    runs.iter().map(|run| (target(run), name(run), run.waits)).collect()
}

#[tokio::test]
async fn runs_under_way_come_first_then_those_that_wait_then_the_ended() {
    let (world, store) = (world(), MemoryStore::default());
    let runs = status(&world, &store).run(&asked(None, 20)).await.unwrap().runs;
    let expected = [
        ("t", "08", false),
        ("s", "08", false),
        ("t", "10", true),
        ("s", "10", true),
        ("t", "20", true),
        ("s", "20", true),
        ("t", "06", false),
        ("s", "06", false),
        ("t", "07", false),
        ("s", "07", false),
    ]
    .map(|(target, start, waits)| (target, start.to_owned(), waits));
    assert_eq!(short(&runs), expected);
    assert_eq!(runs[8].cause.as_deref(), Some("it failed"));
    assert_eq!(runs[8].ended_at, Some(at("07:10")));
}

#[tokio::test]
async fn a_limit_leaves_what_is_under_way() {
    let (world, store) = (world(), MemoryStore::default());
    let runs = status(&world, &store).run(&asked(None, 1)).await.unwrap().runs;
    assert_eq!(short(&runs), [("t", "08".to_owned(), false), ("t", "06".to_owned(), false)]);
}

#[tokio::test]
async fn a_target_is_named_by_arn_or_name_and_others_are_not_looked_at() {
    for (target, is) in [(SECRET, "s"), ("prod/app", "s"), ("orders", "t"), (TABLE, "t")] {
        let (world, store) = (world(), MemoryStore::default());
        let runs = status(&world, &store).run(&asked(Some(target), 20)).await.unwrap().runs;
        assert_eq!(runs.len(), 5, "{target}");
        assert!(short(&runs).iter().all(|run| run.0 == is), "{target}");
        assert_eq!(world.looked_at.lock().unwrap().len(), 5);
    }
    // A name that is written alike, and a run that somebody named otherwise.
    let mut world = world();
    world.all.push(Run {
        arn: "arn:by-hand".to_owned(),
        name: "by-hand".to_owned(),
        ..of(SECRET, "05:00", RunStatus::Running, None)
    });
    let store = MemoryStore::default();
    let runs = status(&world, &store).run(&asked(Some("prod-app"), 20)).await.unwrap().runs;
    assert!(runs.is_empty());
    let runs = status(&world, &store).run(&asked(Some("prod/app"), 20)).await.unwrap().runs;
    assert_eq!((runs.len(), runs[1].name.as_str()), (6, "by-hand"));
}

#[tokio::test]
async fn an_execution_that_is_no_run_is_shown_as_it_is() {
    let run = Run { input: None, ..of(TABLE, "08:00", RunStatus::Succeeded, Some("08:10")) };
    let world = World { all: vec![run], ..World::default() };
    let store = MemoryStore::default();
    let runs = status(&world, &store).run(&asked(None, 20)).await.unwrap().runs;
    assert_eq!((runs[0].target.as_ref(), runs[0].starts_at), (None, None));
    assert!(status(&world, &store).run(&asked(Some("orders"), 20)).await.unwrap().runs.is_empty());
}

fn put(store: &MemoryStore, run: &Run, name: &str, content: &str) {
    let start = run.input.as_ref().unwrap().when.parse().unwrap();
    let key = format!("{}{name}", planner::directory(TABLE, start, &run.arn));
    let location = ObjectLocation { bucket: "backups".to_owned(), key };
    store.put(&location, content.to_owned());
}

fn plan(run: &Run) -> String {
    let input = run.input.as_ref().unwrap();
    let plan = Plan {
        version: 1,
        resource_arn: TABLE.to_owned(),
        tag_hash: input.tag_hash.clone(),
        scheduled_for: input.when.parse().unwrap(),
        execution_arn: run.arn.clone(),
        planned_at: at("08:00"),
        verify: Level::None,
        table_id: None,
        replica: None,
        method: Method::Export(Export { client_token: "t".to_owned() }),
        definition: Value::Null,
    };
    serde_json::to_string(&plan).unwrap()
}

#[tokio::test]
async fn what_a_table_s_run_has_written_is_looked_at() {
    let (world, store) = (world(), MemoryStore::default());
    let find = |start| world.all.iter().find(|run| run.input.as_ref().unwrap().when == start);
    let under_way = find("2026-11-22T08:00:00Z").unwrap();
    let succeeded = find("2026-11-22T06:00:00Z").unwrap();
    let failed = find("2026-11-22T07:00:00Z").unwrap();
    put(&store, under_way, "state/plan.json", &plan(under_way));
    put(&store, succeeded, "state/plan.json", &plan(succeeded));
    put(&store, succeeded, "manifest.json", "{}");
    put(&store, failed, "state/plan.json", "{");
    let runs = status(&world, &store).run(&asked(Some("orders"), 20)).await.unwrap().runs;
    assert_eq!(world.environments.load(Ordering::Relaxed), 1, "the bucket is asked for once");
    assert!(matches!(runs[0].progress, Some(Progress::Export(_))), "{:?}", runs[0]);
    assert_eq!((&runs[0].backup, &runs[0].problem), (&None, &None));
    assert!(runs[1].waits && runs[1].progress.is_none() && runs[1].problem.is_none());
    let backup = runs[3].backup.as_deref().unwrap();
    assert!(backup.starts_with("s3://backups/dynamodb/orders-"), "{backup}");
    assert!(backup.ends_with("/manifest.json") && runs[3].progress.is_none(), "{backup}");
    assert!(runs[4].problem.as_deref().unwrap().contains("plan.json is no JSON"), "{:?}", runs[4]);
    let shown = serde_json::to_value(&runs[0]).unwrap();
    assert_eq!(
        (&shown["status"], &shown["startsAt"], &shown["progress"]["status"]),
        (&json!("running"), &json!("2026-11-22T08:00:00Z"), &json!("requested"))
    );
}

#[tokio::test]
async fn that_the_store_cannot_be_looked_at_does_not_hide_the_runs() {
    let (world, store) = (world(), MemoryStore::default());
    let store = FaultyStore::new(store, vec![Fault { times: 9, ..Fault::nth(Call::List, 1) }]);
    let named = Status::new(&world, &world, &store, &*EMPTY, Some("named".to_owned()), at("09:00"));
    let runs = named.run(&asked(None, 20)).await.unwrap().runs;
    assert_eq!(runs.len(), 10);
    let problems = runs.iter().filter(|run| run.problem.is_some()).count();
    assert_eq!(problems, 3, "those of the table that do not wait");
    assert_eq!(world.environments.load(Ordering::Relaxed), 0, "the bucket was named");
    let world = World { refuses: true, ..World::default() };
    let error = status(&world, &store).run(&asked(None, 20)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials);
}

#[tokio::test]
async fn a_run_of_rds_shows_its_snapshot_and_then_its_manifest() {
    let all = vec![
        of(DATABASE, "08:00", RunStatus::Running, None),
        of(DATABASE, "20:00", RunStatus::Running, None),
        of(DATABASE, "07:00", RunStatus::Failed, Some("07:10")),
    ];
    let run = SnapshotRun {
        resource_arn: DATABASE.to_owned(),
        start: at("08:00"),
        execution_arn: all[0].arn.clone(),
    };
    let (world, store) = (World { all, ..World::default() }, MemoryStore::default());
    let (rds, target) = (MemorySnapshots::new(at("08:00")), run.target().unwrap());
    let name = names::snapshot(&target, &run.execution_arn);
    rds.add(&target, None);
    rds.create(&target, &name, &[]).await.unwrap();
    let ask = async || {
        let status = Status::new(&world, &world, &store, &rds, None, at("09:00"));
        status.run(&asked(Some("orders"), 20)).await.unwrap().runs
    };
    let runs = ask().await;
    assert_eq!(runs.len(), 3);
    let status = "creating".to_owned();
    assert_eq!(runs[0].database, Some(DatabaseProgress::Snapshot { name, status }));
    // Of what waits or has ended, RDS is not asked.
    assert!(runs[1..].iter().all(|run| run.database.is_none() && run.problem.is_none()));
    assert_eq!(rds.count(RdsCall::ExportTask), 1);
    rds.fail(RdsCall::Snapshot, 1, ErrorClass::Credentials);
    let problem = ask().await[0].problem.clone().unwrap();
    assert!(problem.contains("fault injected into Snapshot"), "{problem}");
    let key = format!("{}manifest.json", run.directory());
    store.put(&ObjectLocation { bucket: "backups".to_owned(), key: key.clone() }, "{}");
    let done = &ask().await[0];
    assert_eq!(done.backup, Some(format!("s3://backups/{key}")));
    assert_eq!(done.database, None);
}

fn waiting(number: u32) -> Run {
    of(&format!("{TABLE}-{number}"), "20:00", RunStatus::Running, None)
}

#[tokio::test]
async fn what_is_under_way_is_found_though_it_began_before_all_that_wait() {
    let mut all: Vec<_> = (0..20).map(waiting).collect();
    all.push(of(TABLE, "08:00", RunStatus::Running, None));
    let world = World { all, page: Some(5), ..World::default() };
    let store = MemoryStore::default();
    let runs = status(&world, &store).run(&asked(None, 2)).await.unwrap().runs;
    assert_eq!((runs.len(), runs[0].target.as_deref(), runs[0].waits), (2, Some(TABLE), false));
    let runs = status(&world, &store).run(&asked(Some("orders"), 2)).await.unwrap().runs;
    assert_eq!((runs.len(), runs[0].target.as_deref()), (1, Some(TABLE)));
}

#[tokio::test]
async fn ended_runs_are_looked_for_until_there_are_enough() {
    let ended = |target: &str, number: u32| Run {
        started: at("00:00") - chrono::Duration::days(number.into()),
        ..of(target, "06:00", RunStatus::Succeeded, Some("07:00"))
    };
    let mut all: Vec<_> =
        (0..30).map(|number| ended(&format!("{TABLE}-{number}"), number)).collect();
    // One whose name is written alike comes before the one that is meant.
    all.push(ended("arn:aws:dynamodb:eu-central-1:111122223333:table/prod-app", 31));
    all.push(ended(SECRET, 38));
    let world = World { all, page: Some(5), ..World::default() };
    let store = MemoryStore::default();
    let seen = status(&world, &store).run(&asked(Some("prod/app"), 1)).await.unwrap();
    assert_eq!((seen.runs.len(), seen.runs[0].target.as_deref()), (1, Some(SECRET)));
    assert_eq!(seen.older_after, None);
    world.pages.lock().unwrap().clear();
    let seen = status(&world, &store).run(&asked(None, 3)).await.unwrap();
    assert_eq!((seen.runs.len(), seen.older_after), (3, None));
    let pages = world.pages.lock().unwrap().clone();
    let of = |status| pages.iter().filter(|one| **one == status).count();
    assert_eq!((of(RunStatus::Succeeded), of(RunStatus::Failed)), (1, 1), "more is not asked for");
}

#[tokio::test]
async fn that_older_ones_were_not_looked_at_is_said() {
    let all = vec![of(TABLE, "06:00", RunStatus::Succeeded, Some("08:30"))];
    let world = World { all, page: Some(5), ..World::default() };
    let store = MemoryStore::default();
    let whole = status(&world, &store).run(&asked(None, 2)).await.unwrap();
    assert_eq!((whole.runs.len(), whole.older_after), (1, None), "the history has ended");
    let world = World { all: world.all, endless: true, page: Some(5), ..World::default() };
    let seen = status(&world, &store).run(&asked(None, 2)).await.unwrap();
    assert_eq!((seen.runs.len(), seen.older_after), (1, Some(1)));
    let pages = world.pages.lock().unwrap().clone();
    let of = |status| pages.iter().filter(|one| **one == status).count();
    assert_eq!((of(RunStatus::Succeeded), of(RunStatus::Aborted)), (PAGES, PAGES));
    let enough = status(&world, &store).run(&asked(None, 1)).await.unwrap();
    assert_eq!((enough.runs.len(), enough.older_after), (1, None));
}
