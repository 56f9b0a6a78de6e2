use std::sync::Mutex;

use autodump_core::execution::ExecutionInput;
use autodump_core::hash::TagHash;
use autodump_core::ports::{ObjectLocation, ObjectStore};
use autodump_core::runs::{Run, RunJob, RunPage};
use autodump_core::snapshot::run::Run as SnapshotRun;
use autodump_core::table::planner;
use autodump_core::tags::Size;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_core::verification::Level;
use serde_json::json;

use super::*;

const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
const DATABASE: &str = "arn:aws:rds:eu-central-1:111122223333:db:orders";
const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf";
const RUN: &str = "arn:aws:states:eu-central-1:111122223333:execution:AutoDump:orders-1";
const START: &str = "2026-11-22T08:00:00Z";

/// Step Functions and Batch, as far as they are asked. A job ends at the third look.
struct World {
    target: &'static str,
    status: RunStatus,
    jobs: Vec<&'static str>,
    looks: Mutex<u32>,
    done: Mutex<Vec<String>>,
    /// When the execution ended.
    ended: Option<&'static str>,
    /// What nobody may do.
    denied: Option<&'static str>,
}

impl World {
    fn new(target: &'static str, status: RunStatus) -> Self {
        let jobs = vec!["orders-1", "orders-1-verify"];
        let (looks, done) = (Mutex::default(), Mutex::default());
        Self { target, status, jobs, looks, done, ended: None, denied: None }
    }

    fn may(&self, what: &str) -> Result<()> {
        if self.denied != Some(what) {
            return Ok(());
        }
        Err(Error::new(ErrorClass::Credentials, format!("nobody may {what}"), "Ask"))
    }

    fn note(&self, what: String) {
        self.done.lock().unwrap().push(what);
    }
}

impl Runs for World {
    async fn run(&self, arn: &str) -> Result<Run> {
        let hash = TagHash::from("v1:00".to_owned());
        let when = START.parse().unwrap();
        Ok(Run {
            arn: arn.to_owned(),
            name: "orders-1".to_owned(),
            status: self.status,
            started: when,
            ended: self.ended.map(|at| at.parse().unwrap()),
            input: Some(ExecutionInput::new(self.target, hash, when, Size::Small, Level::None)),
            cause: None,
        })
    }

    async fn page(&self, _: &str, _: RunStatus, _: Option<String>) -> Result<RunPage> {
        panic!("nothing is listed")
    }

    async fn definition(&self, _: &str) -> Result<String> {
        let job = json!({"JobQueue": "queue", "JobDefinition": "autodump"});
        Ok(json!({"States": {"Dump": {"Parameters": job}}}).to_string())
    }

    async fn stop(&self, arn: &str, _: &str) -> Result<()> {
        self.note(format!("stop {arn}"));
        Ok(())
    }
}

impl RunJobs for World {
    async fn named(&self, queue: &str, name: &str) -> Result<Vec<RunJob>> {
        assert_eq!((queue, name), ("queue", "orders-1"));
        self.may("list jobs")?;
        let job = |name: &&str| RunJob {
            id: format!("id of {name}"),
            name: (*name).to_owned(),
            ended: name.ends_with("verify"),
        };
        Ok(self.jobs.iter().map(job).collect())
    }

    async fn described(&self, ids: &[String]) -> Result<Vec<RunJob>> {
        self.may("look at jobs")?;
        let mut looks = self.looks.lock().unwrap();
        *looks += 1;
        let ended = *looks >= 3;
        let job = |id: &String| RunJob { id: id.clone(), name: id.replace("id of ", ""), ended };
        Ok(ids.iter().map(job).collect())
    }

    async fn terminate(&self, id: &str, _: &str) -> Result<()> {
        self.note(format!("terminate {id}"));
        Ok(())
    }

    async fn environment(&self, definition: &str) -> Result<Vec<(String, String)>> {
        assert_eq!(definition, "autodump");
        self.may("look at definitions")?;
        Ok(vec![("AUTODUMP_BUCKET".to_owned(), "backups".to_owned())])
    }
}

fn directory() -> String {
    planner::directory(TABLE, START.parse().unwrap(), RUN)
}

/// What the run has written: two objects and an upload; and what another run has.
async fn written() -> MemoryStore {
    let store = MemoryStore::default();
    let at = |key: String| ObjectLocation { bucket: "backups".to_owned(), key };
    store.put(&at(format!("{}state/plan.json", directory())), "{}");
    store.put(&at(format!("{}data/00000-000000.json.zst", directory())), "items");
    store.put(&at("dynamodb/other/manifest.json".to_owned()), "{}");
    store.create(&at(format!("{}data/x", directory())), "text/plain").await.unwrap();
    store.create(&at("dynamodb/other/data/x".to_owned()), "text/plain").await.unwrap();
    store
}

