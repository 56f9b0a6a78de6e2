//! A running server of either kind, as tests hold it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::faults::Faults;
use crate::given;
use crate::login::{User, Users};
use crate::postgres::Postgres;
use crate::shim::Shim;
use crate::shim::sql::Sql;
use crate::stub::{Content, Stub};
use crate::tls::Tls;
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
    /// Whether it says to be a router to shards, as `mongos` is. Then it is of no replica set.
    pub router: bool,
    /// Whether it speaks TLS, and nothing else.
    pub tls: bool,
    /// Its users. Without one, everybody may do everything.
    pub users: Vec<User>,
}

/// A server on the loopback interface. It ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    settings: Settings,
    ca_pem: Option<String>,
    faults: Faults,
    postgres: Option<Postgres>,
    runtime: Option<Runtime>,
}

impl Server {
    /// A server with `DocumentDB` behind it, or `None` (said loudly) where there is none.
    pub fn documentdb(settings: &Settings) -> Result<Option<Self>> {
        given::documentdb().map(|root| Self::documentdb_in(&root, settings)).transpose()
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

    /// A server that has this in memory and no database behind it.
    pub fn stub(content: Content, settings: &Settings) -> Result<Self> {
        let faults = Faults::default();
        Self::start(Stub::new(content, faults.clone()), settings, faults)
    }

    fn start<B: Backend>(backend: B, settings: &Settings, faults: Faults) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))
            .with_context(|| format!("cannot listen on port {}", settings.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let tls = settings.tls.then(Tls::new).transpose()?;
        let ca_pem = tls.as_ref().map(|tls| tls.ca_pem.clone());
        let users = Users::new(&settings.users);
        let identity = Identity {
            address: address.to_string(),
            set_name: settings.set_name.clone(),
            router: settings.router,
            version: backend.version(),
            closed: users.required(),
            shows_users: backend.shows_users(),
        };
        let service = Arc::new(Service { backend, identity, users, faults: faults.clone() });
        // Last of what may fail: a runtime must not be dropped where another one runs.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("documentdb")
            .enable_all()
            .build()?;
        let guard = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(guard);
        runtime.spawn(accept(listener, service, tls.map(|tls| tls.acceptor)));
        let (settings, runtime) = (settings.clone(), Some(runtime));
        Ok(Self { address, settings, ca_pem, faults, postgres: None, runtime })
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
        self.uri_with("")
    }

    /// The same, for a user: `ann:secret`, percent-encoded as a URI wants it.
    #[must_use]
    pub fn uri_as(&self, user: &str) -> String {
        self.uri_with(&format!("{user}@"))
    }

    fn uri_with(&self, user: &str) -> String {
        let mut options = Vec::new();
        options.extend(self.settings.set_name.as_ref().map(|name| format!("replicaSet={name}")));
        options.extend(self.settings.tls.then(|| "tls=true".to_owned()));
        let options =
            if options.is_empty() { String::new() } else { format!("?{}", options.join("&")) };
        format!("mongodb://{user}{}/{options}", self.address)
    }

    /// The certificate of the authority that signed the server's, as PEM; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
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
            Err(error) if start.elapsed() > Duration::from_mins(1) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    sql.run("create extension documentdb cascade").await
}

async fn accept<B: Backend>(
    listener: TcpListener,
    service: Arc<Service<B>>,
    tls: Option<TlsAcceptor>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if !service.faults.refused() {
            tokio::spawn(connection(stream, service.clone(), tls.clone()));
        }
    }
}

/// What breaks a connection is the client's to notice.
async fn connection<B: Backend>(
    stream: TcpStream,
    service: Arc<Service<B>>,
    tls: Option<TlsAcceptor>,
) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        drop(serve(service, stream).await);
        return;
    };
    if let Ok(stream) = tls.accept(stream).await {
        drop(serve(service, stream).await);
    }
}
