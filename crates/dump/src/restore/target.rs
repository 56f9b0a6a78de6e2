//! The database that is restored into: what is there, and what is made and dropped there.

use std::collections::BTreeSet;
use std::sync::Arc;

use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass, Result};

use super::contents::{Item, major};
use super::load::NO_TRIGGERS;
use crate::engine::Postgres;
use crate::engine::postgres::restoring::literal;
use crate::engine::postgres::wire::{Failure, Session};

/// The database that is always there.
const MAINTENANCE: &str = "postgres";
/// How much is named of what is in the way.
const NAMED: usize = 5;
const OUT_OF_LOCKS: &str = "53200";
/// The first identifier that is given to what is no part of a new database (`FirstNormalObjectId`
/// in `access/transam.h`).
const FIRST_OF_USERS: u32 = 16_384;
/// Tables that are looked at by one statement.
const TOGETHER: usize = 200;

/// How the database is reached.
pub(super) struct Target<'a, A> {
    pub(super) postgres: &'a Postgres,
    pub(super) access: Arc<A>,
}

impl<A> Clone for Target<'_, A> {
    fn clone(&self) -> Self {
        Self { postgres: self.postgres, access: Arc::clone(&self.access) }
    }
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

/// A name, quoted.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// What users have made in the database, a few by name, and how many things that are. What
/// belongs to an extension is not counted, nor the schema `public`, nor what came with the server.
pub(super) async fn residents(session: &mut Session) -> Result<(Vec<String>, u64)> {
    let user = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";
    let sql = format!(
        "SELECT kind || ' ' || name, count(*) OVER () FROM ( \
         SELECT 2 AS rank, 'schema' AS kind, quote_ident(n.nspname) AS name, n.oid, \
         'pg_namespace'::regclass::oid AS class \
         FROM pg_namespace n WHERE {user} AND n.nspname <> 'public' \
         UNION ALL \
         SELECT 1, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' \
         WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END, \
         quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.oid, \
         'pg_class'::regclass::oid \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE {user} AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' \
         UNION ALL \
         SELECT 3, 'type', quote_ident(n.nspname) || '.' || quote_ident(t.typname), t.oid, \
         'pg_type'::regclass::oid \
         FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
         LEFT JOIN pg_class c ON c.oid = t.typrelid \
         WHERE {user} AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c') \
         UNION ALL \
         SELECT 4, 'function', quote_ident(n.nspname) || '.' || quote_ident(p.proname), p.oid, \
         'pg_proc'::regclass::oid \
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {user} \
         UNION ALL \
         SELECT 5, 'large object', l.oid::text, l.oid, 'pg_largeobject'::regclass::oid \
         FROM pg_largeobject_metadata l \
         UNION ALL {} \
         ) o WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class \
         AND d.objid = o.oid AND d.deptype IN ('e', 'i')) \
         ORDER BY rank, name LIMIT {NAMED}",
        other_residents(user)
    );
    let rows = session.query(&sql).await?;
    let count = rows.first().and_then(|row| row.get(1)?.as_deref()?.parse().ok()).unwrap_or(0);
    Ok((rows.into_iter().filter_map(|row| row.into_iter().next()?).collect(), count))
}

/// What is neither relation nor type nor function: the same columns as in [`residents`].
fn other_residents(user: &str) -> String {
    let in_schemas = [
        ("operator", "pg_operator", "oprname::text", "oprnamespace"),
        ("collation", "pg_collation", "quote_ident(x.collname)", "collnamespace"),
        ("text search configuration", "pg_ts_config", "quote_ident(x.cfgname)", "cfgnamespace"),
        ("text search dictionary", "pg_ts_dict", "quote_ident(x.dictname)", "dictnamespace"),
        ("text search parser", "pg_ts_parser", "quote_ident(x.prsname)", "prsnamespace"),
        ("text search template", "pg_ts_template", "quote_ident(x.tmplname)", "tmplnamespace"),
    ];
    let in_schemas = in_schemas.map(|(kind, catalogue, name, schema)| {
        format!(
            "SELECT 6, '{kind}', quote_ident(n.nspname) || '.' || {name}, x.oid, \
             '{catalogue}'::regclass::oid \
             FROM {catalogue} x JOIN pg_namespace n ON n.oid = x.{schema} WHERE {user}"
        )
    });
    let others = [
        ("publication", "pg_publication", "quote_ident(x.pubname)"),
        ("event trigger", "pg_event_trigger", "quote_ident(x.evtname)"),
        ("foreign server", "pg_foreign_server", "quote_ident(x.srvname)"),
        ("cast", "pg_cast", "x.castsource::regtype || ' AS ' || x.casttarget::regtype"),
    ];
    let others = others.map(|(kind, catalogue, name)| {
        format!(
            "SELECT 7, '{kind}', {name}, x.oid, '{catalogue}'::regclass::oid \
             FROM {catalogue} x WHERE x.oid >= {FIRST_OF_USERS}"
        )
    });
    // Not everybody may read the identifier of a subscription in every version.
    let subscriptions = "SELECT 7, 'subscription', quote_ident(s.subname), 0::oid, 0::oid \
         FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid \
         WHERE d.datname = current_database()";
    let all = in_schemas.into_iter().chain(others).chain([subscriptions.to_owned()]);
    all.collect::<Vec<_>>().join(" UNION ALL ")
}

