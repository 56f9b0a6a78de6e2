//! Amounts of money: they are written by `lc_monetary`, which servers have of different kinds.

use std::collections::BTreeSet;

use autodump_core::{Error, Result};

use crate::engine::postgres::wire::Session;

/// `search_path` is empty. 790 is `money`.
const TABLES_WITH_MONEY: &str = "
    WITH RECURSIVE holds (type) AS (
        SELECT 790::pg_catalog.oid
      UNION
        SELECT i.type FROM holds h
        CROSS JOIN LATERAL (
            SELECT t.oid FROM pg_catalog.pg_type t WHERE h.type IN (t.typelem, t.typbasetype)
            UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngsubtype = h.type
            UNION ALL SELECT c.reltype FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
            WHERE a.atttypid = h.type AND a.attnum > 0 AND NOT a.attisdropped AND c.reltype <> 0
        ) i (type)
    )
    SELECT DISTINCT n.nspname, c.relname FROM holds h
    JOIN pg_catalog.pg_attribute a ON a.atttypid = h.type
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped";

/// Schema and name of each table of a database whose rows have money in them: also within arrays,
/// ranges, domains and composite types.
pub(super) async fn tables_with_money(session: &mut Session) -> Result<BTreeSet<(String, String)>> {
    let rows = session.query(TABLES_WITH_MONEY).await.map_err(Error::from)?;
    let read = |row: Vec<Option<String>>| {
        let [schema, name] = <[_; 2]>::try_from(row).ok()?;
        schema.zip(name)
    };
    Ok(rows.into_iter().filter_map(read).collect())
}
