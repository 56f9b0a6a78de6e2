use std::sync::Mutex;

use autodump_core::execution::ExecutionInput;
use autodump_core::hash::TagHash;
use autodump_core::ports::{ObjectLocation, ObjectStore};
use autodump_core::runs::{Run, RunJob};
use autodump_core::table::planner;
use autodump_core::tags::Size;
use autodump_core::testing::MemoryStore;
use autodump_core::verification::Level;
use serde_json::json;

use super::*;

const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
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
}

impl World {
    fn new(target: &'static str, status: RunStatus) -> Self {
        let jobs = vec!["orders-1", "orders-1-verify"];
        Self { target, status, jobs, looks: Mutex::default(), done: Mutex::default() }
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
            ended: None,
            input: Some(ExecutionInput::new(self.target, hash, when, Size::Small, Level::None)),
            cause: None,
        })
    }

    async fn newest(&self, _: &str, _: Option<RunStatus>, _: usize) -> Result<Vec<Run>> {
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
        let job = |name: &&str| RunJob {
            id: format!("id of {name}"),
            name: (*name).to_owned(),
            ended: name.ends_with("verify"),
        };
        Ok(self.jobs.iter().map(job).collect())
    }

    async fn described(&self, ids: &[String]) -> Result<Vec<RunJob>> {
        let mut looks = self.looks.lock().unwrap();
        *looks += 1;
        let ended = *looks >= 3;
        Ok(ids.iter().map(|id| RunJob { id: id.clone(), name: id.clone(), ended }).collect())
    }

    async fn terminate(&self, id: &str, _: &str) -> Result<()> {
        self.note(format!("terminate {id}"));
        Ok(())
    }

    async fn environment(&self, definition: &str) -> Result<Vec<(String, String)>> {
        assert_eq!(definition, "autodump");
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

async fn cancel(world: &World, store: &MemoryStore) -> Result<Cancelled> {
    Cancel { runs: world, jobs: world, store, bucket: None }.run(RUN).await
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
            backup: None
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

#[tokio::test(start_paused = true)]
async fn a_run_of_a_database_only_ends() {
    let (world, store) = (World::new(SECRET, RunStatus::Running), written().await);
    let keys = store.keys();
    let done = cancel(&world, &store).await.unwrap();
    assert!(done.stopped && done.jobs.len() == 1);
    assert_eq!(store.keys(), keys);
}
