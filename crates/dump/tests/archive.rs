//! Archives made of `pg_dump`'s own `toc.dat` and data files of ours, restored by the stock
//! `pg_restore` of every PostgreSQL that is there.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::process::Output;

use autodump_core::compression::{Algorithm, Compression};
use autodump_dump::codec::{Decoder, Encoder, algorithm_of, extension};
use autodump_dump::engine::postgres::toc::{Entry, FILE_NAME, TableData, Toc};
use autodump_dump::rows::{RowDigest, RowScanner};
use support::postgres::{Server, has_clients, installed, major, start_in};

const SCHEMA: &str = r#"
    CREATE SCHEMA "Weird ""Sch%ma""";
    CREATE SCHEMA app;
    CREATE TYPE app.mood AS ENUM ('glad', 'sad');
    CREATE TABLE "Weird ""Sch%ma"""."T%ble 1" (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        "n%me, x" text, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
    INSERT INTO "Weird ""Sch%ma"""."T%ble 1" ("n%me, x", n)
        SELECT E'\\.%\t' || g || E'\n', g FROM generate_series(1, 1000) g;
    CREATE TABLE app.empty (a int);
    CREATE TABLE app.nocols ();
    INSERT INTO app.nocols SELECT FROM generate_series(1, 7);
    CREATE TABLE app.large (id serial PRIMARY KEY, at timestamptz, mood app.mood, a int[],
        note text);
    CREATE INDEX ON app.large (at);
    INSERT INTO app.large (at, mood, a, note)
        SELECT timestamptz '2026-01-01' + g * interval '1 s', 'sad', ARRAY[g, NULL],
            CASE WHEN g % 9 > 0 THEN md5(g::text) || repeat(' and so on', g % 7) END
        FROM generate_series(1, 40000) g;
    CREATE TABLE app.wide (doc text);
    INSERT INTO app.wide SELECT string_agg(md5(g::text), '') FROM generate_series(1, 90000) g;
    INSERT INTO app.wide SELECT repeat('x', 3000000);
    CREATE TABLE app.parent (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE app.part_1 PARTITION OF app.parent
        FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE app.part_rest PARTITION OF app.parent DEFAULT;
    INSERT INTO app.parent SELECT g, date '2026-01-01' + g FROM generate_series(1, 90) g;
    CREATE TABLE app.child (more text) INHERITS (app.empty);
    INSERT INTO app.child VALUES (1, 'one');
    CREATE TABLE app.part_2 (LIKE app.large, FOREIGN KEY (id) REFERENCES app.large);
    INSERT INTO app.part_2 SELECT * FROM app.large LIMIT 10;
    CREATE UNLOGGED TABLE public.parent AS SELECT * FROM app.parent;
    CREATE MATERIALIZED VIEW app.seen AS SELECT count(*) FROM app.large;
    CREATE SEQUENCE app.lone START 5;
    SELECT nextval('app.lone'), nextval('app.lone');
    COMMENT ON TABLE app.empty IS 'of %';
    GRANT SELECT ON app.large TO PUBLIC;
    SELECT lo_from_bytea(4711, decode(repeat('00ff', 100000), 'hex'));
"#;

/// What is compared of the whole database.
const CATALOGUE: &str = "
    SELECT 'lone', last_value, is_called FROM app.lone
    UNION ALL SELECT md5(string_agg(data, '' ORDER BY pageno)), count(*), true FROM pg_largeobject
    UNION ALL SELECT 'seen', count, true FROM app.seen
    UNION ALL SELECT string_agg(indexdef, ',' ORDER BY indexdef), 0, true FROM pg_indexes
        WHERE schemaname !~ '^pg_'";

#[test]
fn pg_restore_takes_our_archives() {
    for bin in installed().iter().filter(|bin| has_clients(bin)) {
        let server = start_in(bin);
        let version = sql(&server, "postgres", "SHOW server_version");
        for (database, letter, compressions) in
            [("utf8", "ä☃", &["none", "gzip", "zstd", "lz4"][..]), ("latin1", "ä", &["gzip"])]
        {
            create(&server, database, database);
            // A `%` of the script is a letter; where one is meant, it stands alone.
            let schema = SCHEMA.replace('%', letter).replace(&format!(" {letter} "), " % ");
            sql(&server, database, &schema);
            let compressions = compressions.iter().map(|name| name.parse().unwrap());
            let done = compressions.filter(|c: &Compression| check(&server, database, *c));
            let done: Vec<_> = done.map(|c| c.to_string()).collect();
            eprintln!("{} {database}: {}", version.trim(), done.join(", "));
            assert!(done.contains(&"gzip:1".to_owned()), "every pg_dump can do that");
        }
    }
}

fn create(server: &Server, database: &str, encoding: &str) {
    let how = format!("TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
    sql(server, "postgres", &format!("CREATE DATABASE {database} {how}"));
}

/// Runs SQL in UTF-8, whatever the database's encoding, and returns what it prints.
fn sql(server: &Server, database: &str, sql: &str) -> String {
    let mut command = server.client("psql");
    command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
    let done = command.env("PGCLIENTENCODING", "UTF8").output().unwrap();
    String::from_utf8(succeeded(&done).to_vec()).unwrap()
}

/// False where this `pg_dump` cannot compress like that. One of 14 takes any word for 0.
fn check(server: &Server, database: &str, compression: Compression) -> bool {
    let newer = matches!(compression.algorithm(), Algorithm::Zstd | Algorithm::Lz4);
    if newer && major(&server.clients().join("pg_dump")) < 16 {
        return false;
    }
    let directory = tempfile::tempdir().unwrap();
    let (reference, ours) = (directory.path().join("reference"), directory.path().join("ours"));
    let option = match compression.algorithm() {
        Algorithm::None => "--compress=0".to_owned(),
        Algorithm::Gzip => format!("--compress={}", compression.level()),
        Algorithm::Zstd | Algorithm::Lz4 => format!("--compress={compression}"),
    };
    let mut options = vec![OsString::from(option)];
    let dumped = pg_dump(server, database, &reference, &options);
    if !dumped.status.success() {
        let said = String::from_utf8_lossy(&dumped.stderr);
        assert!(said.contains("not support compression"), "{said}");
        return false;
    }
    let theirs = read_and_write(&reference);
    options.extend(theirs.table_data().map(excluded));
    succeeded(&pg_dump(server, database, &ours, &options));
    let mut toc = read_and_write(&ours);
    assert_eq!(toc.table_data().count(), 0);
    assert!(theirs.encoding().is_some_and(|encoding| encoding.eq_ignore_ascii_case(database)));
    let letter: &[u8] = if database == "latin1" { b"T\xe4" } else { "Tä".as_bytes() };
    let named = |table: &Entry| table.tag.as_ref().is_some_and(|tag| tag.starts_with(letter));
    assert!(toc.tables().any(named), "names are in the database's encoding");
    // Backwards: the order is not what decides.
    let mut data: Vec<_> = theirs.table_data().collect();
    data.reverse();
    toc.add_table_data(data.iter().map(|entry| rows_of(entry))).unwrap();
    std::fs::write(ours.join(FILE_NAME), toc.write()).unwrap();
    same_entries(&toc, &theirs);

    let mut digests = Vec::new();
    for entry in data {
        let (file, digest) = decompressed(&reference.join(path_of(entry, compression)));
        let name = path_of(toc.table_data().find(|e| e.oid == entry.oid).unwrap(), compression);
        std::fs::write(ours.join(name), compressed(&file, compression)).unwrap();
        digests.push((entry.clone(), digest));
    }
    assert_eq!(list(server, &ours), list(server, &reference));
    restore_and_compare(server, database, &ours, &digests);
    true
}

fn pg_dump(server: &Server, database: &str, to: &Path, options: &[OsString]) -> Output {
    let mut command = server.client("pg_dump");
    command.args(["--format=directory", "--dbname", database, "--file"]).arg(to).args(options);
    command.output().unwrap()
}

/// Excludes the rows of one table, and nothing else: a pattern would also take the positions of
/// sequences and what fills materialized views.
fn excluded(entry: &Entry) -> OsString {
    let quoted = |name: &Option<Vec<u8>>| {
        let mut quoted = vec![b'"'];
        for byte in name.as_deref().unwrap() {
            quoted.extend(std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
        }
        quoted.push(b'"');
        quoted
    };
    let (schema, table) = (quoted(&entry.namespace), quoted(&entry.tag));
    OsString::from_vec([b"--exclude-table-data=", &schema[..], b".", &table].concat())
}

fn read_and_write(archive: &Path) -> Toc {
    let bytes = std::fs::read(archive.join(FILE_NAME)).unwrap();
    let toc = Toc::read(&bytes).unwrap();
    assert!(toc.write() == bytes, "what is read and written is not the same");
    toc
}

/// Our entry for the rows that `theirs` has.
fn rows_of(theirs: &Entry) -> TableData {
    TableData {
        table: theirs.oid,
        copy_stmt: theirs.copy_stmt.clone().unwrap(),
        // Names of LATIN1 databases are made readable.
        file_name: format!("{}.{}-{}.dat", theirs.schema(), theirs.name(), theirs.oid),
    }
}

fn path_of(entry: &Entry, compression: Compression) -> String {
    let name = String::from_utf8(entry.file_name.clone().unwrap()).unwrap();
    name + extension(compression.algorithm())
}

/// The same entries: only numbers, file names and the order differ.
fn same_entries(ours: &Toc, theirs: &Toc) {
    let (ours_shown, theirs_shown) = (shown(ours), shown(theirs));
    let less = |a: &[String], b: &[String]| -> Vec<_> {
        a.iter().filter(|entry| !b.contains(entry)).cloned().collect()
    };
    assert_eq!(less(&ours_shown, &theirs_shown), less(&theirs_shown, &ours_shown));
    assert_eq!(ours_shown.len(), theirs_shown.len());
    let sections = |toc: &Toc| -> Vec<_> {
        let kinds = toc.entries.iter().filter(|entry| entry.is_table_data() || entry.had_dumper);
        kinds.map(|entry| entry.desc.clone()).collect()
    };
    assert_eq!(sections(ours), sections(theirs));
    let mut ids: Vec<_> = ours.entries.iter().map(|entry| entry.dump_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), ours.entries.len(), "a dump id is used twice");
    let tables: Vec<_> = ours.tables().map(|table| table.dump_id).collect();
    let place = |entry: &Entry| tables.iter().position(|id| [*id] == *entry.dependencies);
    let places: Vec<_> = ours.table_data().map(|entry| place(entry).unwrap()).collect();
    assert!(places.is_sorted(), "rows are in the order of the tables: {places:?}");
}

/// Each entry with all it says, but for numbers and file names.
fn shown(toc: &Toc) -> Vec<String> {
    let text = |text: &Option<Vec<u8>>| match text {
        Some(text) => format!("{:?}", String::from_utf8_lossy(text)),
        None => "NULL".to_owned(),
    };
    let one = |entry: &Entry| {
        let texts = [
            &entry.tag,
            &entry.desc,
            &entry.defn,
            &entry.drop_stmt,
            &entry.copy_stmt,
            &entry.namespace,
            &entry.tablespace,
            &entry.tableam,
            &entry.owner,
            &entry.with_oids,
        ];
        let texts = texts.map(text).join(" ");
        let numbers = (entry.catalogue, entry.oid, entry.relkind, entry.section, entry.had_dumper);
        let has_file = entry.file_name.as_ref().map(|name| !name.is_empty());
        // Not all that is depended on is there. What is, is known by kind and name.
        let known = |id: &i32| {
            let found = toc.entries.iter().find(|entry| entry.dump_id == *id)?;
            Some(format!("{} {} {}", text(&found.desc), found.oid, text(&found.tag)))
        };
        let mut dependencies: Vec<_> = entry.dependencies.iter().filter_map(known).collect();
        dependencies.sort();
        format!("{texts} {numbers:?} {has_file:?} {dependencies:?}")
    };
    toc.entries.iter().map(one).collect()
}

/// A data file of `pg_dump`, and what its rows are.
fn decompressed(path: &Path) -> (Vec<u8>, RowDigest) {
    let mut decoder = Decoder::new(algorithm_of(path.to_str().unwrap())).unwrap();
    let (mut file, mut scanner) = (Vec::new(), RowScanner::default());
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for piece in bytes.chunks(10_007) {
        let take = &mut |piece: &[u8]| {
            file.extend_from_slice(piece);
            scanner.write(piece)
        };
        decoder.write(piece, take).unwrap();
    }
    decoder.finish().unwrap();
    (file, scanner.finish().unwrap())
}

/// The file in several frames, each of whole rows; the end marker is one of its own.
fn compressed(file: &[u8], compression: Compression) -> Vec<u8> {
    let mut encoder = Encoder::new(compression).unwrap();
    let mut out = Vec::new();
    let lines: Vec<_> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let (rows, end) = lines.split_at(lines.len() - 3);
    for rows in rows.chunks(rows.len().div_ceil(5).max(1)).chain([end]) {
        for row in rows {
            encoder.write(row, &mut out);
        }
        encoder.end_frame(&mut out);
    }
    out
}

/// What `pg_restore --list` says, without numbers and order.
fn list(server: &Server, archive: &Path) -> Vec<String> {
    let done = server.client("pg_restore").arg("--list").arg(archive).output().unwrap();
    let text = String::from_utf8_lossy(succeeded(&done)).into_owned();
    let entries = text.lines().filter_map(|line| line.split_once("; "));
    let entries = entries.filter(|(id, _)| id.parse::<u32>().is_ok());
    let mut entries: Vec<_> = entries.map(|(_, entry)| entry.to_owned()).collect();
    entries.sort();
    assert!(entries.iter().any(|entry| entry.contains("TABLE DATA")), "{text}");
    entries
}

fn restore_and_compare(
    server: &Server,
    database: &str,
    archive: &Path,
    digests: &[(Entry, RowDigest)],
) {
    sql(server, "postgres", "DROP DATABASE IF EXISTS restored");
    create(server, "restored", database);
    let mut restore = server.client("pg_restore");
    restore.args(["--jobs=2", "--exit-on-error", "--dbname=restored"]).arg(archive);
    succeeded(&restore.output().unwrap());

    assert!(digests.len() >= 10);
    assert_eq!(sql(server, "restored", CATALOGUE), sql(server, database, CATALOGUE));
    for (entry, digest) in digests {
        // With all columns, generated ones too.
        let everything = format!(
            "SELECT format('COPY (SELECT * FROM ONLY %s) TO stdout', {}::regclass)",
            entry.oid
        );
        let everything = sql(server, database, &everything);
        let copy = |database| copied(server, database, everything.trim());
        let (before, after) = (copy(database), copy("restored"));
        assert!(before == after, "{} differs", entry.name());

        // What was loaded is what the digest of the data file says.
        let statement = entry.copy_stmt.as_deref().unwrap().strip_suffix(b"FROM stdin;\n");
        let statement = [statement.unwrap(), b"TO stdout"].concat();
        let mut command = server.client("psql");
        command.env("PGCLIENTENCODING", database).args(["-Xq", "-d", "restored", "-c"]);
        let done = command.arg(OsStr::from_bytes(&statement)).output().unwrap();
        let mut loaded = RowDigest::default();
        let lines = succeeded(&done).split_inclusive(|byte| *byte == b'\n');
        lines.for_each(|line| loaded.add(line.strip_suffix(b"\n").unwrap()));
        assert_eq!(loaded, *digest, "{}", entry.name());
    }
}

fn copied(server: &Server, database: &str, statement: &str) -> Vec<String> {
    let mut lines: Vec<_> =
        sql(server, database, statement).split('\n').map(str::to_owned).collect();
    lines.sort();
    lines
}

fn succeeded(done: &Output) -> &[u8] {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    &done.stdout
}
