//! Where and as whom to connect.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use autodump_core::Result;
use autodump_core::secret::{Hidden, SecretValue, SslMode};
use rustls::ClientConfig;

use super::tls;

/// Where and as whom to connect. Cheap to clone: certificates are read once.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: Hidden,
    pub(super) sslmode: SslMode,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Endpoint {
    /// From the secret. `ca_bundle` is read (PEM) only where a certificate is to be checked
    /// and the secret brings none.
    ///
    /// sslmode means what it means to libpq: `prefer` takes TLS if the server has it, and
    /// checks nothing; `require` checks the chain if the secret brings certificates;
    /// `verify-ca` checks the chain, `verify-full` the name too. Other than with libpq, `prefer`
    /// checks nothing even if there are certificates, and certificates must be X.509 version 3.
    ///
    /// Errors are of class configuration: no file, no PEM, no usable certificate.
    pub fn new(secret: &SecretValue, ca_bundle: &Path) -> Result<Self> {
        let host = secret.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        Ok(Self {
            host: host.unwrap_or(&secret.host).to_owned(),
            port: secret.port,
            database: secret.database.clone(),
            user: secret.username.clone(),
            password: secret.password.clone(),
            sslmode: secret.sslmode,
            tls: tls::config(secret, ca_bundle)?,
        })
    }

    /// The same with another database.
    #[must_use]
    pub fn with_database(self, name: &str) -> Self {
        Self { database: name.to_owned(), ..self }
    }

    /// The same with another password: a rotated one, or a token that is valid for a while.
    #[must_use]
    pub fn with_password(self, password: Hidden) -> Self {
        Self { password, ..self }
    }

    /// Host and port, for messages.
    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.address())
            .field("database", &self.database)
            .field("user", &self.user)
            .field("sslmode", &self.sslmode)
            .finish_non_exhaustive()
    }
}
