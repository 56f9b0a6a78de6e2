//! A database of our own on a server, to restore into.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::{Hidden, SecretValue};
use autodump_core::{Error, Result};
use tokio::time::sleep;

use super::needs::{Needs, identifier, schema_of_extension};
use super::privileges;
use super::programs::random;
use super::server::Server;
use super::{major, unverified};
use crate::engine::Postgres;
use crate::engine::postgres::restoring::literal;
use crate::engine::postgres::toc::{Entry, Toc};
use crate::engine::postgres::verifying::session;
use crate::engine::postgres::wire::{Failure, Session};

/// How often a database is tried to be dropped to which somebody is still connected.
const DROPS: u32 = 20;
const BETWEEN_DROPS: Duration = Duration::from_millis(250);

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
        let name = identifier(&self.name);
        let version = major(session.parameter("server_version").unwrap_or_default());
        let create = |with: &str| format!("CREATE DATABASE {name} WITH TEMPLATE = template0{with}");
        let dumped = properties(toc).map(|with| understood_by(version, with));
        if let Some(with) = &dumped {
            match session.execute(&create(with)).await {
                Ok(()) => {
                    tracing::info!(properties = with.trim(), "restoring into a database like it");
                    return Ok(None);
                }
                Err(failure) if failure.is_lost() => return Err(failure.into()),
                Err(failure) => tracing::warn!(
                    properties = with.trim(),
                    what = %failure,
                    "the server has not the locale of the database"
                ),
            }
        }
        let encoding = if toc.encoding() == Some("SQL_ASCII") { "SQL_ASCII" } else { "UTF8" };
        let own = format!(" ENCODING = '{encoding}'");
        let plain = format!("{own} LC_COLLATE = 'C' LC_CTYPE = 'C'");
        let made = match session.execute(&create(&own)).await {
            Err(failure) if !failure.is_lost() => session.execute(&create(&plain)).await,
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
        // All tables are its own, and those that force row-level security are read whole.
        let mut statements =
            vec![format!("CREATE ROLE {role} LOGIN BYPASSRLS PASSWORD {}", literal(&password))];
        statements.push(format!("ALTER DATABASE {role} OWNER TO {role}"));
        statements.push("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC".to_owned());
        for tablespace in &needs.tablespaces {
            statements
                .push(format!("GRANT CREATE ON TABLESPACE {} TO {role}", identifier(tablespace)));
        }
        for statement in &statements {
            session.execute(statement).await.map_err(Error::from)?;
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

    /// Drops it, whoever is connected to it. What goes wrong is logged.
    pub(super) async fn remove(&self, postgres: &Postgres) {
        let name = identifier(&self.name);
        let removed = async {
            let mut session = self.beside(postgres).await?;
            let major = major(session.parameter("server_version").unwrap_or_default());
            let force = if major >= FORCE { " WITH (FORCE)" } else { "" };
            let drop = format!("DROP DATABASE IF EXISTS {name}{force}");
            let end = format!(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
                 WHERE datname = {}",
                literal(&self.name)
            );
            let mut attempt = 1;
            loop {
                match session.execute(&drop).await {
                    Ok(()) => break,
                    Err(failure) if failure.is_lost() || attempt >= DROPS => {
                        return Err(failure.into());
                    }
                    Err(failure) => tracing::debug!(what = %failure, "it cannot be dropped yet"),
                }
                attempt += 1;
                let _ = session.query(&end).await;
                sleep(BETWEEN_DROPS).await;
            }
            session.close().await;
            Ok::<_, Error>(())
        };
        if let Err(error) = removed.await {
            tracing::error!(
                database = self.name,
                what = error.what(),
                "the database that was made for the verification could not be dropped"
            );
        }
    }
}

/// The first version that ends the connections to a database that is dropped.
const FORCE: u32 = 13;
/// How many entries the log names.
const NAMED: usize = 10;

/// Makes the extensions of an archive, and the schemas they are in, in which `role` may do as it
/// could as their owner. Returns the entries of these.
async fn make_extensions(session: &mut Session, toc: &Toc, role: &str) -> Result<BTreeSet<i32>> {
    let mut made = BTreeSet::new();
    for entry in toc.entries.iter().filter(|entry| entry.is("EXTENSION")) {
        let Some(schema) = schema_of_extension(entry) else { continue };
        let its_schema = |other: &&_| is_schema(other, &schema);
        if let Some(found) = toc.entries.iter().find(its_schema)
            && made.insert(found.dump_id)
        {
            // `public` is there already.
            let statement =
                format!("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {role}", identifier(&schema));
            session.execute(&statement).await.map_err(Error::from)?;
        }
        let name = entry.name();
        let (quoted, schema) = (identifier(&name), identifier(&schema));
        let statement = format!("CREATE EXTENSION IF NOT EXISTS {quoted} WITH SCHEMA {schema}");
        session.execute(&statement).await.map_err(|failure| {
            if failure.is_lost() {
                return Error::from(failure);
            }
            unverified(format!("extension {name} cannot be made here: {failure}"))
        })?;
        made.insert(entry.dump_id);
    }
    let rows = session.query(&GRANTS.replace("ROLE", &literal(role))).await.map_err(Error::from)?;
    for grant in rows.into_iter().flatten().flatten() {
        session.execute(&grant).await.map_err(Error::from)?;
    }
    Ok(made)
}

fn is_schema(entry: &Entry, name: &str) -> bool {
    entry.is("SCHEMA") && entry.name() == name
}

/// Statements that let a role use what extensions have made: a dump has rows of their tables, and
/// servers for their foreign data wrappers. `search_path` is empty.
const GRANTS: &str = "
    SELECT pg_catalog.format(g.what, g.name, ROLE) FROM (
        SELECT CASE c.relkind WHEN 'S' THEN 'GRANT SELECT, UPDATE, USAGE ON SEQUENCE %s TO %s'
            ELSE 'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE %s TO %s' END, d.classid, c.oid,
            pg_catalog.format('%I.%I', n.nspname, c.relname)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_depend d ON d.objid = c.oid
        AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        WHERE c.relkind IN ('r', 'p', 'S') AND d.deptype = 'e'
      UNION ALL
        SELECT 'GRANT USAGE, CREATE ON SCHEMA %s TO %s', d.classid, n.oid,
            pg_catalog.quote_ident(n.nspname)
        FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_depend d ON d.objid = n.oid
        AND d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass WHERE d.deptype = 'e'
      UNION ALL
        SELECT 'GRANT USAGE ON FOREIGN DATA WRAPPER %s TO %s', d.classid, w.oid,
            pg_catalog.quote_ident(w.fdwname)
        FROM pg_catalog.pg_foreign_data_wrapper w JOIN pg_catalog.pg_depend d ON d.objid = w.oid
        AND d.classid = 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass
        WHERE d.deptype = 'e'
    ) g (what, classid, oid, name)";

/// What follows the template where `pg_dump` makes the database again.
fn properties(toc: &Toc) -> Option<&str> {
    let entry = toc.entries.iter().find(|entry| entry.is("DATABASE"))?;
    let statement = std::str::from_utf8(entry.defn.as_deref()?).ok()?;
    let (_, properties) = statement.rsplit_once(" WITH TEMPLATE = template0")?;
    let (properties, _) = properties.rsplit_once(';')?;
    if properties.contains([';', '"']) {
        return None;
    }
    Some(properties.split_once(" TABLESPACE = ").map_or(properties, |(some, _)| some))
}

/// The same in the words of a server of this version: `pg_dump` may be newer.
fn understood_by(version: u32, properties: &str) -> String {
    let mut properties = properties.to_owned();
    if version < 15 {
        properties = properties.replace(" LOCALE_PROVIDER = libc", "");
    }
    let locale = properties.split_once(" LOCALE = '").and_then(|(before, rest)| {
        let (locale, after) = rest.split_once('\'')?;
        Some(format!("{before} LC_COLLATE = '{locale}' LC_CTYPE = '{locale}'{after}"))
    });
    if version < 13 { locale.unwrap_or(properties) } else { properties }
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

/// Refuses an archive that needs extensions which the server does not have.
pub(super) async fn check_extensions(session: &mut Session, needs: &Needs) -> Result<()> {
    let rows = session
        .query("SELECT name FROM pg_catalog.pg_available_extensions")
        .await
        .map_err(Error::from)?;
    let available: Vec<_> = rows.into_iter().flatten().flatten().collect();
    let missing: Vec<_> =
        needs.extensions.iter().filter(|name| !available.contains(name)).cloned().collect();
    match missing.as_slice() {
        [] => Ok(()),
        [one] => Err(unverified(format!("extension {one} is not available here"))),
        some => Err(unverified(format!("extensions {} are not available here", some.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::postgres::toc::{Header, Section, Version};

    fn toc(defn: &str) -> Toc {
        let header = Header {
            version: Version::V1_14,
            compression: -1,
            created: [0; 7],
            database: None,
            server_version: None,
            client_version: None,
        };
        let entry = Entry {
            dump_id: 1,
            had_dumper: false,
            catalogue: 1262,
            oid: 1,
            tag: Some(b"app".to_vec()),
            desc: Some(b"DATABASE".to_vec()),
            section: Section::PreData,
            defn: Some(defn.as_bytes().to_vec()),
            drop_stmt: None,
            copy_stmt: None,
            namespace: None,
            tablespace: None,
            tableam: None,
            relkind: 0,
            owner: None,
            with_oids: None,
            dependencies: Vec::new(),
            file_name: None,
        };
        Toc { header, entries: vec![entry] }
    }

    #[test]
    fn the_database_is_made_as_it_was_but_for_name_and_tablespace() {
        let locale = " ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'de_DE.UTF-8'";
        for defn in [
            format!("CREATE DATABASE app WITH TEMPLATE = template0{locale};\n"),
            format!(
                "CREATE DATABASE \"a b; c\" WITH TEMPLATE = template0{locale} TABLESPACE = y;\n"
            ),
        ] {
            assert_eq!(properties(&toc(&defn)), Some(locale), "{defn}");
        }
        for defn in [
            "",
            "CREATE DATABASE app;\n",
            "CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8'; DROP TABLE x;\n",
        ] {
            assert_eq!(properties(&toc(defn)), None, "{defn}");
        }
        for (version, expected) in [
            (15, locale),
            (13, " ENCODING = 'UTF8' LOCALE = 'de_DE.UTF-8'"),
            (12, " ENCODING = 'UTF8' LC_COLLATE = 'de_DE.UTF-8' LC_CTYPE = 'de_DE.UTF-8'"),
        ] {
            assert_eq!(understood_by(version, locale), expected);
        }
        assert_eq!(understood_by(12, " ENCODING = 'UTF8'"), " ENCODING = 'UTF8'");
    }
}
