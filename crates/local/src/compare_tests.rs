use super::*;
use crate::postgres::{Options, fixtures, installed};

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_difference_is_shown_and_nothing_is_not_equal_to_nothing() {
    assert!(assert_equal(&lines("a|1\nb|2"), &lines("a|1\nb|2")).is_ok());
    let error = assert_equal(&lines("a|1\nb|2"), &lines("a|1\nb|3")).unwrap_err().to_string();
    assert!(error.contains("- b|2") && error.contains("+ b|3"), "{error}");
    assert!(assert_equal(&[], &[]).is_err());
}

#[test]
fn a_line_too_many_and_another_order_are_differences() {
    let error = assert_equal(&lines("a\nb"), &lines("a\nb\nb")).unwrap_err().to_string();
    assert!(error.contains("+ b"), "{error}");
    let error = assert_equal(&lines("a\nb"), &lines("b\na")).unwrap_err().to_string();
    assert!(error.contains("order: a is b"), "{error}");
}

#[test]
fn the_order_of_columns_and_the_lines_of_a_run_are_no_difference() {
    let one =
        normalised("\\restrict abc\nCREATE TABLE a.t (\n    b int,\n    a text\n);\nCREATE VIEW v");
    let other = normalised(
        "CREATE TABLE a.t (\n    a text,\n    b int\n);\nCREATE VIEW v\n\\unrestrict abc",
    );
    assert_eq!(one, other);
    assert_eq!(one, lines("CREATE TABLE a.t (\n    a text\n    b int\n);\nCREATE VIEW v"));
    assert_ne!(one, normalised("CREATE TABLE a.t (\n    a text\n);\nCREATE VIEW v"));
}

/// The proof that the comparison can be believed: what `pg_dump` and `pg_restore` carry is equal.
#[test]
fn what_pg_dump_carries_is_equal_on_every_version() {
    for bin in installed().into_iter().filter(|bin| bin.join("pg_restore").exists()) {
        let server =
            Postgres::start(&Options { bin: Some(bin.clone()), ..Options::default() }).unwrap();
        fixtures::exotic(&server, "the source").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("archive");
        let dumped = server
            .client("pg_dump")
            .args([
                "--format=directory",
                "--jobs=2",
                "--compress=1",
                "--dbname",
                "the source",
                "--file",
            ])
            .arg(&archive)
            .output()
            .unwrap();
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        restore(&server, &archive, "restored").unwrap();
        let source = fingerprint(&server, "the source").unwrap();
        let equal = assert_equal(&source, &fingerprint(&server, "restored").unwrap());
        equal.unwrap_or_else(|error| panic!("{}: {error:#}", bin.display()));
        let schema = schema_text(&server, "the source").unwrap();
        let equal = assert_equal(&schema, &schema_text(&server, "restored").unwrap());
        equal.unwrap_or_else(|error| panic!("{}: {error:#}", bin.display()));
        assert!(source.len() > 600 && schema.len() > 2_000 && content(&source).len() > 60);
    }
}