pub(super) fn not_empty(database: &str, (names, count): &(Vec<String>, u64)) -> Error {
    let more = count.saturating_sub(names.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Error::new(
        ErrorClass::Configuration,
        format!("the database {database} is not empty: it has {}{more}", names.join(", ")),
        "Restore into an empty database, or ask for clean (drops what the backup has too) or \
         allow-non-empty",
    )
}

/// Refuses to load rows into tables that are not there, or that already have some.
pub(super) async fn check_tables(
    session: &mut Session,
    tables: &[(&str, &str)],
    may_have_rows: bool,
) -> Result<()> {
    for tables in tables.chunks(TOGETHER) {
        let names: Vec<_> = tables.iter().map(|(s, t)| literal(&qualified(s, t))).collect();
        let sql = format!(
            "SELECT name FROM unnest(ARRAY[{}]) AS name WHERE to_regclass(name) IS NULL",
            names.join(", ")
        );
        let missing = first_column(session.query(&sql).await?);
        if !missing.is_empty() {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("the database lacks tables of the backup: {}", few(&missing)),
                "Restore the schema first, or choose tables",
            ));
        }
        if may_have_rows {
            continue;
        }
        let looks: Vec<_> = tables
            .iter()
            .map(|(schema, table)| {
                let name = qualified(schema, table);
                format!("SELECT {} WHERE EXISTS (SELECT FROM ONLY {name})", literal(&name))
            })
            .collect();
        let full = first_column(session.query(&looks.join(" UNION ALL ")).await?);
        if !full.is_empty() {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("there are rows already in {}", few(&full)),
                "Empty these tables, or ask for allow-non-empty to add to them",
            ));
        }
    }
    Ok(())
}

fn first_column(rows: Vec<Vec<Option<String>>>) -> Vec<String> {
    rows.into_iter().filter_map(|row| row.into_iter().next()?).collect()
}

/// Refuses to load rows into tables with triggers that fire although triggers are switched off.
pub(super) async fn check_triggers(session: &mut Session, tables: &[(&str, &str)]) -> Result<()> {
    for tables in tables.chunks(TOGETHER) {
        let names: Vec<_> = tables.iter().map(|(s, t)| literal(&qualified(s, t))).collect();
        // In some versions a trigger that a partition has from its parent counts as internal.
        let sql = format!(
            "SELECT quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass FROM pg_trigger t \
             WHERE t.tgenabled IN ('A', 'R') AND (NOT t.tgisinternal OR t.tgconstraint = 0) \
             AND t.tgrelid IN (SELECT to_regclass(name)::oid FROM unnest(ARRAY[{}]) AS name) \
             ORDER BY 1",
            names.join(", ")
        );
        let triggers = first_column(session.query(&sql).await?);
        if !triggers.is_empty() {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!(
                    "triggers are enabled ALWAYS or as REPLICA, and would fire for each row that \
                     is loaded: {}",
                    few(&triggers)
                ),
                "Switch them off until the rows are loaded (ALTER TABLE … DISABLE TRIGGER …), or \
                 choose other tables",
            ));
        }
    }
    Ok(())
}

