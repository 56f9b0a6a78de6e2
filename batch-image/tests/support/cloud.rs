//! The least of AWS that the jobs need: one secret, and buckets that keep what is published,
//! or only count it. Signatures and checksums are not looked at.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

/// What the cloud holds.
#[derive(Default)]
pub(crate) struct State {
    /// The secret's value.
    pub(crate) secret: String,
    /// The secret's tags.
    pub(crate) tags: Vec<(String, String)>,
    /// Published objects by path; empty ones when nothing is kept.
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// Bytes of all parts.
    pub(crate) received: u64,
    /// Uploads that are neither completed nor aborted, by path.
    pub(crate) open: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    /// Never answer requests for parts.
    pub(crate) hangs: bool,
    /// Refuse to show the secret.
    pub(crate) refuses: bool,
    /// Forget the bytes.
    pub(crate) sink: bool,
}

pub(crate) struct Cloud {
    pub(crate) endpoint: String,
    pub(crate) state: Arc<Mutex<State>>,
}

pub(crate) fn start(state: State) -> Cloud {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::new(Mutex::new(state));
    let shared = Arc::clone(&state);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let state = Arc::clone(&shared);
            std::thread::spawn(move || serve(&socket, &state));
        }
    });
    Cloud { endpoint, state }
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
}

fn serve(socket: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::with_capacity(1 << 20, socket);
    loop {
        let request = head(&mut reader)?;
        let length = request.headers.get("content-length").map_or(0, |l| l.parse().unwrap());
        let keep = !state.lock().unwrap().sink;
        let mut body = Vec::new();
        let mut rest = (&mut reader).take(length);
        if keep || length < 4096 {
            rest.read_to_end(&mut body).ok()?;
        } else {
            std::io::copy(&mut rest, &mut std::io::sink()).ok()?;
        }
        let (status, body) = answer(&request, body, length, state);
        let mut socket = socket;
        let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
        let range =
            range.map_or(String::new(), |range| format!("Content-Range: bytes {range}/*\r\n"));
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} x\r\nETag: \"e\"\r\n{range}Content-Length: {length}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).ok()?;
        socket.write_all(&body).ok()?;
    }
}

fn head(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    let mut next = || {
        line.clear();
        (reader.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
    };
    let first = next()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut headers = BTreeMap::new();
    loop {
        let line = next()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path: path.to_owned(), query, headers })
}

fn answer(request: &Request, body: Vec<u8>, length: u64, state: &Mutex<State>) -> (u16, Vec<u8>) {
    let mut state = state.lock().unwrap();
    if let Some(target) = request.headers.get("x-amz-target") {
        if state.refuses {
            let refusal = json!({"__type": "AccessDeniedException", "Message": "Not authorized."});
            return (400, refusal.to_string().into());
        }
        return (200, secret(target, &state).into());
    }
    let path = request.path.clone();
    if let Some(number) = request.query.get("partNumber") {
        if state.hangs {
            drop(state);
            std::thread::sleep(std::time::Duration::from_mins(10));
            return (500, Vec::new());
        }
        state.received += length;
        if let Some(parts) = state.open.get_mut(&path) {
            parts.insert(number.parse().unwrap(), body);
            return (200, Vec::new());
        }
        return (404, b"<Error><Code>NoSuchUpload</Code></Error>".to_vec());
    }
    match request.method.as_str() {
        "POST" if request.query.contains_key("uploads") => {
            state.open.insert(path, BTreeMap::new());
            (200, b"<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>".to_vec())
        }
        "POST" => {
            let parts = state.open.remove(&path).unwrap();
            state.objects.insert(path, parts.into_values().flatten().collect());
            (
                200,
                b"<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"
                    .to_vec(),
            )
        }
        "GET" if request.query.contains_key("list-type") => (200, listed(request, &state).into()),
        "GET" => match (state.objects.get(&path), request.headers.get("range")) {
            (None, _) => (404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            (Some(object), None) => (200, object.clone()),
            (Some(object), Some(range)) => {
                let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                (206, object[first..object.len().min(last + 1)].to_vec())
            }
        },
        _ => {
            state.open.remove(&path);
            (204, Vec::new())
        }
    }
}

fn listed(request: &Request, state: &State) -> String {
    let bucket = format!("{}/", request.path.trim_end_matches('/'));
    let prefix = request.query["prefix"].replace("%2F", "/");
    let after = request.query.get("start-after").cloned().unwrap_or_default().replace("%2F", "/");
    let contents: String = state
        .objects
        .iter()
        .filter_map(|(path, object)| Some((path.strip_prefix(&bucket)?, object.len())))
        .filter(|(key, _)| key.starts_with(&prefix) && *key > after.as_str())
        .fold(String::new(), |all, (key, size)| {
            format!("{all}<Contents><Key>{key}</Key><Size>{size}</Size></Contents>")
        });
    format!("<ListBucketResult>{contents}</ListBucketResult>")
}

fn secret(target: &str, state: &State) -> String {
    let arn = super::ARN;
    if target.ends_with("GetSecretValue") {
        return json!({"ARN": arn, "Name": "app", "SecretString": state.secret}).to_string();
    }
    let tags: Vec<_> = state.tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
    json!({"ARN": arn, "Name": "app", "Tags": tags}).to_string()
}
