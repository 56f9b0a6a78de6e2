//! The real program as a job that makes CSV, against the least of AWS.
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/table.rs"]
mod table;

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use cloud::{Cloud, State};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use table::file;

/// No secret is asked for.
pub(crate) const ARN: &str = "";
const DIRECTORY: &str = "rds/run-1/shop/public.orders/";
const RESULT: &str = "/out/csv/run-1/shop/public.orders";

/// A table of one file, whole or growing.
fn cloud(whole: bool) -> Cloud {
    let mut state = State::default();
    let batch = format!("/in/{DIRECTORY}1/");
    state.objects.insert(format!("{batch}part-00000-u.parquet"), file(&[1, 2, 3]));
    if whole {
        state.objects.insert(format!("{batch}_SUCCESS"), Vec::new());
    }
    cloud::start(state)
}

fn settings() -> Value {
    json!({
        "name": "Stack/Csv",
        "source": {"bucket": "in", "prefix": "rds/"},
        "layout": "rds",
        "destination": {"bucket": "out", "prefix": "csv/"},
        "onBad": "reject",
        "schemas": {"bucket": "rules", "key": "all.json"},
    })
}

fn rules(cloud: &Cloud, tables: &Value) {
    let rules = json!({"tables": tables}).to_string();
    cloud.state.lock().unwrap().objects.insert("/rules/all.json".to_owned(), rules.into());
}

fn job(cloud: &Cloud) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dumper"));
    command
        .env_clear()
        .env("AWS_ENDPOINT_URL", &cloud.endpoint)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "access")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AUTODUMP_VERB", "csv")
        .env("AUTODUMP_CSV", settings().to_string())
        .env("AUTODUMP_CSV_TABLE", json!({"bucket": "in", "directory": DIRECTORY}).to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The exit code and the log.
fn ended(output: &Output) -> (Option<i32>, Vec<Value>) {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code(), lines)
}

fn run(cloud: &Cloud) -> (Option<i32>, Vec<Value>) {
    ended(&job(cloud).output().unwrap())
}

fn results(cloud: &Cloud) -> Vec<String> {
    let state = cloud.state.lock().unwrap();
    assert!(state.open.is_empty());
    let results = state.objects.keys().filter(|path| path.starts_with("/out/"));
    results.map(|path| path.strip_prefix(RESULT).unwrap().to_owned()).collect()
}

#[test]
fn a_table_becomes_csv_once() {
    let cloud = cloud(true);
    rules(&cloud, &json!({}));
    let (code, log) = run(&cloud);
    assert_eq!(code, Some(0), "{log:?}");
    let last = log.last().unwrap();
    assert_eq!(last["message"], "conversion complete");
    assert_eq!((&last["rows_in"], &last["rows_out"]), (&json!(3), &json!(3)));
    assert_eq!(last["manifest"], format!("s3:/{RESULT}.manifest.json"));
    assert!(log.iter().all(|line| line.get("_aws").is_none()));
    assert_eq!(results(&cloud), [".csv", ".manifest.json"]);
    let csv = cloud.state.lock().unwrap().objects[&format!("{RESULT}.csv")].clone();
    assert_eq!(csv, b"id\n1\n2\n3\n");
    let (code, log) = run(&cloud);
    assert_eq!(code, Some(0), "{log:?}");
    assert_eq!(log.last().unwrap()["message"], "converted already: nothing was done");
}

#[test]
fn rejected_rows_are_counted_for_the_alarm() {
    let cloud = cloud(true);
    let id = json!({"type": "integer", "maximum": 1});
    let schema = json!({"type": "object", "properties": {"id": id}});
    rules(&cloud, &json!({"shop/public.orders": schema}));
    let (code, log) = run(&cloud);
    assert_eq!(code, Some(0), "{log:?}");
    let metrics = log.last().unwrap();
    assert_eq!((&metrics["Name"], &metrics["RowsRejected"]), (&json!("Stack/Csv"), &json!(2)));
    assert_eq!(metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"], "AutoDump");
    assert_eq!(results(&cloud), [".csv", ".manifest.json", ".rejects.csv"]);
}

#[test]
fn a_growing_table_is_left_alone() {
    let cloud = cloud(false);
    let (code, log) = run(&cloud);
    assert_eq!(code, Some(0), "{log:?}");
    let last = log.last().unwrap();
    assert_eq!(last["message"], "still growing: nothing was done");
    assert!(last["reason"].as_str().unwrap().ends_with("1/_SUCCESS is missing"), "{last}");
    assert_eq!(results(&cloud), [""; 0]);
}

#[test]
fn the_exit_code_tells_what_is_wrong() {
    let cloud = cloud(true);
    let (code, log) = run(&cloud);
    assert_eq!(code, Some(10), "{log:?}");
    let last = log.last().unwrap();
    assert_eq!(last["message"], "the conversion failed");
    assert_eq!(last["what"], "the object of schemas s3://rules/all.json is not there");
    rules(&cloud, &json!({}));
    let path = format!("/in/{DIRECTORY}1/part-00000-u.parquet");
    cloud.state.lock().unwrap().objects.get_mut(&path).unwrap().truncate(50);
    let (code, log) = run(&cloud);
    assert_eq!(code, Some(16), "{log:?}");
    let (code, log) = ended(&job(&cloud).env_remove("AUTODUMP_CSV_TABLE").output().unwrap());
    assert_eq!(code, Some(10));
    assert_eq!(log.last().unwrap()["what"], "the environment lacks AUTODUMP_CSV_TABLE");
    assert_eq!(results(&cloud), [""; 0]);
}

#[test]
fn a_job_that_is_stopped_leaves_nothing() {
    let cloud = cloud(true);
    rules(&cloud, &json!({}));
    cloud.state.lock().unwrap().hangs = true;
    let child = job(&cloud).spawn().unwrap();
    let start = Instant::now();
    // Its last part is on its way, and never answered.
    while cloud.state.lock().unwrap().open.len() < 2 {
        assert!(start.elapsed() < Duration::from_secs(30), "it never came to that");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let (code, log) = ended(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(143), "{log:?}");
    assert_eq!(log.last().unwrap()["class"], "interrupted");
    assert_eq!(results(&cloud), [""; 0]);
}