/// Whether the role may switch triggers and foreign keys off; else why not.
pub(super) async fn may_silence_triggers(session: &mut Session) -> Result<Option<Failure>> {
    match session.execute(NO_TRIGGERS).await {
        Ok(()) => {
            session.execute("RESET session_replication_role").await?;
            Ok(None)
        }
        Err(failure) if failure.is_lost() => Err(failure.into()),
        Err(failure) => Ok(Some(failure)),
    }
}

pub(super) fn few(names: &[String]) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// Which of these are not there. Of kinds that cannot be looked up by name it is believed that
/// they are, unless they need something that is not.
pub(super) async fn missing(session: &mut Session, items: &[&Item]) -> Result<BTreeSet<i32>> {
    let mut missing = BTreeSet::new();
    for items in items.chunks(TOGETHER) {
        let looks: Vec<_> = items.iter().filter_map(|item| look(item)).collect();
        if looks.is_empty() {
            continue;
        }
        let ids = first_column(session.query(&looks.join(" UNION ALL ")).await?);
        missing.extend(ids.iter().filter_map(|id| id.parse::<i32>().ok()));
    }
    let nameless: Vec<_> = items.iter().filter(|item| look(item).is_none()).collect();
    loop {
        let before = missing.len();
        for item in &nameless {
            if item.needs.iter().any(|need| missing.contains(need)) {
                missing.insert(item.id);
            }
        }
        if missing.len() == before {
            return Ok(missing);
        }
    }
}

fn look(item: &Item) -> Option<String> {
    let (id, name) = (item.id, literal(&item.name));
    let relation = literal(&qualified(&item.schema, &item.name));
    let schema = literal(&item.schema);
    let absent = match item.kind.as_str() {
        "SCHEMA" => format!("NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = {name})"),
        "EXTENSION" => format!("NOT EXISTS (SELECT FROM pg_extension WHERE extname = {name})"),
        // `to_regtype` fails for a type that is only a shell.
        "TYPE" | "DOMAIN" | "SHELL TYPE" => format!(
            "NOT EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
             WHERE t.typname = {name} AND n.nspname = {schema})"
        ),
        "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE" | "SEQUENCE" => {
            format!("to_regclass({relation}) IS NULL")
        }
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => {
            let name = item.name.split_once('(').map_or(item.name.as_str(), |(name, _)| name);
            format!(
                "NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
                 WHERE p.proname = {} AND n.nspname = {schema})",
                literal(name)
            )
        }
        _ => return None,
    };
    Some(format!("SELECT {id}::text WHERE {absent}"))
}

/// Whether there is a database of that name.
pub(super) async fn has_database(session: &mut Session, name: &str) -> Result<bool> {
    let sql = format!("SELECT 1 FROM pg_database WHERE datname = {}", literal(name));
    Ok(!session.query(&sql).await?.is_empty())
}

/// Makes the database as the one that was dumped was made, as far as this server can. Returns
/// what is different.
pub(super) async fn create_database(
    session: &mut Session,
    name: &str,
    like: Option<&str>,
) -> Result<Option<String>> {
    let (all, encoding) = properties(like);
    let create = |with: &str| format!("CREATE DATABASE {} TEMPLATE = template0{with}", ident(name));
    let failure = match session.execute(&create(&all)).await {
        Ok(()) => return Ok(None),
        Err(failure) => failure,
    };
    // An unknown locale or provider, or words that this version does not know.
    if all == encoding || !matches!(failure.code(), Some("22023" | "42601" | "0A000")) {
        return Err(failure.into());
    }
    session.execute(&create(&encoding)).await?;
    Ok(Some(format!(
        "the database {name} has this server's own locale, since that of the backup could not be \
         used: {failure}"
    )))
}

