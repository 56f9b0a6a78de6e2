//! A database of our own on a server, to restore into.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::{Hidden, SecretValue};
use autodump_core::{Error, Result};
use tokio::time::sleep;

use super::extensions::make_extensions;
use super::needs::Needs;
use super::privileges;
use super::readable::session;
use super::server::Server;
use crate::engine::Postgres;
use crate::engine::postgres::locale::{properties, statement, understood_by};
use crate::engine::postgres::sql::{identifier, literal};
use crate::engine::postgres::toc::Toc;
use crate::engine::postgres::version::major;
use crate::engine::postgres::wire::{Failure, Session};
use crate::random::random;

/// How often a database is tried to be dropped to which somebody is still connected.
const DROPS: u32 = 20;
const BETWEEN_DROPS: Duration = Duration::from_millis(250);
/// The first version that ends the connections to a database that is dropped.
const FORCE: u32 = 13;
/// How many entries the log names.
const NAMED: usize = 10;

/// How the server that is restored into is reached.
#[derive(Debug)]
pub(super) enum Reach<A> {
    /// Our own.
    Own(Box<SecretValue>),
    /// One that was given.
    Given(Arc<A>),
}

/// A database that was made to be restored into. It is to be dropped in the end.
#[derive(Debug)]
pub(super) struct Database<A> {
    reach: Reach<A>,
    /// Its name.
    pub(super) name: String,
    /// The password of a role that bears the database's name, owns it, and restores.
    role: OnceLock<Hidden>,
}

impl<A: DatabaseAccess> DatabaseAccess for Database<A> {
    async fn secret(&self) -> Result<SecretValue> {
        let secret = SecretValue { database: self.name.clone(), ..self.reach.secret().await? };
        Ok(match self.role.get() {
            Some(password) => SecretValue {
                username: self.name.clone(),
                password: Hidden::from(password.expose().to_owned()),
                ..secret
            },
            None => secret,
        })
    }
}

impl<A: DatabaseAccess> Reach<A> {
    async fn secret(&self) -> Result<SecretValue> {
        match self {
            Self::Own(secret) => Ok(secret.as_ref().clone()),
            Self::Given(access) => access.secret().await,
        }
    }
}

impl<A: DatabaseAccess> Database<A> {
    /// The database's name on a server; it is not there yet.
    pub(super) fn new(reach: Reach<A>) -> Result<Self> {
        let name = format!("autodump_verify_{}", random(4)?);
        Ok(Self { reach, name, role: OnceLock::new() })
    }

    /// A session with the database that the server was given with.
    pub(super) async fn beside(&self, postgres: &Postgres) -> Result<Session> {
        session(&postgres.endpoint(&self.reach.secret().await?)?).await
    }

    /// Makes it, with the locale of the one that was dumped if the server has that. Returns the
    /// locale that it has instead.
    pub(super) async fn make(&self, session: &mut Session, toc: &Toc) -> Result<Option<String>> {
        if self.make_alike(session, toc).await? {
            return Ok(None);
        }
        let encoding = if toc.encoding() == Some("SQL_ASCII") { "SQL_ASCII" } else { "UTF8" };
        let own = format!(" ENCODING = '{encoding}'");
        let plain = format!("{own} LC_COLLATE = 'C' LC_CTYPE = 'C'");
        let made = match session.execute(&self.creation(&own)).await {
            Err(failure) if !failure.is_lost() => session.execute(&self.creation(&plain)).await,
            made => made,
        };
        made.map_err(|failure| {
            let error = Error::from(failure);
            let what = format!("no database can be made to restore into: {}", error.what());
            Error::new(error.class(), what, error.hint())
        })?;
        let locale = self.locale(session).await.unwrap_or_else(|_| "unknown".to_owned());
        tracing::warn!(locale, encoding, "restoring into a database with another locale");
        Ok(Some(locale))
    }

    /// False when the server has not the locale of the one that was dumped, or the archive does not
    /// say which that is.
    async fn make_alike(&self, session: &mut Session, toc: &Toc) -> Result<bool> {
        let version = session.parameter("server_version").and_then(major).unwrap_or_default();
        let Some(with) =
            statement(toc).and_then(properties).map(|with| understood_by(version, with))
        else {
            return Ok(false);
        };
        match session.execute(&self.creation(&with)).await {
            Ok(()) => {
                tracing::info!(properties = with.trim(), "restoring into a database like it");
                Ok(true)
            }
            Err(failure) if failure.is_lost() => Err(failure.into()),
            Err(failure) => {
                tracing::warn!(
                    properties = with.trim(),
                    what = %failure,
                    "the server has not the locale of the database"
                );
                Ok(false)
            }
        }
    }

    fn creation(&self, with: &str) -> String {
        let name = identifier(&self.name);
        format!("CREATE DATABASE {name} WITH TEMPLATE = template0{with}")
    }

