//! `autodump status` as a program, against a server that speaks as Step Functions, Batch, S3 and
//! RDS do, so far as it asks.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

use serde_json::{Value, json};

const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:AutoDump";
/// One with more ended executions than anybody looks at.
const BUSY: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:Busy";
const RUN: &str = "arn:aws:states:eu-central-1:111122223333:execution:AutoDump:by-hand";
/// One that backs up a database of RDS.
const OF_RDS: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:OfRds";
const RDS_RUN: &str = "arn:aws:states:eu-central-1:111122223333:execution:OfRds:by-hand";
const DATABASE: &str = "arn:aws:rds:eu-central-1:111122223333:db:orders";
const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";

/// Serves the answers of one run of a table that is under way, and not yet planned.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&connection));
        }
    });
    url
}

fn serve(connection: &TcpStream) {
    let mut from = BufReader::new(connection);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let pairs = head.iter().filter_map(|line| line.split_once(": "));
        let mut found = pairs.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    from.read_exact(&mut body).unwrap();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let target = header("x-amz-target").unwrap_or_default();
    let form = String::from_utf8_lossy(&body);
    let body = if form.starts_with("Action=") {
        rds(&form)
    } else {
        answer(&head[0], target.rsplit('.').next().unwrap(), &asked)
    };
    let mut to = connection;
    let _ = write!(
        to,
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// One export, whatever its name.
fn rds(form: &str) -> String {
    assert!(form.starts_with("Action=DescribeExportTasks&"), "{form}");
    let name = form.split("ExportTaskIdentifier=").nth(1).unwrap().split('&').next().unwrap();
    format!(
        "<DescribeExportTasksResponse><DescribeExportTasksResult><ExportTasks><ExportTask>\
         <ExportTaskIdentifier>{name}</ExportTaskIdentifier><Status>IN_PROGRESS</Status>\
         <SourceArn>arn:of-snapshot</SourceArn><PercentProgress>40</PercentProgress>\
         <KmsKeyId>arn:key</KmsKeyId></ExportTask></ExportTasks></DescribeExportTasksResult>\
         </DescribeExportTasksResponse>"
    )
}

fn answer(request: &str, operation: &str, asked: &Value) -> String {
    let of_rds = asked["stateMachineArn"] == OF_RDS || asked["executionArn"] == RDS_RUN;
    let run = if of_rds { RDS_RUN } else { RUN };
    let run = json!({"executionArn": run, "stateMachineArn": MACHINE, "name": "by-hand",
        "status": "RUNNING", "startDate": 1_700_000_000});
    match operation {
        "ListExecutions" => {
            if asked["stateMachineArn"] == BUSY && asked["statusFilter"] == "SUCCEEDED" {
                let name = "customers-20231122T080000Z-0123456789abcdef0123";
                let run = json!({"executionArn": format!("{RUN}-{name}"), "stateMachineArn": BUSY,
                    "name": name, "status": "SUCCEEDED", "startDate": 1_700_000_000});
                return json!({"executions": [run, run], "nextToken": "more"}).to_string();
            }
            let running = asked["statusFilter"] == "RUNNING";
            let found: Vec<_> = running.then_some(run).into_iter().collect();
            json!({ "executions": found }).to_string()
        }
        "DescribeExecution" => {
            let golden = include_str!("../../../contract/execution-input.json");
            let mut input: Value = serde_json::from_str(golden).unwrap();
            input["input"]["resourceArn"] = if of_rds { DATABASE } else { TABLE }.into();
            input["input"]["when"] = "2023-11-22T08:00:00Z".into();
            let mut run = run;
            run["input"] = input["input"].to_string().into();
            run.to_string()
        }
        "DescribeStateMachineForExecution" => {
            let definition = json!({"JobQueue": "queue", "JobDefinition": "autodump"});
            json!({"stateMachineArn": MACHINE, "name": "AutoDump", "roleArn": "arn:role",
                "updateDate": 0, "definition": definition.to_string()})
            .to_string()
        }
        _ if request.contains("/v1/describejobdefinitions") => {
            let environment = json!([{"name": "AUTODUMP_BUCKET", "value": "backups"}]);
            json!({"jobDefinitions": [{"jobDefinitionName": "autodump", "revision": 1,
                "jobDefinitionArn": "arn:job", "type": "container",
                "containerProperties": {"environment": environment}}]})
            .to_string()
        }
        _ => {
            assert!(request.starts_with("GET /backups") && request.contains("list-type=2"));
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".to_owned()
        }
    }
}

fn status(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autodump"))
        .arg("status")
        .args(arguments)
        .env_clear()
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AUTODUMP_STATE_MACHINE_ARN", MACHINE)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_run_under_way_is_shown_in_lines_and_as_json() {
    let url = server();
    let shown = status(&url, &["orders"]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let lines = format!("by-hand\n  runs since 2023-11-22 08:00:00 UTC\n  of {TABLE}\n  {RUN}\n");
    assert_eq!(text(&shown.stdout), lines);
    let shown = status(&url, &["--json"]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let told: Value = serde_json::from_str(text(&shown.stdout).trim_end()).unwrap();
    assert_eq!((&told["event"], &told["run"]["arn"]), (&json!("run"), &json!(RUN)));
    assert_eq!(told["run"]["waits"], json!(false));
    assert!(told["run"].get("problem").is_none(), "{told}");
    let shown = status(&url, &["customers"]);
    assert_eq!(text(&shown.stdout), "There are no such runs.\n");
}

#[test]
fn the_export_of_a_database_is_shown() {
    let url = server();
    let shown = status(&url, &["orders", "--state-machine", OF_RDS]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let told = text(&shown.stdout);
    assert!(told.contains(&format!("  of {DATABASE}\n  {RDS_RUN}\n  export autodump-orders-")));
    assert!(told.ends_with(": in-progress, 40 %\n"), "{told}");
    let shown = status(&url, &["--state-machine", OF_RDS, "--json"]);
    let told: Value = serde_json::from_str(text(&shown.stdout).trim_end()).unwrap();
    let database = &told["run"]["database"];
    assert_eq!((&database["step"], &database["percent"]), (&json!("export"), &json!(40)));
}

#[test]
fn that_older_runs_were_not_looked_at_is_said() {
    let url = server();
    let shown = status(&url, &["orders", "--state-machine", BUSY]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let told = text(&shown.stdout);
    let says = "40 executions that have ended were looked at; older ones were not.\n";
    assert!(told.starts_with("by-hand\n") && told.ends_with(says), "{told}");
    let shown = status(&url, &["orders", "--state-machine", BUSY, "--json"]);
    let told = text(&shown.stdout);
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(last, json!({"event": "older-not-looked-at", "lookedAt": 40}));
}
