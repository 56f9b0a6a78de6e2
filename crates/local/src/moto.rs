//! moto's server as a child process.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hyper::{Method, Request};
use serde_json::json;
use tokio::process::Command;

use crate::http::{Upstream, full};
use crate::process::{Owned, Processes};
use crate::{REGION, python};

const START_LIMIT: Duration = Duration::from_mins(1);

/// A running moto. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Moto {
    _process: Owned,
    upstream: Upstream,
}

impl Moto {
    /// Starts moto and waits until it answers. `front_port` is where its Step Functions find the
    /// other services; `longest_wait` is as in [`Options`](crate::Options).
    pub(crate) async fn start(
        python: &Path,
        front_port: u16,
        longest_wait: Option<Duration>,
        logs: &Path,
        processes: &Processes,
    ) -> Result<Self> {
        let port = free_port()?;
        let log_path = logs.join("moto.log");
        let log = std::fs::File::create(&log_path)?;
        let mut command = Command::new(python);
        command
            .args(["-m", "autodump_moto", "-H", "127.0.0.1", "-p", &port.to_string()])
            .env("PYTHONPATH", python::shim_dir())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TZ", "UTC")
            .env("MOTO_PORT", front_port.to_string())
            .env("AUTODUMP_LONGEST_WAIT", seconds(longest_wait))
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut process = processes.spawn(&mut command)?;
        let upstream = Upstream::new(SocketAddr::from(([127, 0, 0, 1], port)));
        let begun = Instant::now();
        while configure(&upstream).await.is_err() {
            if !process.is_running() || begun.elapsed() > START_LIMIT {
                let log = std::fs::read_to_string(&log_path).unwrap_or_default();
                bail!("moto does not answer; its log {} says: {log}", log_path.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { _process: process, upstream })
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

/// As the shim reads it: nothing where waits are as long as they say.
fn seconds(wait: Option<Duration>) -> String {
    wait.map(|wait| wait.as_secs_f64().to_string()).unwrap_or_default()
}

/// Tells moto to execute state machines, and to leave functions and jobs to the front door.
async fn configure(upstream: &Upstream) -> Result<()> {
    let config = json!({
        "stepfunctions": {"execute_state_machine": true},
        "batch": {"use_docker": false},
        "lambda": {"use_docker": false},
    });
    let request = Request::builder()
        .method(Method::POST)
        .uri("/moto-api/config")
        .header("content-type", "application/json")
        .body(full(config.to_string()))?;
    let response = upstream.send(request).await?;
    if !response.status().is_success() {
        bail!("moto refused its configuration: {}", response.status());
    }
    Ok(())
}

/// A port that nothing listens on at this moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener =
        std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}
