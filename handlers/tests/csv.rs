//! The real function `csv`, against the least of Lambda and of S3.
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../../batch-image/tests/support/cloud.rs"]
#[allow(dead_code)]
mod cloud;
#[path = "../../batch-image/tests/support/table.rs"]
mod table;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloud::{Cloud, State};
use serde_json::{Value, json};
use table::file;

/// No secret is asked for.
pub(crate) const ARN: &str = "";
const DIRECTORY: &str = "rds/run-1/shop/public.orders/";

/// A table of one file.
fn cloud() -> Cloud {
    let mut state = State::default();
    let batch = format!("/in/{DIRECTORY}1/");
    state.objects.insert(format!("{batch}part-00000-u.parquet"), file(&[1, 2, 3]));
    state.objects.insert(format!("{batch}_SUCCESS"), Vec::new());
    cloud::start(state)
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the function answers to an event, with so many seconds until its deadline: whether it is
/// an answer and no error, and what it says.
fn invoke(cloud: &Cloud, event: &Value, seconds: u64) -> (bool, Value) {
    let lambda = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = json!({
        "name": "Stack/Csv",
        "source": {"bucket": "in", "prefix": "rds/"},
        "layout": "rds",
        "destination": {"bucket": "out", "prefix": "csv/"},
    });
    let function = Command::new(env!("CARGO_BIN_EXE_csv"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", lambda.local_addr().unwrap().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "csv")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
        .env("AWS_ENDPOINT_URL", &cloud.endpoint)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "access")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AUTODUMP_CSV", settings.to_string())
        .env("AUTODUMP_CSV_FUNCTION_BYTES", "1000000")
        .stdout(Stdio::null())
        .spawn();
    let _running = Running(function.unwrap());
    let deadline = SystemTime::now() + Duration::from_secs(seconds);
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
    lambda
        .incoming()
        .flatten()
        .find_map(|socket| serve(&socket, &event.to_string(), deadline))
        .unwrap()
}

/// Serves a connection of the function's, until it has answered the event.
fn serve(mut socket: &TcpStream, event: &str, deadline: u128) -> Option<(bool, Value)> {
    let mut reader = BufReader::new(socket);
    loop {
        let mut lines = reader.by_ref().lines().map_while(Result::ok);
        let head: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let request = head.first()?;
        let length = head.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        if !request.contains("/invocation/next ") {
            let is_answer = request.contains("/invocation/1/response ");
            return Some((is_answer, serde_json::from_slice(&body).unwrap()));
        }
        let length = event.len();
        write!(
            socket,
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\n\
             Lambda-Runtime-Deadline-Ms: {deadline}\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:function\r\n\
             Content-Length: {length}\r\n\r\n{event}"
        )
        .ok()?;
    }
}

fn table() -> Value {
    json!({"bucket": "in", "directory": DIRECTORY})
}

fn results(cloud: &Cloud) -> usize {
    let state = cloud.state.lock().unwrap();
    assert!(state.open.is_empty());
    state.objects.keys().filter(|path| path.starts_with("/out/")).count()
}

#[test]
fn a_table_that_is_whole_is_converted() {
    let cloud = cloud();
    let key = format!("{DIRECTORY}1/_SUCCESS");
    let look = json!({"action": "look", "bucket": "in", "key": key});
    let convert = json!({"action": "convert", "table": table()});
    let bytes = file(&[1, 2, 3]).len();
    let expected = json!({"do": "function", "table": table(), "bytes": bytes, "files": 1});
    assert_eq!(invoke(&cloud, &look, 900), (true, expected));
    let manifest = "s3://out/csv/run-1/shop/public.orders.manifest.json";
    let mut expected = json!({
        "status": "converted", "manifest": manifest, "rowsIn": 3, "rowsOut": 3, "rejects": 0
    });
    assert_eq!(invoke(&cloud, &convert, 900), (true, expected.clone()));
    expected["status"] = json!("there");
    assert_eq!(invoke(&cloud, &convert, 900), (true, expected));
    let (is_answer, nothing) = invoke(&cloud, &look, 900);
    assert!(is_answer && nothing["do"] == "nothing", "{nothing}");
    assert_eq!(results(&cloud), 2);
}

#[test]
fn a_conversion_that_takes_too_long_ends_and_leaves_nothing() {
    let cloud = cloud();
    cloud.state.lock().unwrap().hangs = true;
    let convert = json!({"action": "convert", "table": table()});
    let started = SystemTime::now();
    // Forty of them are left for the end.
    let answered = invoke(&cloud, &convert, 42);
    assert_eq!(answered, (true, json!({"status": "too-slow"})));
    assert!(started.elapsed().unwrap() < Duration::from_secs(30));
    assert_eq!(results(&cloud), 0);
}

#[test]
fn an_error_has_its_class() {
    let (is_answer, error) = invoke(&cloud(), &json!({"action": "remove"}), 900);
    assert!(!is_answer);
    assert_eq!(error["errorType"], "AutoDump.Configuration");
    assert!(error["errorMessage"].as_str().unwrap().contains("remove"), "{error}");
}
