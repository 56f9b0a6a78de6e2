//! Which tables there are, and what has to be known to read their rows.

use autodump_core::options::Selection;
use autodump_core::pattern::Pattern;

use super::sql::literal;
use super::wire::{Failure, Session};

/// A table whose rows may have to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) table: String,
    /// Schema and name, quoted where needed.
    pub(super) qualified: String,
    /// Its rows are wanted too.
    pub(super) with_rows: bool,
}

/// A table that is locked, as it is in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: Name,
    /// The columns that are dumped, quoted and separated; empty when there is none.
    pub(super) columns: String,
    /// Pages of its main file, none of which is missing although rows are being added.
    pub(super) pages: u64,
    /// Bytes on disk, long values included.
    pub(super) bytes: u64,
    /// Its pages can be read by their numbers.
    pub(super) has_ranges: bool,
}

/// The first version that reads a range of pages without reading all the others.
const RANGES: u32 = 14;
/// The first version with generated columns and with table access methods.
const GENERATED: u32 = 12;

/// Ordinary tables of users that the selection wants, but not those that belong to an
/// extension: what of these is dumped, `pg_dump` knows. Unlogged tables have no rows that can
/// be read on a replica. Sizes are not asked for, since that
/// would wait for locks. Names without schema are looked for as `pg_dump` does, in the user's
/// own search path.
pub(super) async fn list(
    session: &mut Session,
    selection: &Selection,
    major: u32,
) -> Result<Vec<Name>, Failure> {
    session.execute("RESET search_path").await?;
    let rows = session.query(&list_sql(selection, major)).await?;
    session.execute("SET search_path = ''").await?;
    let read = |row: Vec<Option<String>>| {
        let [oid, schema, table, qualified, rows] = <[_; 5]>::try_from(row).ok()?;
        Some(Name {
            oid: oid?.parse().ok()?,
            schema: schema?,
            table: table?,
            qualified: qualified?,
            with_rows: rows? == "t",
        })
    };
    rows.into_iter().map(|row| read(row).ok_or_else(unexpected)).collect()
}

fn list_sql(selection: &Selection, major: u32) -> String {
    let included = if !selection.tables.is_empty() {
        any(&selection.tables, table_fits)
    } else if !selection.schemas.is_empty() {
        any(&selection.schemas, schema_fits)
    } else {
        "true".to_owned()
    };
    // As with pg_dump, what is asked for by name is not excluded by its schema.
    let out_of_schemas = if selection.tables.is_empty() {
        any(&selection.exclude_schemas, schema_fits)
    } else {
        "false".to_owned()
    };
    format!(
        "SELECT c.oid, n.nspname, c.relname, \
         pg_catalog.format('%I.%I', n.nspname, c.relname), \
         NOT ({without_rows}) AND NOT (c.relpersistence OPERATOR(pg_catalog.=) 'u' \
         AND pg_catalog.pg_is_in_recovery()) AND NOT ({movable}) \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE c.relkind OPERATOR(pg_catalog.=) 'r' \
         AND c.relpersistence OPERATOR(pg_catalog.<>) 't' \
         AND n.nspname OPERATOR(pg_catalog.!~) '^pg_' \
         AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema' \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
         WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
         AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.deptype OPERATOR(pg_catalog.=) 'e') \
         AND ({included}) AND NOT ({excluded}) AND NOT ({out_of_schemas}) \
         ORDER BY c.oid",
        without_rows = any(&selection.exclude_table_data, table_fits),
        excluded = any(&selection.exclude_tables, table_fits),
        movable = movable(major),
    )
}

