//! How the database that is restored into is reached.

use std::sync::Arc;

use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass, Result};

use crate::engine::Postgres;
use crate::engine::postgres::version::major;
use crate::engine::postgres::wire::Session;

/// The database that is always there.
const MAINTENANCE: &str = "postgres";
/// Tables that are looked at by one statement.
pub(super) const TOGETHER: usize = 200;

/// How the database is reached.
pub(super) struct Target<'a, A> {
    pub(super) postgres: &'a Postgres,
    pub(super) access: Arc<A>,
}

/// What is known of the server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) version: String,
    pub(super) major: u32,
}

impl<A: DatabaseAccess> Target<'_, A> {
    /// The secret as it is now.
    pub(super) async fn secret(&self) -> Result<SecretValue> {
        self.access.secret().await
    }

    /// A new connection with the credentials of now, and names in UTF-8.
    pub(super) async fn connect(&self) -> Result<Session> {
        let secret = self.secret().await?;
        connect(self.postgres, &secret).await
    }

    /// A connection to the server before the database is there.
    pub(super) async fn connect_elsewhere(&self) -> Result<Session> {
        let secret = self.secret().await?;
        connect(self.postgres, &SecretValue { database: MAINTENANCE.to_owned(), ..secret }).await
    }
}

async fn connect(postgres: &Postgres, secret: &SecretValue) -> Result<Session> {
    let mut session = Session::connect(&postgres.endpoint(secret)?).await?;
    session
        .execute(
            "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; \
             SET search_path = ''; SET statement_timeout = 0; SET lock_timeout = 0; \
             SET client_min_messages = warning",
        )
        .await?;
    Ok(session)
}

/// What the server said of itself when the session began.
pub(super) fn server(session: &Session) -> Result<Server> {
    let version = session.parameter("server_version").unwrap_or_default();
    let version = version.split(' ').next().unwrap_or_default().to_owned();
    let major = major(&version).ok_or_else(|| {
        Error::new(
            ErrorClass::Engine,
            format!("the server's version is {version:?}, which is not understood"),
            "Only PostgreSQL and what speaks exactly like it can be restored into",
        )
    })?;
    Ok(Server { version, major })
}

/// What a query found that asks for one thing, without NULLs.
pub(super) fn first_column(rows: Vec<Vec<Option<String>>>) -> Vec<String> {
    rows.into_iter().filter_map(|row| row.into_iter().next()?).collect()
}