async fn cancel<S>(world: &World, store: &S) -> Result<Cancelled>
where
    S: ObjectReader + ObjectWriter + Unfinishing,
{
    let now = "2026-11-22T08:01:00Z".parse().unwrap();
    Cancel { runs: world, jobs: world, store, bucket: None, now }.run(RUN).await
}

#[tokio::test(start_paused = true)]
async fn a_run_is_stopped_and_nothing_of_it_is_left() {
    let (world, store) = (World::new(TABLE, RunStatus::Running), written().await);
    let done = cancel(&world, &store).await.unwrap();
    assert_eq!(
        done,
        Cancelled {
            stopped: true,
            jobs: vec!["orders-1".to_owned()],
            uploads: 1,
            objects: 2,
            backup: None,
            again_in_minutes: None,
            undone_in_minutes: None,
        }
    );
    assert_eq!(store.keys(), ["dynamodb/other/manifest.json"]);
    assert_eq!(store.open_uploads(), ["dynamodb/other/data/x"]);
    let calls = world.done.lock().unwrap().clone();
    assert_eq!(calls, [format!("stop {RUN}"), "terminate id of orders-1".to_owned()]);
    assert_eq!(*world.looks.lock().unwrap(), 3, "it was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_backup_stays() {
    let (world, store) = (World::new(TABLE, RunStatus::Running), written().await);
    let manifest = format!("{}manifest.json", directory());
    store.put(&ObjectLocation { bucket: "backups".to_owned(), key: manifest.clone() }, "{}");
    let keys = store.keys();
    let done = cancel(&world, &store).await.unwrap();
    assert_eq!((done.objects, done.uploads), (0, 0));
    assert_eq!(done.backup, Some(format!("s3://backups/{manifest}")));
    assert_eq!(store.keys(), keys);
}

#[tokio::test(start_paused = true)]
async fn what_an_ended_run_left_is_removed_too() {
    let world = World { jobs: vec![], ..World::new(TABLE, RunStatus::Failed) };
    let store = written().await;
    let done = cancel(&world, &store).await.unwrap();
    assert_eq!((done.stopped, done.objects), (false, 2));
    assert!(world.done.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn jobs_of_another_run_whose_name_begins_alike_go_on() {
    let jobs = vec!["orders-1-read", "orders-10", "orders-1-20261122T080000Z-00", "ORDERS-1"];
    let world = World { jobs, ..World::new(TABLE, RunStatus::Running) };
    let done = cancel(&world, &written().await).await.unwrap();
    assert_eq!(done.jobs, ["orders-1-read"]);
    let calls = world.done.lock().unwrap().clone();
    assert_eq!(calls, [format!("stop {RUN}"), "terminate id of orders-1-read".to_owned()]);
}

/// The state machine undoes it: whoever removed objects here would do so while RDS still writes.
#[tokio::test(start_paused = true)]
async fn what_a_run_of_rds_made_is_undone_later() {
    let run = SnapshotRun {
        resource_arn: DATABASE.to_owned(),
        start: START.parse().unwrap(),
        execution_arn: RUN.to_owned(),
    };
    let at = |name: &str| ObjectLocation {
        bucket: "backups".to_owned(),
        key: format!("{}{name}", run.directory()),
    };
    let world = World { jobs: vec![], ..World::new(DATABASE, RunStatus::Running) };
    let store = MemoryStore::default();
    store.put(&at("state/plan.json"), "{}");
    store.put(&at("export/x/part.gz.parquet"), "x");
    let done = cancel(&world, &store).await.unwrap();
    assert_eq!(
        done,
        Cancelled { stopped: true, undone_in_minutes: Some(20), ..Cancelled::default() }
    );
    assert_eq!(store.keys().len(), 2);
    // One that waits for its time has made nothing yet.
    let (runs, jobs, now) = (&world, &world, "2026-11-22T07:59:00Z".parse().unwrap());
    let early = Cancel { runs, jobs, store: &store, bucket: None, now }.run(RUN).await.unwrap();
    assert_eq!(early, Cancelled { stopped: true, ..Cancelled::default() });
    // With a manifest it is a backup, of which nothing is undone.
    store.put(&at("manifest.json"), "{}");
    let done = cancel(&world, &store).await.unwrap();
    assert_eq!(done.backup, Some(format!("s3://backups/{}", at("manifest.json").key)));
    assert_eq!(done.undone_in_minutes, None);
    // A right that is missing is found before the execution is stopped.
    let world = World::new(DATABASE, RunStatus::Running);
    let store = FaultyStore::new(store, vec![Fault::nth(Call::List, 1)]);
    cancel(&world, &store).await.unwrap_err();
    assert!(world.done.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_database_only_ends() {
    let (world, store) = (World::new(SECRET, RunStatus::Running), written().await);
    let keys = store.keys();
    let done = cancel(&world, &store).await.unwrap();
    assert!(done.stopped && done.jobs.len() == 1);
    assert_eq!(store.keys(), keys);
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_to_read_is_found_before_anything_is_done() {
    for denied in ["list jobs", "look at jobs", "look at definitions"] {
        let world = World { denied: Some(denied), ..World::new(TABLE, RunStatus::Running) };
        let error = cancel(&world, &written().await).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Credentials);
        assert!(world.done.lock().unwrap().is_empty(), "{denied}");
    }
    let (world, memory) = (World::new(TABLE, RunStatus::Running), written().await);
    let fault = Fault { class: ErrorClass::Credentials, ..Fault::nth(Call::List, 1) };
    let error = cancel(&world, &FaultyStore::new(memory.clone(), vec![fault])).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials);
    assert!(world.done.lock().unwrap().is_empty());
    assert_eq!(memory.keys().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn however_much_a_run_has_written_it_is_removed_page_by_page() {
    let (world, memory) = (World::new(TABLE, RunStatus::Running), written().await);
    for number in 0..2500 {
        let key = format!("{}state/00000/journal-{number:010}", directory());
        memory.put(&ObjectLocation { bucket: "backups".to_owned(), key }, "x");
    }
    let store = FaultyStore::new(memory.clone(), vec![Fault::nth(Call::Remove, 2)]);
    let error = cancel(&world, &store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Destination);
    assert_eq!(memory.keys().len(), 1503, "the first page is gone already");
    let done = cancel(&world, &store).await.unwrap();
    assert_eq!((done.objects, memory.keys().len()), (1502, 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_may_be_at_its_planning_is_to_be_cancelled_again() {
    for (status, ended, again) in [
        (RunStatus::Running, None, Some(15)),
        (RunStatus::Aborted, Some("2026-11-22T08:00:30Z"), Some(15)),
        (RunStatus::Aborted, Some("2026-11-22T07:59:30Z"), None),
        (RunStatus::Failed, Some("2026-11-22T08:00:30Z"), None),
    ] {
        let world = World { jobs: vec![], ended, ..World::new(TABLE, status) };
        let store = MemoryStore::default();
        let done = cancel(&world, &store).await.unwrap();
        assert_eq!(done.again_in_minutes, again, "{status:?} {ended:?}");
    }
    // It has a plan, or a job, or is none of a table.
    let world = World { jobs: vec![], ..World::new(TABLE, RunStatus::Running) };
    assert_eq!(cancel(&world, &written().await).await.unwrap().again_in_minutes, None);
    let empty = MemoryStore::default();
    let world = World::new(TABLE, RunStatus::Running);
    assert_eq!(cancel(&world, &empty).await.unwrap().again_in_minutes, None);
    let world = World { jobs: vec![], ..World::new(SECRET, RunStatus::Running) };
    assert_eq!(cancel(&world, &empty).await.unwrap().again_in_minutes, None);
}

#[tokio::test]
async fn a_planning_that_has_ended_or_never_began_is_not_waited_for() {
    let aborted = Some("2026-11-22T08:00:30Z");
    for (ended, now, again) in [
        (None, "2026-11-22T07:59:59Z", None),
        (None, "2026-11-22T08:00:00Z", Some(15)),
        (aborted, "2026-11-22T08:14:29Z", Some(2)),
        (aborted, "2026-11-22T08:15:30Z", None),
    ] {
        let status = if ended.is_some() { RunStatus::Aborted } else { RunStatus::Running };
        let world = World { jobs: vec![], ended, ..World::new(TABLE, status) };
        let (store, now) = (&MemoryStore::default(), now.parse().unwrap());
        let cancel = Cancel { runs: &world, jobs: &world, store, bucket: None, now };
        assert_eq!(cancel.run(RUN).await.unwrap().again_in_minutes, again, "{now}");
    }
}
