//! What a restore needs of this engine: `pg_restore`, and how it and we connect.

use std::path::Path;

use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass, Result};

use crate::child::Command;
use crate::engine::Postgres;
use crate::engine::postgres::clients::{Client, find};
use crate::engine::postgres::connection::Connection;
use crate::engine::postgres::stderr;
use crate::engine::postgres::wire::Endpoint;

impl Postgres {
    /// A directory for small files.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// How we connect by a secret.
    pub(crate) fn endpoint(&self, secret: &SecretValue) -> Result<Endpoint> {
        Endpoint::new(secret, &self.ca_bundle)
    }

    /// The oldest `pg_restore` that reads an archive of `pg_dump` of this major version.
    pub(super) async fn restorer(&self, archive: u32, version: &str) -> Result<Restorer<'_>> {
        let mut clients = find(&self.directories).await?;
        let installed: Vec<_> = clients.iter().map(|client| client.version.clone()).collect();
        clients.retain(|client| client.major >= archive);
        clients.truncate(1);
        let client = clients.pop().ok_or_else(|| {
            Error::new(
                ErrorClass::Configuration,
                format!(
                    "the backup was made by pg_dump {version}, and the newest pg_restore here is \
                     older: installed is {}",
                    installed.join(", ")
                ),
                format!(
                    "Use an image with the clients of PostgreSQL {archive} or newer (build \
                     argument POSTGRES_MAJORS)"
                ),
            )
        })?;
        Ok(Restorer { client, ca_bundle: &self.ca_bundle })
    }
}

/// A `pg_restore`.
#[derive(Debug)]
pub(super) struct Restorer<'a> {
    client: Client,
    ca_bundle: &'a Path,
}

impl Restorer<'_> {
    pub(super) fn major(&self) -> u32 {
        self.client.major
    }

    pub(super) fn version(&self) -> &str {
        &self.client.version
    }

    /// The program, without a connection.
    pub(super) fn offline(&self) -> Command {
        self.client.command("pg_restore")
    }

    /// The program, connecting by this secret.
    pub(super) fn online(&self, secret: &SecretValue) -> Result<Command> {
        Ok(Connection::new(secret, self.ca_bundle)?.given_to(self.offline()))
    }
}

/// What a text of a client means where it is about the connection or the server itself.
pub(super) fn meaning_of(text: &str) -> Option<(ErrorClass, &'static str)> {
    stderr::meaning_of(text).map(|meaning| (meaning.class, meaning.hint))
}

/// The error, with what to do about it where a database is restored.
pub(super) fn of_restore(error: Error) -> Error {
    let hint = hint_of_restore(error.hint());
    if hint == error.hint() {
        return error;
    }
    Error::new(error.class(), error.what(), hint).caused_by(error)
}

/// `hint`, unless that is one for a dump.
fn hint_of_restore(hint: &str) -> &str {
    const OTHERS: [(&str, &str); 5] = [
        (
            stderr::PERMISSION.hint,
            "Restore as a role that may do this (on RDS the master user), or with no-owner and \
             no-privileges",
        ),
        (stderr::LOCK.hint, "Another session holds a lock that is in the way: end it"),
        (
            stderr::CONNECTIONS.hint,
            "The server has no free connection: raise the limit, or restore with fewer jobs",
        ),
        (
            stderr::UNREACHABLE.hint,
            "Check that the server runs, host and port, and that its security group lets whoever \
             restores in",
        ),
        (
            stderr::PG_HBA.hint,
            "Let the server accept this user from where the restore runs, and with TLS as sslmode \
             says",
        ),
    ];
    OTHERS.iter().find(|(dump, _)| *dump == hint).map_or(hint, |(_, restore)| *restore)
}
