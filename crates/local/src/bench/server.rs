//! The one server that a measured program talks to: the sink, and the services beside it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::services::Services;
use super::sink::Sink;
use crate::REGION;
use crate::http::{self, Body};

/// Both the name of the access key and the secret one.
pub(super) const KEY: &str = "bench";

/// A server on a loopback port of its own. Dropping it closes the port.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    sink: Sink,
    services: Services,
}

impl Server {
    pub(super) async fn start(services: Services) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("no port for the benchmark's server")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { sink: Sink::default(), services });
        let state = Arc::clone(&shared);
        let task =
            tokio::spawn(http::serve(listener, move |request| handle(Arc::clone(&state), request)));
        Ok(Self { address, shared, task })
    }

    pub(super) fn sink(&self) -> &Sink {
        &self.shared.sink
    }

    pub(super) fn services(&self) -> &Services {
        &self.shared.services
    }

    /// What an AWS SDK needs to know to talk to this server and to no other.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>> {
    let operation = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    match operation.map(str::to_owned) {
        Some(operation) => shared.services.handle(&operation, request).await,
        None => shared.sink.handle(request).await,
    }
}
