//! A running server of either kind, as tests hold it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::faults::Faults;
use crate::given;
use crate::postgres::Postgres;
use crate::shim::Shim;
use crate::shim::sql::Sql;
use crate::wire::backend::Backend;
use crate::wire::common::Identity;
use crate::wire::connection::{Service, serve};

/// How a server presents itself to its clients.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Its port, or 0 for any that is free.
    pub port: u16,
    /// The replica set that it says to be the only member of.
    pub set_name: Option<String>,
}

/// A server on the loopback interface. It ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    settings: Settings,
    faults: Faults,
    postgres: Option<Postgres>,
    runtime: Option<Runtime>,
}

impl Server {
    /// A server with `DocumentDB` behind it, or `None` (said loudly) where there is none.
    pub fn documentdb(settings: &Settings) -> Option<Result<Self>> {
        Some(Self::documentdb_in(&given::documentdb()?, settings))
    }

    /// A server with `DocumentDB` behind it, whose programs are in `root`.
    pub fn documentdb_in(root: &Path, settings: &Settings) -> Result<Self> {
        let postgres = Postgres::start(root)?;
        let faults = Faults::default();
        let shim = Shim::new(postgres.socket().to_owned(), faults.clone());
        let mut server = Self::start(shim, settings, faults)?;
        let runtime = server.runtime.as_ref().context("the server does not run")?;
        let socket = postgres.socket().to_owned();
        let (done, ready) = std::sync::mpsc::channel();
        runtime.spawn(async move { drop(done.send(prepare(&socket).await)) });
        ready.recv().context("the server is gone")??;
        server.postgres = Some(postgres);
        Ok(server)
    }

    fn start<B: Backend>(backend: B, settings: &Settings, faults: Faults) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("documentdb")
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))
            .with_context(|| format!("cannot listen on port {}", settings.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let identity = Identity {
            address: address.to_string(),
            set_name: settings.set_name.clone(),
            version: backend.version(),
            closed: false,
        };
        let service = Arc::new(Service { backend, identity, faults: faults.clone() });
        let guard = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(guard);
        runtime.spawn(accept(listener, service));
        Ok(Self {
            address,
            settings: settings.clone(),
            faults,
            postgres: None,
            runtime: Some(runtime),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// The port on which it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URI with which drivers and tools connect: without user and password.
    #[must_use]
    pub fn uri(&self) -> String {
        let set = self.settings.set_name.as_ref();
        let options = set.map(|name| format!("?replicaSet={name}")).unwrap_or_default();
        format!("mongodb://{}/{options}", self.address)
    }

    /// What can be made to go wrong, and what was seen.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Ends it as a crash would: connections break, and no new ones are taken. A second call does nothing.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if let Some(mut postgres) = self.postgres.take() {
            postgres.kill();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until `DocumentDB` takes commands.
async fn prepare(socket: &Path) -> Result<()> {
    let start = Instant::now();
    let sql = loop {
        match Sql::connect(socket).await {
            Ok(sql) => break sql,
            Err(error) if start.elapsed() > Duration::from_secs(60) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    sql.run("create extension documentdb cascade").await
}

async fn accept<B: Backend>(listener: TcpListener, service: Arc<Service<B>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if !service.faults.refused() {
            tokio::spawn(connection(stream, service.clone()));
        }
    }
}

/// What breaks a connection is the client's to notice.
async fn connection<B: Backend>(stream: TcpStream, service: Arc<Service<B>>) {
    let _ = stream.set_nodelay(true);
    drop(serve(service, stream).await);
}
