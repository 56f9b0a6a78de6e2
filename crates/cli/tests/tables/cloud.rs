//! Just so much of S3, DynamoDB and STS that tables are backed up and restored.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use autodump_core::table::ports::{self, Called, TableService, TableWriter};
use autodump_core::testing::MemoryTables;
use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const ACCOUNT: &str = "111122223333";

/// All buckets and tables.
#[derive(Clone)]
pub(crate) struct Cloud {
    pub(crate) tables: MemoryTables,
    /// By `/bucket/key`.
    pub(crate) objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// What was asked: the names of operations, and the region that the request was signed for.
    pub(crate) asked: Arc<Mutex<Vec<(String, String)>>>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: String::new(), body: body.into() }
    }
}

impl Cloud {
    pub(crate) fn new() -> Self {
        Self {
            tables: MemoryTables::new(REGION, ACCOUNT).at_once(),
            objects: Arc::default(),
            asked: Arc::default(),
        }
    }

    /// Serves it, and returns its URL.
    pub(crate) fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cloud = self.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let cloud = cloud.clone();
                std::thread::spawn(move || cloud.answer(&connection));
            }
        });
        url
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.objects.lock().unwrap().insert(path.to_owned(), content.into());
    }

    pub(crate) fn object(&self, path: &str) -> Value {
        serde_json::from_slice(&self.objects.lock().unwrap()[path]).unwrap()
    }

    /// The regions in which an operation was asked for.
    pub(crate) fn regions_of(&self, operation: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let mut regions: Vec<_> =
            asked.iter().filter(|(name, _)| name == operation).map(|(_, at)| at.clone()).collect();
        regions.dedup();
        regions
    }

    fn answer(&self, mut to: &TcpStream) {
        let Some(request) = read(to) else { return };
        // Credential=KEY/date/region/service/aws4_request
        let signed = request.headers.get("authorization").cloned().unwrap_or_default();
        let region = signed.split('/').nth(2).unwrap_or_default().to_owned();
        let target = request.headers.get("x-amz-target").cloned();
        let (name, answer) = match target.as_deref().and_then(|target| target.split_once('.')) {
            Some((service, operation)) => {
                (operation.to_owned(), self.json(service, operation, &request.body))
            }
            None if request.path == "/" => ("GetCallerIdentity".to_owned(), identity()),
            None => (request.method.clone(), self.s3(&request)),
        };
        self.asked.lock().unwrap().push((name, region));
        let Answer { status, headers, body } = answer;
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n"
        );
        let _ = to.write_all(head.as_bytes());
        let _ = to.write_all(&body);
    }

    fn json(&self, service: &str, operation: &str, body: &[u8]) -> Answer {
        let input: Value = serde_json::from_slice(body).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let called = runtime.block_on(async {
            match (service, operation) {
                ("DynamoDB_20120810", "BatchWriteItem") => self.write(&input).await,
                ("DynamoDB_20120810", "Scan") if input.get("Segment").is_some() => {
                    self.scan(&input)
                }
                ("DynamoDB_20120810", _) => self.tables.dynamodb(operation, input).await.unwrap(),
                _ => self.tables.auto_scaling(operation, input).await.unwrap(),
            }
        });
        match called {
            Called::Answered(answer) => Answer::new(200, answer.to_string()),
            Called::Refused { code, message } => {
                Answer::new(400, json!({"__type": code, "message": message}).to_string())
            }
        }
    }

    async fn write(&self, input: &Value) -> Called {
        let (table, requests) = input["RequestItems"].as_object().unwrap().iter().next().unwrap();
        let texts = |pointer: &str| -> Vec<_> {
            let all = requests.as_array().unwrap().iter().filter_map(|one| one.pointer(pointer));
            all.map(|text| Bytes::from(text.to_string())).collect()
        };
        let (items, keys) = (texts("/PutRequest/Item"), texts("/DeleteRequest/Key"));
        let writer = self.tables.writer(table);
        let answer =
            if keys.is_empty() { writer.write(&items).await } else { writer.delete(&keys).await };
        match answer.unwrap() {
            ports::Answer::Done(body) => Called::Answered(serde_json::from_slice(&body).unwrap()),
            ports::Answer::Throttled => unreachable!("nobody hinders it"),
        }
    }

    /// All items are in the first segment.
    fn scan(&self, input: &Value) -> Called {
        let items = self.tables.items(input["TableName"].as_str().unwrap()).unwrap();
        let items = if input["Segment"] == 0 { items } else { Vec::new() };
        Called::Answered(json!({
            "Items": items, "Count": items.len(), "ScannedCount": items.len(),
            "ConsumedCapacity": {"TableName": input["TableName"], "CapacityUnits": 1.0},
        }))
    }

    fn s3(&self, request: &Request) -> Answer {
        let mut objects = self.objects.lock().unwrap();
        match request.method.as_str() {
            "GET" if request.query.contains("list-type=2") => list(&objects, request),
            "GET" => get(&objects, request),
            "PUT" if objects.contains_key(&request.path) => Answer::new(
                412,
                "<Error><Code>PreconditionFailed</Code><Message>there</Message></Error>",
            ),
            "PUT" => {
                objects.insert(request.path.clone(), request.body.clone());
                Answer { headers: "etag: \"e\"\r\n".to_owned(), ..Answer::new(200, "") }
            }
            "POST" if request.query.contains("delete") => {
                let text = String::from_utf8_lossy(&request.body).into_owned();
                for part in text.split("<Key>").skip(1) {
                    let key = part.split("</Key>").next().unwrap();
                    objects.remove(&format!("{}/{key}", request.path.trim_end_matches('/')));
                }
                Answer::new(200, "<DeleteResult></DeleteResult>")
            }
            other => Answer::new(501, format!("<Error><Code>{other}</Code></Error>")),
        }
    }
}

fn list(objects: &BTreeMap<String, Vec<u8>>, request: &Request) -> Answer {
    let parameter = |name: &str| {
        let found = request.query.split('&').find_map(|one| one.strip_prefix(name));
        found.unwrap_or_default().replace("%2F", "/")
    };
    let (prefix, after) = (parameter("prefix="), parameter("start-after="));
    let bucket = format!("{}/", request.path.trim_end_matches('/'));
    let mut body = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
    for (path, content) in objects {
        let listed = |key: &&str| key.starts_with(&prefix) && *key > after.as_str();
        let Some(key) = path.strip_prefix(&bucket).filter(listed) else { continue };
        let size = content.len();
        write!(body, "<Contents><Key>{key}</Key><Size>{size}</Size></Contents>").unwrap();
    }
    Answer::new(200, body + "</ListBucketResult>")
}

fn get(objects: &BTreeMap<String, Vec<u8>>, request: &Request) -> Answer {
    let Some(all) = objects.get(&request.path) else {
        return Answer::new(404, "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>");
    };
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let Some((from, to)) = range.and_then(|range| range.split_once('-')) else {
        return Answer { headers: "etag: \"e\"\r\n".to_owned(), ..Answer::new(200, all.clone()) };
    };
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    let headers = format!("etag: \"e\"\r\ncontent-range: bytes {from}-{to}/{}\r\n", all.len());
    Answer { headers, ..Answer::new(206, &all[from..=to]) }
}

fn identity() -> Answer {
    Answer::new(
        200,
        format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::{ACCOUNT}:user/operator</Arn><UserId>x</UserId>\
             <Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        ),
    )
}

fn read(connection: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, uri) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}
