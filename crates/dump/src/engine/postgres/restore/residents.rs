//! What users have made in the database.

use autodump_core::{Error, ErrorClass, Result};

use super::target::first_column;
use crate::engine::postgres::wire::Session;

/// How many are named.
const NAMED: usize = 5;
/// The first identifier that is given to what is no part of a new database (`FirstNormalObjectId`
/// in `access/transam.h`).
const FIRST_OF_USERS: u32 = 16_384;

/// What is there.
pub(super) struct Residents {
    /// A few of them, by kind and name.
    names: Vec<String>,
    pub(super) count: u64,
}

/// What users have made. What belongs to an extension is not counted, nor the schema `public`, nor
/// what came with the server.
pub(super) async fn residents(session: &mut Session) -> Result<Residents> {
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
    Ok(Residents { names: first_column(rows), count })
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

/// The error about a database that has them.
pub(super) fn not_empty(database: &str, residents: &Residents) -> Error {
    let Residents { names, count } = residents;
    let more = count.saturating_sub(names.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Error::new(
        ErrorClass::Configuration,
        format!("the database {database} is not empty: it has {}{more}", names.join(", ")),
        "Restore into an empty database, or ask for clean (drops what the backup has too) or \
         allow-non-empty",
    )
}
