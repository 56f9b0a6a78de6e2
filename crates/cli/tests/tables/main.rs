//! The program itself, with backups and tables behind servers that speak as S3, DynamoDB and STS
//! do.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod cloud;
mod requests;
mod restores;

use std::process::{Command, Output};

use autodump_core::table::ports::{Called, TableService};
use serde_json::{Value, json};

use self::cloud::{Cloud, REGION};

/// The program's output. The temporary directory is where a test puts its files.
fn autodump(url: &str, arguments: &[&str]) -> Output {
    program(url, arguments).output().unwrap()
}

fn program(url: &str, arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_autodump"));
    program
        .args(arguments)
        .env_clear()
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    program
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Each line of standard output, as JSON.
fn events(done: &Output) -> Vec<Value> {
    text(&done.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_success(done: &Output) {
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
}

/// It was refused with this exit code, and says so.
fn assert_fails(done: &Output, code: i32, says: &str) {
    let stderr = text(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(says), "{says}: {stderr}");
}

fn item(number: usize) -> Value {
    json!({"id": {"N": number.to_string()}, "text": {"S": format!("é \u{1F600} {number}")}})
}

/// Makes a table with a time to live and so many items.
fn make(cloud: &Cloud, name: &str, items: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let create = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        });
        let expires = json!({"Enabled": true, "AttributeName": "expires"});
        let expires = json!({"TableName": name, "TimeToLiveSpecification": expires});
        for (operation, input) in [("CreateTable", create), ("UpdateTimeToLive", expires)] {
            let called = cloud.tables.dynamodb(operation, input).await.unwrap();
            assert!(matches!(called, Called::Answered(_)), "{called:?}");
        }
        let writer = cloud.tables.writer(name);
        for number in 0..items {
            let item = item(number).to_string().into();
            autodump_core::table::ports::TableWriter::write(&writer, &[item]).await.unwrap();
        }
    });
}

fn assert_same(cloud: &Cloud, one: &str, other: &str) {
    let (one, other) = (cloud.tables.items(one).unwrap(), cloud.tables.items(other).unwrap());
    assert_eq!(one, other);
}

/// A request about the table `orders` below `exports/orders`, with some fields changed, in a file
/// of `directory`.
fn request(directory: &tempfile::TempDir, changed: &Value) -> String {
    let mut request = json!({
        "action": "backup", "total-segments": 3,
        "table-region": REGION, "table-name": "orders",
        "bucket-region": "eu-west-1", "bucket-name": "backups", "bucket-prefix": "exports/orders",
    });
    request.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    let file = directory.path().join("request.json");
    std::fs::write(&file, request.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A cloud with the table `orders` and a backup of it, and its URL.
fn backed_up(items: usize) -> (Cloud, String) {
    let cloud = Cloud::new();
    make(&cloud, "orders", items);
    let (url, directory) = (cloud.serve(), tempfile::tempdir().unwrap());
    assert_success(&autodump(&url, &["run", "--request", &request(&directory, &json!({}))]));
    (cloud, url)
}
