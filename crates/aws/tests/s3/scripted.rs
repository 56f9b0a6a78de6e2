//! An HTTP server that says what it is told and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Answers with a status, extra header lines and a body.
    Http(u16, &'static str, String),
    /// Announces so many bytes, sends this body, and closes the connection.
    Cut(u16, String, usize, String),
    /// Closes the connection without a word.
    HangUp,
}

/// A request: its head in lower case, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<Answer>,
    requests: Vec<Request>,
}

pub(crate) struct Scripted {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
}

impl Scripted {
    /// Gives these answers in turn, and the last one from then on.
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = State { answers: answers.into(), requests: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        Self { endpoint, state }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }
}

async fn serve(mut socket: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let request = receive(&mut socket).await?;
    let answer = {
        let mut state = state.lock().unwrap();
        state.requests.push(request);
        let last = state.answers.len() == 1;
        if last { state.answers.front().cloned() } else { state.answers.pop_front() }
    };
    let (status, headers, length, body) = match answer {
        Some(Answer::Http(status, headers, body)) => (status, headers.to_owned(), body.len(), body),
        Some(Answer::Cut(status, headers, length, body)) => (status, headers, length, body),
        Some(Answer::HangUp) | None => return socket.shutdown().await.ok(),
    };
    let text = format!(
        "HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    socket.write_all(text.as_bytes()).await.ok()?;
    socket.shutdown().await.ok()
}

async fn receive(socket: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let mut request = Request { head, body: bytes.split_off(end + 4) };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while request.body.len() < length {
        if socket.read_buf(&mut request.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(request)
}