/// A change, and how the lines begin in which it shows.
const CHANGES: &[(&str, &str)] = &[
    ("UPDATE exotic.texts SET value = value || ' ' WHERE id = 9", "rows"),
    ("UPDATE exotic.texts SET value = NULL WHERE id = 1", "rows"),
    ("DELETE FROM exotic.no_columns WHERE ctid = '(0,1)'", "rows"),
    ("UPDATE exotic.numbers SET f8 = 0 WHERE id = 3", "rows"),
    (
        "UPDATE exotic.toasted SET plain_bytes = set_byte(plain_bytes, 2999999, 7) WHERE id = 1001",
        "rows",
    ),
    ("INSERT INTO exotic.measured VALUES (1, 'de', '2030-01-01', 1)", "rows"),
    ("REFRESH MATERIALIZED VIEW exotic.not_populated", "rows"),
    ("SELECT nextval('exotic.cycled')", "sequence"),
    ("SELECT setval('exotic.set_not_called', 4711, true)", "sequence"),
    ("ALTER SEQUENCE exotic.untouched CACHE 4", "sequence definition"),
    ("SELECT lo_put(70003, 1000000, 'x')", "large object"),
    ("SELECT lo_unlink(70002)", "large object"),
    ("ALTER TABLE exotic.secured DISABLE ROW LEVEL SECURITY", "relation"),
    ("ALTER TABLE exotic.forced NO FORCE ROW LEVEL SECURITY", "relation"),
    ("ALTER TABLE exotic.unlogged_table SET LOGGED", "relation"),
    ("ALTER TABLE exotic.stored SET (fillfactor = 41)", "relation"),
    ("ALTER TABLE exotic.stored SET (toast.autovacuum_enabled = true)", "relation"),
    ("ALTER TABLE exotic.grandchild NO INHERIT exotic.child", "relation"),
    ("ALTER TABLE exotic.by_expression DETACH PARTITION exotic.by_expression_0", "relation"),
    ("GRANT INSERT ON exotic.texts TO exotic_reader", "relation"),
    ("ALTER TABLE exotic.toasted ALTER external SET STORAGE EXTENDED", "column"),
    ("ALTER TABLE exotic.toasted ALTER extended SET STATISTICS 501", "column"),
    ("ALTER TABLE exotic.identities ALTER default_id SET GENERATED ALWAYS", "column"),
    ("ALTER TABLE exotic.dropped ALTER c SET DEFAULT 6", "column"),
    ("ALTER TABLE exotic.generated ALTER area DROP EXPRESSION", "column"),
    ("REVOKE SELECT (id) ON exotic.constrained FROM \"Exotic \"\"writer\"\" ü\"", "column"),
    ("ALTER TYPE exotic.point3 ADD ATTRIBUTE w text CASCADE", "column"),
    (
        "CREATE OR REPLACE VIEW exotic.plain_view AS SELECT id, value FROM exotic.texts WHERE id < 21",
        "view",
    ),
    ("DROP INDEX exotic.summary", "index"),
    ("ALTER TABLE exotic.stored SET WITHOUT CLUSTER", "index"),
    ("ALTER TABLE exotic.constrained VALIDATE CONSTRAINT not_valid_but_true", "constraint"),
    ("ALTER TABLE exotic.constrained DROP CONSTRAINT no_overlap", "constraint"),
    ("ALTER DOMAIN exotic.positive RENAME CONSTRAINT not_yet_checked TO checked", "constraint"),
    ("ALTER TABLE exotic.egg ALTER CONSTRAINT egg_hen_fkey NOT DEFERRABLE", "constraint"),
    ("ALTER TABLE exotic.hen ENABLE TRIGGER \"is off\"", "trigger"),
    ("ALTER TABLE exotic.upper ENABLE RULE switched_off", "rule"),
    ("ALTER POLICY own_rows ON exotic.secured USING (true)", "policy"),
    ("ALTER POLICY own_rows ON exotic.secured TO exotic_reader", "policy"),
    ("DROP STATISTICS exotic.\"Stat ü\"", "statistics"),
    ("ALTER TYPE exotic.mood RENAME VALUE 'sad' TO 'bad'", "type"),
    ("ALTER DOMAIN exotic.small_positive SET DEFAULT 8", "type"),
    ("ALTER FUNCTION exotic.add_up(int, int, int[]) COST 8", "function"),
    ("GRANT EXECUTE ON FUNCTION exotic.pairs(int) TO PUBLIC", "function"),
    ("ALTER PUBLICATION some_tables SET (publish = 'truncate')", "publication"),
    ("ALTER PUBLICATION some_tables DROP TABLE exotic.texts", "published table"),
    ("ALTER EVENT TRIGGER \"is off\" ENABLE ALWAYS", "event trigger"),
    ("ALTER SERVER nowhere OPTIONS (SET host 'elsewhere')", "foreign server"),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA exotic REVOKE SELECT ON TABLES FROM exotic_reader",
        "default grants",
    ),
    ("COMMENT ON POLICY own_rows ON exotic.secured IS 'another'", "comment"),
    ("COMMENT ON COLUMN exotic.texts.value IS NULL", "comment"),
    ("DROP EXTENSION IF EXISTS btree_gist CASCADE; CREATE SCHEMA another", "schema"),
];

#[test]
fn each_single_change_is_seen() {
    if installed().is_empty() {
        eprintln!("SKIPPED: no PostgreSQL server is installed");
        return;
    }
    let server = Postgres::start(&Options::default()).unwrap();
    fixtures::exotic(&server, "changed").unwrap();
    let mut before = fingerprint(&server, "changed").unwrap();
    let mut unseen = Vec::new();
    for (change, kind) in CHANGES {
        if let Err(error) = server.sql("changed", change) {
            unseen.push(format!("{change}: {error:#}"));
        }
        let after = fingerprint(&server, "changed").unwrap();
        let shown = difference(&before, &after);
        let start = format!(" [\"{kind}\", ");
        if !shown.iter().any(|line| line[1..].starts_with(&start)) {
            unseen.push(format!("{change}: {shown:#?}"));
        }
        before = after;
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
    let schema = schema_text(&server, "changed").unwrap();
    server.sql("changed", "COMMENT ON SCHEMA another IS 'seen'").unwrap();
    let shown = difference(&schema, &schema_text(&server, "changed").unwrap());
    assert!(shown.iter().any(|line| line.contains("'seen'")), "{shown:#?}");
}
