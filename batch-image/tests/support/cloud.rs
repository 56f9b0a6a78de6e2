//! The least of AWS that the dumper needs: one secret, and buckets that keep what is
//! published, or only count it. Signatures and checksums are not looked at.

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
        let (status, text) = answer(&request, body, length, state);
        let mut socket = socket;
        let head =
            format!("HTTP/1.1 {status} x\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n", text.len());
        socket.write_all(format!("{head}{text}").as_bytes()).ok()?;
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

fn answer(request: &Request, body: Vec<u8>, length: u64, state: &Mutex<State>) -> (u16, String) {
    let mut state = state.lock().unwrap();
    if let Some(target) = request.headers.get("x-amz-target") {
        if state.refuses {
            let refusal = json!({"__type": "AccessDeniedException", "Message": "Not authorized."});
            return (400, refusal.to_string());
        }
        return (200, secret(target, &state));
    }
    let path = request.path.clone();
    if let Some(number) = request.query.get("partNumber") {
        if state.hangs {
            drop(state);
            std::thread::sleep(std::time::Duration::from_mins(10));
            return (500, String::new());
        }
        state.received += length;
        if let Some(parts) = state.open.get_mut(&path) {
            parts.insert(number.parse().unwrap(), body);
            return (200, String::new());
        }
        return (404, "<Error><Code>NoSuchUpload</Code></Error>".to_owned());
    }
    match request.method.as_str() {
        "POST" if request.query.contains_key("uploads") => {
            state.open.insert(path, BTreeMap::new());
            (200, "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>".to_owned())
        }
        "POST" => {
            let parts = state.open.remove(&path).unwrap();
            state.objects.insert(path, parts.into_values().flatten().collect());
            (
                200,
                "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"
                    .to_owned(),
            )
        }
        _ => {
            state.open.remove(&path);
            (204, String::new())
        }
    }
}

fn secret(target: &str, state: &State) -> String {
    let arn = super::ARN;
    if target.ends_with("GetSecretValue") {
        return json!({"ARN": arn, "Name": "app", "SecretString": state.secret}).to_string();
    }
    let tags: Vec<_> = state.tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
    json!({"ARN": arn, "Name": "app", "Tags": tags}).to_string()
}
