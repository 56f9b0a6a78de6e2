//! What a verification needs of this engine: its programs, and how rows are read.

use std::collections::BTreeSet;
use std::path::PathBuf;

use autodump_core::options::Selection;
use autodump_core::{Error, Result};

use crate::engine::Postgres;
use crate::engine::postgres::catalog::{self, Table};
use crate::engine::postgres::leader;
use crate::engine::postgres::wire::{Endpoint, Session};

impl Postgres {
    /// Where programs are looked for.
    pub(super) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }
}

/// A session with the settings under which rows are dumped.
pub(super) async fn session(endpoint: &Endpoint) -> Result<Session> {
    leader::session(endpoint).await.map_err(Error::from)
}

/// A table whose rows can be read as a dump reads them.
#[derive(Debug, Clone)]
pub(super) struct Readable(Table);

/// All tables of a database, but those of extensions.
pub(super) async fn tables(session: &mut Session, major: u32) -> Result<Vec<Readable>> {
    let names = catalog::list(session, &Selection::default(), major).await.map_err(Error::from)?;
    let tables = catalog::details(session, &names, major).await.map_err(Error::from)?;
    Ok(tables.into_iter().map(Readable).collect())
}

/// Schema and name of each table of a database whose rows have floating-point numbers in them:
/// also within arrays, ranges, domains, composite and geometric types. Of types that extensions
/// bring it is not known, and believed.
pub(super) async fn tables_with_floats(
    session: &mut Session,
) -> Result<BTreeSet<(String, String)>> {
    tables_with(session, FLOATS).await
}

/// The same of amounts of money, which are written by `lc_monetary`.
pub(super) async fn tables_with_money(session: &mut Session) -> Result<BTreeSet<(String, String)>> {
    tables_with(session, MONEY).await
}

/// `condition` is one on a type `t`.
async fn tables_with(session: &mut Session, condition: &str) -> Result<BTreeSet<(String, String)>> {
    let sql = format!("{TABLES_BY_TYPE}{condition}");
    let rows = session.query(&sql).await.map_err(Error::from)?;
    let read = |row: Vec<Option<String>>| {
        let [schema, name] = <[_; 2]>::try_from(row).ok()?;
        schema.zip(name)
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// 700 and 701 are `float4` and `float8`; the elements of `point`, `lseg` and `box` lead there;
/// 602, 604, 628 and 718 are `path`, `polygon`, `line` and `circle`.
const FLOATS: &str = "t.oid IN (700, 701, 602, 604, 628, 718) OR (t.typtype = 'b' \
    AND t.typelem = 0 AND t.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace)";
const MONEY: &str = "t.oid = 'pg_catalog.money'::pg_catalog.regtype";

/// `search_path` is empty. A condition on the type `t` of a part of the rows follows.
const TABLES_BY_TYPE: &str = "
    WITH RECURSIVE part (relation, type) AS (
        SELECT c.oid, a.atttypid FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND a.attnum > 0 AND NOT a.attisdropped
      UNION
        SELECT p.relation, i.type FROM part p
        JOIN pg_catalog.pg_type t ON t.oid = p.type
        CROSS JOIN LATERAL (
            SELECT t.typelem UNION ALL SELECT t.typbasetype
            UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid
            UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0
            AND NOT a.attisdropped
        ) i (type) WHERE i.type <> 0
    )
    SELECT DISTINCT n.nspname, c.relname FROM part p
    JOIN pg_catalog.pg_type t ON t.oid = p.type
    JOIN pg_catalog.pg_class c ON c.oid = p.relation
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE ";

impl Readable {
    pub(super) fn schema(&self) -> &str {
        &self.0.name.schema
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name.table
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Statements that together read all rows, of these columns and in their order (quoted and
    /// separated; empty when there is none), each of them about `size` bytes on disk.
    pub(super) fn statements(&self, columns: &str, size: u64) -> Vec<String> {
        let table = Table { columns: columns.to_owned(), ..self.0.clone() };
        if !table.has_ranges || columns.is_empty() || table.bytes <= size {
            return vec![table.copy_all()];
        }
        let parts = (table.bytes / size).clamp(1, table.pages.max(1));
        let firsts = (0..parts).map(|part| part * table.pages / parts);
        let ends = (1..parts).map(|part| part * table.pages / parts).chain([0]);
        firsts.zip(ends).map(|(first, end)| table.copy_range(first, end)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::postgres::catalog::Name;

    #[test]
    fn large_tables_are_read_in_parts_that_leave_nothing_out() {
        let name = Name {
            oid: 1,
            schema: "s".to_owned(),
            table: "t".to_owned(),
            qualified: "s.t".to_owned(),
            with_rows: true,
        };
        let columns = String::new();
        let table = Table { name, columns, pages: 10, bytes: 300, has_ranges: true };
        let readable = Readable(table.clone());
        let range = |from: u64, until: &str| {
            format!("COPY (SELECT a FROM ONLY s.t WHERE ctid >= '({from},0)'{until}) TO STDOUT")
        };
        let last = range(6, "");
        assert_eq!(
            readable.statements("a", 100),
            [range(0, " AND ctid < '(3,0)'"), range(3, " AND ctid < '(6,0)'"), last]
        );
        assert_eq!(readable.statements("a", 1).len(), 10);
        assert_eq!(readable.statements("a", 300), ["COPY s.t (a) TO STDOUT"]);
        assert_eq!(readable.statements("", 1), ["COPY s.t  TO STDOUT"]);
        let other = Readable(Table { has_ranges: false, ..table });
        assert_eq!(other.statements("a", 1).len(), 1);
    }
}
