//! What `PostgreSQL` makes of the CSV with `COPY`, type by type.

use std::io::Write as _;
use std::process::Stdio;

use autodump_core::testing::MemoryStore;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};

use super::tests::{converted, plain, run, store};
use super::types_tests::{EVERY, NESTED, every, nested};
use super::*;
use crate::csv::Format;
use crate::testing::{Columns, file};

#[path = "../../dump/tests/support/postgres.rs"]
#[allow(dead_code, unreachable_pub, reason = "more than is needed here")]
mod server;

/// What [`every`] writes, as `PostgreSQL`'s own literals.
const ROWS: &str = "CREATE TABLE copied (b boolean, i8 smallint, u64 numeric(20), f real,
    d double precision, d9 numeric(9,2), d18 bigint, d38 numeric(38,10), dmany numeric(50,3),
    day date, \"time\" time, stamp timestamptz, nanos timestamp, old timestamp, id uuid,
    bytes bytea, doc jsonb, e text, legacy timestamptz, s text);
CREATE TABLE meant (LIKE copied);
INSERT INTO meant VALUES
(true, -128, 18446744073709551615, 'NaN', '-Infinity', -9999999.99, 9223372036854775807,
    9999999999999999999999999999.9999999999, -(2::numeric ^ 151) / 1000, '0001-12-31 BC',
    '23:59:59.999999', '1969-12-31 23:59:59.999999Z', '1970-01-01', '1970-01-02',
    'abababab-abab-abab-abab-abababababab', '\\x00ff', '{\"a\": \"b\"}', 'x', '1970-01-01 0:00Z',
    E'a,\"b\"\\r\\n'),
(false, 127, 0, 0.1, '-1.5e300', 0.01, 0, -0.0000000001, 0.005, '2024-02-29', '00:00',
    '2024-02-29 12:34:56.123Z', '1970-01-01', '1970-01-01',
    '00000000-0000-0000-0000-000000000000', '', '[]', 'y', '1969-12-31 23:59:59.999Z', '');
SET timezone = 'UTC'";

const DIFFERENCE: &str = "SELECT count(*) FROM
    ((TABLE copied EXCEPT ALL TABLE meant) UNION ALL (TABLE meant EXCEPT ALL TABLE copied)) AS d";

fn copy(server: &server::Server, options: &str, csv: &[u8]) {
    let sql = format!("COPY copied FROM STDIN (FORMAT csv, HEADER true{options})");
    let mut client = server.query("postgres", &sql);
    let client = client.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped());
    let mut client = client.spawn().unwrap();
    client.stdin.take().unwrap().write_all(csv).unwrap();
    let done = client.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn difference(server: &server::Server) -> String {
    let difference = server.sql("postgres", DIFFERENCE);
    server.sql("postgres", "DROP TABLE copied, meant");
    difference
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_reads_what_was_written() {
    let Some(server) = server::start() else { return };
    let content = file(EVERY, plain(), &[&every]);
    let format = |null: &str, line_end| Format { null: null.to_owned(), header: true, line_end };
    for (format, options) in [
        (Format::default(), ""),
        (format("\\N", crate::csv::LineEnd::Crlf), ", NULL '\\N'"),
        (format("false", crate::csv::LineEnd::Lf), ", NULL 'false'"),
    ] {
        let options_of_ours = Options { format, ..Options::default() };
        let (csv, ..) = converted(std::slice::from_ref(&content), &options_of_ours).await;
        server.sql("postgres", ROWS);
        copy(&server, options, &csv);
        assert_eq!(difference(&server), "0\n", "{options}");
    }
    let (csv, ..) = converted(&[file(NESTED, plain(), &[&nested])], &Options::default()).await;
    let meant = "CREATE TABLE copied (tags jsonb, props jsonb, point jsonb);
        CREATE TABLE meant (LIKE copied); INSERT INTO meant VALUES
        (E'[\"a\",\"q\\\\\"\u{e9}\\\\n\"]', '{\"1\":2.5,\"7\":\"NaN\"}', '{\"x\":1,\"inner\":[1.50]}'),
        ('[]', '{}', '{\"x\":2,\"inner\":null}'), ('[null]', NULL, '{\"x\":3,\"inner\":[]}'),
        (NULL, '{\"5\":null}', '{\"x\":4,\"inner\":[0.01,0.02]}')";
    server.sql("postgres", meant);
    copy(&server, "", &csv);
    assert_eq!(difference(&server), "0\n");
    texts(&server).await;
    floats(&server).await;
}

/// Floats that are no numbers, and those at the ends.
async fn floats(server: &server::Server) {
    let values = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX, 5e-324, -0.0];
    let group = |columns: &mut Columns<'_>| {
        columns.add::<DoubleType>(&values, None, None);
    };
    let content = file("message m { required double d; }", plain(), &[&group]);
    let (csv, ..) = converted(&[content], &Options::default()).await;
    server.sql("postgres", "CREATE TABLE copied (d float8); CREATE TABLE meant (LIKE copied)");
    copy(server, "", &csv);
    let meant = "INSERT INTO meant VALUES ('Infinity'), ('-Infinity'), ('NaN'),
        (1.7976931348623157e308), (5e-324), ('-0')";
    server.sql("postgres", meant);
    assert_eq!(difference(server), "0\n");
}

/// Texts and NULL that are easily taken for each other, and long ones.
async fn texts(server: &server::Server) {
    let long = "long \"text\", and\nmore ".repeat(60_000);
    let texts =
        ["", "NULL", "\\N", "\\.", "\\", "\"", ",", "\n", "\r\n", " a ", "\u{1F980}\t", &long];
    let values: Vec<_> = texts.into_iter().map(ByteArray::from).collect();
    let levels = [vec![1; values.len()], vec![0]].concat();
    let group = |columns: &mut Columns<'_>| {
        columns.add::<ByteArrayType>(&values, Some(&levels), None);
    };
    let schema = "message m { optional binary s (STRING); }";
    let memory: MemoryStore = store(&[file(schema, plain(), &[&group])]);
    run(&memory, &Options::default()).await.unwrap();
    let csv = memory.object("out", "csv/run-1/shop/public.orders.csv").unwrap().content;
    server.sql("postgres", "CREATE TABLE copied (s text); CREATE TABLE meant (LIKE copied)");
    copy(server, "", &csv);
    let (some, rest) = texts.split_at(texts.len() - 1);
    for text in some {
        server.sql("postgres", &format!("INSERT INTO meant VALUES ($t${text}$t$)"));
    }
    assert_eq!(rest, [&long]);
    let repeated = "INSERT INTO meant VALUES (NULL),
        (repeat(E'long \"text\", and\\nmore ', 60000))";
    server.sql("postgres", repeated);
    assert_eq!(difference(server), "0\n");
}