/// Whether rows may belong to another partition once they are restored: those that are
/// distributed by the hash of an enum, which is that of its number in the catalogue. `pg_dump`
/// knows how to dump these, and does it alone.
fn movable(major: u32) -> String {
    let ancestors = match major {
        ..11 => return "false".to_owned(),
        11 => "",
        // An ancestor of this very table.
        _ => {
            "AND p.partrelid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT a.relid \
             FROM pg_catalog.pg_partition_ancestors(c.oid) a (relid)))"
        }
    };
    format!(
        "c.relispartition AND EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p \
         JOIN pg_catalog.pg_opclass o ON o.oid OPERATOR(pg_catalog.=) ANY (p.partclass) \
         JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) o.opcmethod \
         WHERE o.opcname OPERATOR(pg_catalog.=) 'enum_ops' \
         AND m.amname OPERATOR(pg_catalog.=) 'hash' {ancestors})"
    )
}

fn any(patterns: &[Pattern], fits: impl Fn(&Pattern) -> String) -> String {
    if patterns.is_empty() {
        return "false".to_owned();
    }
    patterns.iter().map(fits).collect::<Vec<_>>().join(" OR ")
}

fn table_fits(pattern: &Pattern) -> String {
    let name = format!("c.relname OPERATOR(pg_catalog.~) {}", literal(pattern.name_regex()));
    match pattern.schema_regex() {
        Some(schema) => {
            format!("({name} AND n.nspname OPERATOR(pg_catalog.~) {})", literal(schema))
        }
        None => format!("({name} AND pg_catalog.pg_table_is_visible(c.oid))"),
    }
}

fn schema_fits(pattern: &Pattern) -> String {
    format!("(n.nspname OPERATOR(pg_catalog.~) {})", literal(pattern.name_regex()))
}

/// Columns and sizes of tables that are locked, in the order of their names.
pub(super) async fn details(
    session: &mut Session,
    names: &[Name],
    major: u32,
) -> Result<Vec<Table>, Failure> {
    let (generated, method) = if major >= GENERATED {
        ("AND a.attgenerated OPERATOR(pg_catalog.=) ''", "c.relam")
    } else {
        ("", "0")
    };
    let mut tables = Vec::with_capacity(names.len());
    for names in names.chunks(1000) {
        let oids: Vec<_> = names.iter().map(|name| name.oid.to_string()).collect();
        let sql = format!(
            "SELECT c.oid, \
             (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' \
             ORDER BY a.attnum) FROM pg_catalog.pg_attribute a \
             WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid \
             AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped {generated}), \
             pg_catalog.pg_relation_size(c.oid) \
             OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.int8, \
             pg_catalog.pg_table_size(c.oid), \
             coalesce((SELECT m.amname FROM pg_catalog.pg_am m \
             WHERE m.oid OPERATOR(pg_catalog.=) {method}), 'heap') \
             FROM pg_catalog.pg_class c \
             WHERE c.oid OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.oid[]) ORDER BY c.oid",
            oids.join(",")
        );
        let rows = session.query(&sql).await?;
        if rows.len() != names.len() {
            return Err(unexpected());
        }
        for (name, row) in names.iter().zip(rows) {
            tables.push(table(name, row, major).ok_or_else(unexpected)?);
        }
    }
    Ok(tables)
}

fn table(name: &Name, row: Vec<Option<String>>, major: u32) -> Option<Table> {
    let [oid, columns, pages, bytes, method] = <[_; 5]>::try_from(row).ok()?;
    if oid?.parse() != Ok(name.oid) {
        return None;
    }
    Some(Table {
        name: name.clone(),
        columns: columns.unwrap_or_default(),
        pages: pages?.parse().ok()?,
        bytes: bytes?.parse().ok()?,
        has_ranges: major >= RANGES && method? == "heap",
    })
}

fn unexpected() -> Failure {
    Failure::Protocol("the catalogue gave an answer of another form than asked for".to_owned())
}

/// The most that one statement may have in bytes.
const STATEMENT: usize = 100_000;