    async fn locale(&self, session: &mut Session) -> Result<String, Failure> {
        let sql = format!(
            "SELECT datcollate FROM pg_catalog.pg_database WHERE datname = {}",
            literal(&self.name)
        );
        let rows = session.query(&sql).await?;
        Ok(rows.into_iter().flatten().flatten().next().unwrap_or_default())
    }

    /// Makes a role without special rights the owner, and what a role without special rights
    /// cannot make: extensions, and the schemas they are in. From now on
    /// [`DatabaseAccess::secret`] gives that role, unless the archive has what only a superuser
    /// can restore. Returns the entries that need not be restored any more. It is for a server
    /// of our own.
    pub(super) async fn prepare(
        &self,
        postgres: &Postgres,
        session: &mut Session,
        toc: &Toc,
        needs: &Needs,
    ) -> Result<BTreeSet<i32>> {
        let mut inside = self::session(&postgres.endpoint(&self.secret().await?)?).await?;
        let role = identifier(&self.name);
        let password = random(16)?;
        for statement in making_owner(&role, &password, needs) {
            session.execute(&statement).await.map_err(Error::from)?;
        }
        inside
            .execute(&format!("ALTER SCHEMA public OWNER TO {role}"))
            .await
            .map_err(Error::from)?;
        let made = make_extensions(&mut inside, toc, &role).await?;
        let entries = privileges::Server::ask(&mut inside).await?.superusers_entries(toc);
        inside.close().await;
        if entries.is_empty() {
            tracing::info!("restoring as a role that is no superuser");
            let _ = self.role.set(Hidden::from(password));
        } else {
            tracing::warn!(
                count = entries.len(),
                entries = entries.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "),
                "restoring as superuser, since only that can restore these entries"
            );
        }
        Ok(made)
    }

    /// Makes the schemas that a backup of chosen tables is in, owned by whoever restores.
    pub(super) async fn make_schemas(&self, postgres: &Postgres, needs: &Needs) -> Result<()> {
        if needs.schemas.is_empty() {
            return Ok(());
        }
        let mut inside = self::session(&postgres.endpoint(&self.secret().await?)?).await?;
        for schema in &needs.schemas {
            let statement = format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(schema));
            inside.execute(&statement).await.map_err(Error::from)?;
        }
        inside.close().await;
        Ok(())
    }

    /// Drops it, whoever is connected to it. What goes wrong is logged.
    pub(super) async fn remove(&self, postgres: &Postgres) {
        if let Err(error) = self.try_to_remove(postgres).await {
            tracing::error!(
                database = self.name,
                what = error.what(),
                "the database that was made for the verification could not be dropped"
            );
        }
    }

    async fn try_to_remove(&self, postgres: &Postgres) -> Result<()> {
        let mut session = self.beside(postgres).await?;
        let version = session.parameter("server_version").and_then(major).unwrap_or_default();
        let force = if version >= FORCE { " WITH (FORCE)" } else { "" };
        let drop = format!("DROP DATABASE IF EXISTS {}{force}", identifier(&self.name));
        let end = format!(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
             WHERE datname = {}",
            literal(&self.name)
        );
        let mut attempt = 1;
        while let Err(failure) = session.execute(&drop).await {
            if failure.is_lost() || attempt >= DROPS {
                return Err(failure.into());
            }
            tracing::debug!(what = %failure, "it cannot be dropped yet");
            attempt += 1;
            let _ = session.query(&end).await;
            sleep(BETWEEN_DROPS).await;
        }
        session.close().await;
        Ok(())
    }
}

/// Statements that make a role the owner of the database that bears its name. All tables are its
/// own, and those that force row-level security are read whole.
fn making_owner(role: &str, password: &str, needs: &Needs) -> Vec<String> {
    let mut statements = vec![
        format!("CREATE ROLE {role} LOGIN BYPASSRLS PASSWORD {}", literal(password)),
        format!("ALTER DATABASE {role} OWNER TO {role}"),
        "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC".to_owned(),
    ];
    for tablespace in &needs.tablespaces {
        statements.push(format!("GRANT CREATE ON TABLESPACE {} TO {role}", identifier(tablespace)));
    }
    statements
}

/// Makes what an archive needs and does not bring along, on a server of our own.
pub(super) async fn furnish(server: &Server, session: &mut Session, needs: &Needs) -> Result<()> {
    for role in &needs.roles {
        let statement = format!("CREATE ROLE {}", identifier(role));
        session.execute(&statement).await.map_err(Error::from)?;
    }
    for (number, tablespace) in needs.tablespaces.iter().enumerate() {
        let directory = server.make_directory(&format!("tablespace-{number}"))?;
        let statement = format!(
            "CREATE TABLESPACE {} LOCATION {}",
            identifier(tablespace),
            literal(&directory.display().to_string())
        );
        session.execute(&statement).await.map_err(Error::from)?;
    }
    Ok(())
}
