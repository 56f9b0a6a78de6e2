//! The Lambda Runtime API, as one function process sees it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::http::{self, Body, full};

const BASE: &str = "/2018-06-01/runtime/";

/// What a function answered to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its result.
    Success(Bytes),
    /// The error that it ended with, as JSON with `errorType` and `errorMessage`.
    Failure(Bytes),
}

/// One event for the process, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) payload: Bytes,
    pub(crate) function_arn: String,
    pub(crate) timeout: Duration,
    /// Told when the process has taken the event; the time limit runs from here.
    pub(crate) taken: oneshot::Sender<()>,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// The API of one process. Dropping it closes its port.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::Sender<Invocation>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    queue: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    current: Mutex<Option<(String, oneshot::Sender<Answer>)>>,
    init_error: Mutex<Option<Bytes>>,
}

impl RuntimeApi {
    /// Listens on a port of its own.
    pub(crate) async fn start() -> Result<Self> {
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.context("no port for a Runtime API")?;
        let address = listener.local_addr()?;
        let (events, queue) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            queue: tokio::sync::Mutex::new(queue),
            current: Mutex::new(None),
            init_error: Mutex::new(None),
        });
        let state = Arc::clone(&shared);
        let server =
            tokio::spawn(http::serve(listener, move |request| handle(Arc::clone(&state), request)));
        Ok(Self { address, events, shared, server })
    }

    /// What the process finds in `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands an event to the process.
    pub(crate) async fn hand_over(&self, invocation: Invocation) -> Result<()> {
        let sent = self.events.send(invocation).await;
        sent.map_err(|_| anyhow!("the Runtime API has been closed"))
    }

    /// The error that the process reported before it took its first event.
    pub(crate) fn init_error(&self) -> Option<Bytes> {
        self.shared.init_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>> {
    let path = request.uri().path().to_owned();
    let Some(rest) = path.strip_prefix(BASE) else {
        return Ok(status(StatusCode::NOT_FOUND));
    };
    let parts: Vec<&str> = rest.split('/').collect();
    match (request.method().as_str(), parts.as_slice()) {
        ("GET", ["invocation", "next"]) => next(&shared).await,
        ("POST", ["invocation", id, "response"]) => {
            let body = http::read(request.into_body()).await?;
            Ok(finish(&shared, id, Answer::Success(body)))
        }
        ("POST", ["invocation", id, "error"]) => {
            let body = http::read(request.into_body()).await?;
            Ok(finish(&shared, id, Answer::Failure(body)))
        }
        ("POST", ["init", "error"]) => {
            let body = http::read(request.into_body()).await?;
            *shared.init_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
            Ok(status(StatusCode::ACCEPTED))
        }
        _ => Ok(status(StatusCode::NOT_FOUND)),
    }
}

/// Waits for the next event; the wait has no limit, as on AWS.
async fn next(shared: &Shared) -> Result<Response<Body>> {
    let event = shared.queue.lock().await.recv().await.context("no more events")?;
    let deadline = SystemTime::now() + event.timeout;
    let deadline = deadline.duration_since(UNIX_EPOCH)?.as_millis();
    let trace = uuid::Uuid::new_v4().simple().to_string();
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", &event.id)
        .header("Lambda-Runtime-Deadline-Ms", deadline.to_string())
        .header("Lambda-Runtime-Invoked-Function-Arn", &event.function_arn)
        .header(
            "Lambda-Runtime-Trace-Id",
            format!("Root=1-{}-{};Sampled=0", &trace[..8], &trace[8..]),
        )
        .body(full(event.payload))?;
    *shared.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((event.id, event.answer));
    // The one who asked may have given up; then the answer goes nowhere.
    let _ = event.taken.send(());
    Ok(response)
}

fn finish(shared: &Shared, id: &str, answer: Answer) -> Response<Body> {
    let mut current = shared.current.lock().unwrap_or_else(PoisonError::into_inner);
    match current.take() {
        Some((expected, waiting)) if expected == id => {
            let _ = waiting.send(answer);
            status(StatusCode::ACCEPTED)
        }
        other => {
            *current = other;
            let message = format!("no event {id} is open");
            let body = json!({"errorType": "InvalidRequestID", "errorMessage": message});
            http::json(StatusCode::BAD_REQUEST, &body)
        }
    }
}

fn status(code: StatusCode) -> Response<Body> {
    http::json(code, &json!({"status": code.canonical_reason()}))
}