/// Statements that lock tables against changes of their definition without waiting.
pub(super) fn lock_statements<'a>(names: impl IntoIterator<Item = &'a Name>) -> Vec<String> {
    let mut statements = Vec::new();
    let mut list = String::new();
    for name in names {
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str("ONLY ");
        list.push_str(&name.qualified);
        if list.len() > STATEMENT {
            statements.push(std::mem::take(&mut list));
        }
    }
    if !list.is_empty() {
        statements.push(list);
    }
    statements
        .into_iter()
        .map(|list| format!("LOCK TABLE {list} IN ACCESS SHARE MODE NOWAIT"))
        .collect()
}

impl Table {
    /// What `pg_restore` gives to the server before the rows.
    pub(super) fn copy_statement(&self) -> String {
        format!("COPY {} {} FROM stdin;\n", self.name.qualified, self.column_list())
    }

    fn column_list(&self) -> String {
        if self.columns.is_empty() { String::new() } else { format!("({})", self.columns) }
    }

    /// Reads the rows on the pages from `first` to before `end` (0: to the last one there is).
    pub(super) fn copy_range(&self, first: u64, end: u64) -> String {
        let until = if end == 0 { String::new() } else { format!(" AND ctid < '({end},0)'") };
        format!(
            "COPY (SELECT {} FROM ONLY {} WHERE ctid >= '({first},0)'{until}) TO STDOUT",
            self.columns, self.name.qualified
        )
    }

    /// Reads all rows.
    pub(super) fn copy_all(&self) -> String {
        format!("COPY {} {} TO STDOUT", self.name.qualified, self.column_list())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(oid: u32, qualified: &str) -> Name {
        Name {
            oid,
            schema: "public".to_owned(),
            table: qualified.to_owned(),
            qualified: qualified.to_owned(),
            with_rows: true,
        }
    }

    #[test]
    fn locks_are_taken_in_statements_of_bearable_length() {
        let names: Vec<_> = (0..20_000).map(|n| name(n, &format!("public.table_{n:05}"))).collect();
        let statements = lock_statements(&names);
        assert!(statements.len() > 3 && statements.iter().all(|s| s.len() < STATEMENT + 200));
        let tables: usize = statements.iter().map(|s| s.matches("ONLY ").count()).sum();
        assert_eq!(tables, 20_000);
        assert!(lock_statements(&[]).is_empty());
    }

    #[test]
    fn statements_fit_tables_with_and_without_columns() {
        let table = |columns: &str| Table {
            name: name(1, "public.t"),
            columns: columns.to_owned(),
            pages: 3,
            bytes: 24_576,
            has_ranges: true,
        };
        let (some, none) = (table("a, \"B\""), table(""));
        assert_eq!(some.copy_statement(), "COPY public.t (a, \"B\") FROM stdin;\n");
        assert_eq!(none.copy_statement(), "COPY public.t  FROM stdin;\n");
        assert_eq!(
            some.copy_range(1, 2),
            "COPY (SELECT a, \"B\" FROM ONLY public.t WHERE ctid >= '(1,0)' AND ctid < '(2,0)') \
             TO STDOUT"
        );
        assert!(some.copy_range(2, 0).ends_with("WHERE ctid >= '(2,0)') TO STDOUT"));
        assert_eq!(none.copy_all(), "COPY public.t  TO STDOUT");
    }

    #[test]
    fn a_selection_becomes_conditions_and_cannot_break_out_of_them() {
        let everything = list_sql(&Selection::default(), 15);
        assert!(everything.contains("AND (true) AND NOT (false) AND NOT (false)"));
        let selection = Selection {
            tables: vec![Pattern::table("app.\"o'x\"").unwrap()],
            exclude_schemas: vec![Pattern::schema("app").unwrap()],
            ..Selection::default()
        };
        let sql = list_sql(&selection, 15);
        assert!(sql.contains("'^(o\\''x)$'"), "{sql}");
        assert!(sql.contains("AND NOT (false) AND NOT (false) ORDER"), "{sql}");
    }
}
