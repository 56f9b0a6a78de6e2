//! What of a backup is not in the database.

use std::collections::BTreeSet;

use autodump_core::Result;

use super::contents::Item;
use super::names::qualified;
use super::target::{TOGETHER, first_column};
use crate::engine::postgres::sql::literal;
use crate::engine::postgres::wire::Session;

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

/// The query for its identifier, which has a row if it is not there; none for kinds that cannot be
/// looked up by name.
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
