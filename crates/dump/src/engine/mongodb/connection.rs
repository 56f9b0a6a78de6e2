//! How MongoDB is reached: a secret becomes a client of the driver.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use autodump_core::options::ReadPreference;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::uri::MongoUri;
use autodump_core::secret::{SecretValue, SslMode};
use autodump_core::{Error, ErrorClass, Result};
use bson::{Document, RawDocumentBuf};
use mongodb::error::Error as DriverError;
use mongodb::options::{
    ClientOptions, RunCursorCommandOptions, SelectionCriteria, ServerMonitoringMode, Tls,
    TlsOptions,
};
use mongodb::raw_batch_cursor::RawBatchCursor;
use mongodb::{Client, Database};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::Mutex;

use super::raw::Writer;
use super::trouble::{explain, is_refusal};
use crate::memory_file::MemoryFile;

/// How long a server that fits is waited for, at each request.
const SELECTION: Duration = Duration::from_secs(15);
/// How long one attempt to connect to a server may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Connections that may be open to a server besides those of readers: they end cursors.
const SPARE: u32 = 2;

/// A client, whose connections all have the credentials of when it was made.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    criteria: Option<SelectionCriteria>,
    /// Where it leads, for people.
    at: String,
    /// The certificates that the driver reads from a path.
    _roots: Option<MemoryFile>,
}

impl Connection {
    /// A client for `jobs` readers. Nothing is connected yet. `ca_bundle` is the file of
    /// certificates that the server is checked against; not with `mongodb+srv`, which `DocumentDB`
    /// does not have, and whose servers have certificates of public authorities: against those,
    /// as the driver brings them. Certificates of the secret take the place of both.
    pub(crate) async fn new(
        secret: &SecretValue,
        ca_bundle: &Path,
        preference: Option<ReadPreference>,
        jobs: u16,
    ) -> Result<Self> {
        let uri = uri(secret, preference)?;
        let at = uri.shown();
        let (tls, roots) = tls(secret, uri.srv, ca_bundle)?;
        let wrong = |error: DriverError| explain(&error, &at, "no connection can be made");
        let mut options = ClientOptions::parse(uri.rebuilt().expose()).await.map_err(wrong)?;
        options.tls = Some(tls);
        options.server_selection_timeout = Some(SELECTION);
        options.connect_timeout = Some(CONNECT);
        options.max_pool_size = Some(u32::from(jobs.max(1)) + SPARE);
        // One connection that watches each server, not two.
        options.server_monitoring_mode = Some(ServerMonitoringMode::Poll);
        let criteria = options.selection_criteria.clone();
        let client = Client::with_options(options).map_err(wrong)?;
        Ok(Self { client, criteria, at, _roots: roots })
    }

    /// Where it leads, without user and password.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// A database, whether it is there or not.
    pub(crate) fn database(&self, name: &str) -> Database {
        self.client.database(name)
    }

    /// Runs a command that answers with one document.
    pub(crate) async fn run(
        &self,
        database: &str,
        command: RawDocumentBuf,
    ) -> Result<Document, DriverError> {
        let database = self.database(database);
        let run = database.run_raw_command(command);
        match &self.criteria {
            Some(criteria) => run.selection_criteria(criteria.clone()).await,
            None => run.await,
        }
    }

    /// Runs a command that answers with a cursor, whose further batches have at most `batch`
    /// documents.
    pub(crate) async fn cursor(
        &self,
        database: &str,
        command: RawDocumentBuf,
        batch: Option<u32>,
    ) -> Result<RawBatchCursor, DriverError> {
        let mut options = RunCursorCommandOptions::default();
        options.selection_criteria.clone_from(&self.criteria);
        options.batch_size = batch;
        self.database(database).run_raw_cursor_command(command).with_options(options).batch().await
    }

    /// Connects, if it is not, and returns the server's version.
    pub(crate) async fn server_version(&self) -> Result<String> {
        let reply = self.run("admin", command(|writer| writer.int32("buildInfo", 1))?).await;
        let reply = reply.map_err(|error| self.explain(&error, "the server cannot be asked"))?;
        reply.get_str("version").map(str::to_owned).map_err(|_| {
            Error::new(
                ErrorClass::Engine,
                format!("the server at {} does not tell its version", self.at),
                "Only MongoDB and what speaks its protocol can be dumped",
            )
        })
    }

    /// Whether it leads to shards by way of a router (`mongos`).
    pub(super) async fn is_routed(&self) -> Result<bool> {
        // Older servers do not know its newer name, `hello`.
        let reply = self.run("admin", command(|writer| writer.int32("isMaster", 1))?).await;
        match reply {
            Ok(reply) => Ok(reply.get_str("msg").is_ok_and(|says| says == "isdbgrid")),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) => Err(self.explain(&error, "the server cannot be asked what it is")),
        }
    }

    /// The error for what was not possible.
    pub(crate) fn explain(&self, error: &DriverError, doing: &str) -> Error {
        explain(error, &self.at, doing)
    }
}