/// What follows the template in a `CREATE DATABASE`, without the tablespace; and the encoding
/// alone.
fn properties(like: Option<&str>) -> (String, String) {
    let after = like.and_then(|sql| sql.split_once("TEMPLATE = template0"));
    let Some((_, rest)) = after else { return (String::new(), String::new()) };
    let all = rest.split(';').next().unwrap_or_default();
    let all = all.split(" TABLESPACE = ").next().unwrap_or_default().trim_end().to_owned();
    let encoding = all
        .split_once("ENCODING = '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map_or_else(String::new, |(name, _)| format!(" ENCODING = '{name}'"));
    (all, encoding)
}

/// How the subscriptions of these names that are there are parted from their replication slots,
/// which stay: they are on another server, and somebody may go on by them. Returns statements,
/// and a sentence for each.
pub(super) async fn detach(
    session: &mut Session,
    names: &[&str],
) -> Result<(Vec<String>, Vec<String>)> {
    let (mut statements, mut sentences) = (Vec::new(), Vec::new());
    if names.is_empty() {
        return Ok((statements, sentences));
    }
    let names: Vec<_> = names.iter().map(|name| literal(name)).collect();
    let sql = format!(
        "SELECT s.subname, s.subslotname FROM pg_subscription s \
         JOIN pg_database d ON d.oid = s.subdbid \
         WHERE d.datname = current_database() AND s.subname IN ({}) ORDER BY 1",
        names.join(", ")
    );
    for row in session.query(&sql).await? {
        let mut row = row.into_iter();
        let (Some(Some(name)), slot) = (row.next(), row.next().flatten()) else { continue };
        let quoted = ident(&name);
        statements.push(format!("ALTER SUBSCRIPTION {quoted} DISABLE"));
        if let Some(slot) = slot {
            statements.push(format!("ALTER SUBSCRIPTION {quoted} SET (slot_name = NONE)"));
            sentences.push(format!(
                "the subscription {name} is dropped without its replication slot {slot}, which \
                 stays at the publisher and keeps its log: drop it there if nobody needs it"
            ));
        }
    }
    Ok((statements, sentences))
}

/// Drops by the statements `drops`, after those of `before`: all or none, unless the server has
/// no room for that many locks.
pub(super) async fn drop_all(
    session: &mut Session,
    before: &[String],
    drops: &[String],
) -> Result<()> {
    if drops.is_empty() {
        return Ok(());
    }
    session.execute("BEGIN").await?;
    for statement in before.iter().chain(drops) {
        let Err(failure) = session.execute(statement).await else { continue };
        if failure.code() != Some(OUT_OF_LOCKS) {
            return Err(nothing_dropped(failure));
        }
        session.execute("ROLLBACK").await?;
        return drop_one_by_one(session, before, drops).await;
    }
    match session.execute("COMMIT").await {
        Ok(()) => Ok(()),
        Err(failure) if failure.is_lost() => {
            let what = format!(
                "the connection was lost while what is there was being dropped, and it is not \
                 known whether it was: {failure}"
            );
            let hint = "Look at the database: either everything that the backup has too is gone, \
                        or nothing; restore again with clean if it may be";
            Err(Error::new(ErrorClass::Source, what, hint).caused_by(failure))
        }
        Err(failure) => Err(nothing_dropped(failure)),
    }
}

fn nothing_dropped(failure: Failure) -> Error {
    let what = format!("what is there cannot be dropped: {failure}");
    let error = Error::from(failure);
    let hint = "Drop what depends on it first, or restore into an empty database; nothing was \
                dropped";
    Error::new(error.class(), what, hint).caused_by(error)
}

async fn drop_one_by_one(session: &mut Session, before: &[String], drops: &[String]) -> Result<()> {
    for (statement, done) in before.iter().chain(drops).zip(0_usize..) {
        let Err(failure) = session.execute(statement).await else { continue };
        let done = done.saturating_sub(before.len());
        let unknown = if failure.is_lost() { ", and perhaps one more," } else { "" };
        let what = format!(
            "the server has no room for the locks to drop everything at once, and dropping one \
             by one failed after {done} of {} statements{unknown} were done: {failure}",
            drops.len()
        );
        let error = Error::from(failure);
        let hint = "What these statements drop is gone. Drop what is in the way, and restore again \
                    with clean, which goes on from there";
        return Err(Error::new(error.class(), what, hint).caused_by(error));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_made_like_another() {
        let sql = "CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' \
                   LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8' TABLESPACE = fast;\n\n\n";
        let (all, encoding) = properties(Some(sql));
        assert_eq!(all, " ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8'");
        assert_eq!(encoding, " ENCODING = 'UTF8'");
        assert_eq!(properties(None), (String::new(), String::new()));
        assert_eq!(properties(Some("CREATE DATABASE x;")), (String::new(), String::new()));
    }

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(qualified("a\"b", "c d"), "\"a\"\"b\".\"c d\"");
    }
}