/// A command for the driver.
pub(crate) fn command(write: impl FnOnce(Writer<'_>) -> Writer<'_>) -> Result<RawDocumentBuf> {
    let mut bytes = Vec::new();
    write(Writer::new(&mut bytes)).end();
    RawDocumentBuf::from_bytes(bytes).map_err(|error| {
        let what = format!("a command is no BSON: {error}");
        Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
    })
}

/// Where clients are made, with the credentials of now.
#[derive(Debug)]
pub(crate) struct Gate<A> {
    access: Arc<A>,
    ca_bundle: PathBuf,
    preference: Option<ReadPreference>,
    jobs: u16,
    now: Mutex<Option<Arc<Connection>>>,
}

impl<A: DatabaseAccess> Gate<A> {
    /// A gate for `jobs` readers.
    pub(crate) fn new(
        access: &Arc<A>,
        ca_bundle: &Path,
        preference: Option<ReadPreference>,
        jobs: u16,
    ) -> Self {
        Self {
            access: Arc::clone(access),
            ca_bundle: ca_bundle.to_owned(),
            preference,
            jobs,
            now: Mutex::new(None),
        }
    }

    /// The client of now. That which was `lost`, if somebody lost it, is replaced by one with the
    /// credentials of now; only once, whoever comes with it.
    pub(crate) async fn enter(&self, lost: Option<&Arc<Connection>>) -> Result<Arc<Connection>> {
        let mut now = self.now.lock().await;
        if let Some(connection) = now.as_ref()
            && lost.is_none_or(|lost| !Arc::ptr_eq(lost, connection))
        {
            return Ok(Arc::clone(connection));
        }
        let secret = self.access.secret().await?;
        let (preference, jobs) = (self.preference, self.jobs);
        let new = Connection::new(&secret, &self.ca_bundle, preference, jobs).await?;
        let new = Arc::new(new);
        *now = Some(Arc::clone(&new));
        Ok(new)
    }
}

/// The connection string with user and password, whether TLS is used, and the members that are
/// read: `preference`, or else what it says itself, or else the usual.
pub(super) fn uri(secret: &SecretValue, preference: Option<ReadPreference>) -> Result<MongoUri> {
    let mut uri = secret.mongodb.clone().ok_or_else(|| {
        Error::new(
            ErrorClass::Internal,
            format!("the secret for {} does not say how MongoDB is reached", secret.host),
            "Report this: it is a fault of AutoDump",
        )
    })?;
    uri.username = Some(secret.username.clone()).filter(|user| !user.is_empty());
    uri.password = uri.username.as_ref().map(|_| secret.password.clone());
    let said = || uri.option("readPreference").and_then(|said| said.parse().ok());
    let preference = preference.or_else(said).unwrap_or_default();
    let mut replaced = vec!["appName", "readPreference", "tls"];
    if preference == ReadPreference::Primary {
        // There is one: nothing is left to be chosen.
        replaced.extend(["readPreferenceTags", "maxStalenessSeconds"]);
    }
    uri.options.retain(|(name, _)| !replaced.contains(name));
    let tls = secret.sslmode != SslMode::Disable;
    uri.options.extend([
        ("appName", "autodump".to_owned()),
        ("readPreference", preference.as_str().to_owned()),
        ("tls", tls.to_string()),
    ]);
    Ok(uri)
}

/// How TLS is used, and the file that has to stay open for it.
fn tls(secret: &SecretValue, srv: bool, ca_bundle: &Path) -> Result<(Tls, Option<MemoryFile>)> {
    let mut options = TlsOptions::default();
    let mut roots = None;
    match (secret.sslmode, &secret.sslrootcert) {
        (SslMode::Disable, _) => return Ok((Tls::Disabled, None)),
        (SslMode::Require, _) => options.allow_invalid_certificates = Some(true),
        (SslMode::VerifyFull, Some(pem)) => {
            has_certificates(pem.as_bytes(), "sslrootcert")?;
            let file = MemoryFile::new(pem)?;
            options.ca_file_path = Some(file.path().into());
            roots = Some(file);
        }
        (SslMode::VerifyFull, None) if srv => {}
        (SslMode::VerifyFull, None) => {
            let pem = std::fs::read(ca_bundle).map_err(|error| {
                let what = format!("the file {} cannot be read: {error}", ca_bundle.display());
                wrong_roots(what).caused_by(error)
            })?;
            has_certificates(&pem, &format!("the file {}", ca_bundle.display()))?;
            options.ca_file_path = Some(ca_bundle.to_owned());
        }
        (mode @ (SslMode::Prefer | SslMode::VerifyCa), _) => {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("sslmode is {}, which there is not for MongoDB", mode.as_str()),
                "Use verify-full, require or disable in the secret",
            ));
        }
    }
    Ok((Tls::Enabled(options), roots))
}

/// The driver would take a file without certificates for one that trusts nobody.
fn has_certificates(pem: &[u8], what: &str) -> Result<()> {
    if CertificateDer::pem_slice_iter(pem).any(|certificate| certificate.is_ok()) {
        return Ok(());
    }
    Err(wrong_roots(format!("{what} holds no certificate in PEM")))
}

fn wrong_roots(what: String) -> Error {
    Error::new(
        ErrorClass::Configuration,
        what,
        "Store the certificates in PEM as sslrootcert in the secret, or check \
         AUTODUMP_CA_BUNDLE in the image",
    )
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
