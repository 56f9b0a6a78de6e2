//! Exports of databases of RDS that become CSV, each table when its last `_SUCCESS` is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use autodump_local::CSV_BUCKET;
use autodump_local::api::Execution;
use autodump_local::rds::{Cell, Script, Table};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::snapshots::Database;
use crate::world::{Case, LIMIT, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(an_export_becomes_csv_that_postgresql_reads),
    case!(a_table_that_is_large_is_converted_by_a_job),
    case!(thousands_of_files_become_one_csv),
    case!(events_that_come_again_do_no_harm),
    case!(what_cannot_be_read_leaves_no_csv),
];

/// A state in which a conversion ends well.
const COMPLETE: &str = "CSV complete";
/// One in which there was nothing to do.
const NOTHING: &str = "Ended: nothing to convert";
/// One in which the files are not what they should be.
const BROKEN: &str = "Failed: function (verification)";

impl World {
    /// An instance whose exports write these tables, and the task of an export of it.
    async fn exported(&self, name: &str, tables: Vec<Table>) -> Result<(Database, String)> {
        let database = self.instance(name, &[]).await?;
        database.change(self, |script: &mut Script| script.tables = tables);
        self.backed_up_by_snapshot(&database).await?;
        let backup = self.one_backup(&database.target).await?;
        let task = backup.manifest["export"]["task"].as_str().context("no task")?.to_owned();
        Ok((database, task))
    }

    /// The manifest of the CSV of a table of an export, when it is there with so many files.
    async fn converted(&self, task: &str, table: &str, files: usize) -> Result<Value> {
        let (key, begun) = (format!("{task}/{table}.manifest.json"), Instant::now());
        loop {
            let there = self.api().list_objects(CSV_BUCKET, &key).await?;
            if !there.is_empty() {
                let json = self.api().get_object(CSV_BUCKET, &key).await?;
                let manifest: Value = serde_json::from_slice(&json)?;
                if manifest["source"]["files"].as_array().is_some_and(|all| all.len() == files) {
                    return Ok(manifest);
                }
            }
            if begun.elapsed() > LIMIT {
                bail!("no {key} of {files} files: {:?}", self.conversions(task).await?);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The CSV that a manifest names, in one object.
    async fn csv(&self, manifest: &Value) -> Result<String> {
        let objects = manifest["objects"].as_array().context("no objects")?;
        ensure!(objects.len() == 1, "{objects:?}");
        let key = objects[0]["key"].as_str().context("no key")?;
        Ok(String::from_utf8(self.api().get_object(CSV_BUCKET, key).await?.into())?)
    }

    /// The executions that looked at tables of an export.
    async fn conversions(&self, task: &str) -> Result<Vec<Execution>> {
        let machine = self.stack.csv_state_machine()?;
        let mut found = Vec::new();
        for listed in self.api().list_executions(machine).await? {
            let execution = self.api().describe_execution(&listed.arn).await?;
            let key = execution.input["detail"]["object"]["key"].as_str().unwrap_or_default();
            if key.contains(task) {
                found.push(execution);
            }
        }
        Ok(found)
    }

    /// The same, when there are so many of them and all have ended.
    async fn ended(&self, task: &str, count: usize) -> Result<Vec<(Execution, Vec<String>)>> {
        let begun = Instant::now();
        loop {
            let found = self.conversions(task).await?;
            if found.len() >= count && found.iter().all(Execution::has_ended) {
                let mut all = Vec::new();
                for execution in found {
                    let states = self.api().states_entered(&execution.arn).await?;
                    all.push((execution, states));
                }
                return Ok(all);
            }
            ensure!(begun.elapsed() < LIMIT, "{count} conversions have not ended: {found:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn decimal(units: i128) -> Cell {
    Cell::Bytes(units.to_be_bytes().to_vec())
}

/// Edge values of the types that RDS writes.
fn kinds() -> Table {
    let schema = "message m {
        required int64 id;
        optional binary name (STRING);
        optional binary raw;
        optional fixed_len_byte_array(16) price (DECIMAL(38, 2));
        optional double rate;
        optional int64 at (TIMESTAMP(MICROS, true));
        optional int32 day (DATE);
        optional boolean done;
    }";
    let most = 99_999_999_999_999_999_999_999_999_999_999_999_999_i128;
    let row = |id, name, raw: &[u8], price, rate, at, day, done| {
        let raw = Cell::Bytes(raw.to_vec());
        let times = [Cell::Int(at), Cell::Int(day), Cell::Bool(done)];
        [vec![Cell::Int(id), name, raw, price, Cell::Float(rate)], times.to_vec()].concat()
    };
    let quoted = Cell::text("a \"quote\", a comma\nand a line");
    let long = Cell::text(&"ä".repeat(500_000));
    let rows = vec![
        row(1, quoted, b"\x00\xff\x00", decimal(most), f64::NAN, 0, 0, true),
        row(2, Cell::text(""), b"", decimal(-1), f64::INFINITY, 1_709_210_096_123_456, -1, false),
        row(i64::MIN, long, b"\\x", decimal(-most), f64::NEG_INFINITY, -1, 19_782, true),
        [vec![Cell::Int(i64::MAX)], vec![Cell::Null; 7]].concat(),
    ];
    Table::of_rows("shop.public.kinds", schema, rows)
}

const AS_READ: &str = "SELECT id, coalesce(left(name, 30), 'NULL'), length(name), \
     coalesce(encode(raw, 'hex'), 'NULL'), price, rate, at AT TIME ZONE 'UTC', day, done \
     FROM kinds ORDER BY id";

async fn an_export_becomes_csv_that_postgresql_reads(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let (_, task) = world.exported("e2e-csv", vec![kinds()]).await?;
    let manifest = world.converted(&task, "shop/public.kinds", 1).await?;
    ensure!(manifest["rowsIn"] == 4 && manifest["rowsOut"] == 4 && manifest["rejects"] == 0);
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), world.csv(&manifest).await?)?;
    let server = &world.server;
    server.create_database("csv")?;
    server.sql(
        "csv",
        "CREATE TABLE kinds (id bigint, name text, raw bytea, price numeric(38, 2), rate float8, \
         at timestamptz, day date, done bool)",
    )?;
    let copy = format!("\\copy kinds from '{}' (format csv, header)", file.path().display());
    server.psql("csv", ["--command", &copy])?;
    let read = server.sql("csv", AS_READ)?;
    let long = "ä".repeat(30);
    let expected = [
        &format!(
            "-9223372036854775808|{long}|500000|5c78|-999999999999999999999999999999999999.99|\
             -Infinity|1969-12-31 23:59:59.999999|2024-02-29|t"
        ),
        "1|a \"quote\", a comma\nand a line|29|00ff00|999999999999999999999999999999999999.99|NaN|\
         1970-01-01 00:00:00|1970-01-01|t",
        "2||0||-0.01|Infinity|2024-02-29 12:34:56.123456|1969-12-31|f",
        "9223372036854775807|NULL||NULL|||||",
    ];
    ensure!(read.trim_end() == expected.join("\n"), "{read}");
    Ok(())
}

/// The function takes up to 1 MiB here.
async fn a_table_that_is_large_is_converted_by_a_job(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let noise = |n: i64| {
        let seed = u64::try_from(n).unwrap_or_default();
        let next = |n: u64| n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        let words = std::iter::successors(Some(next(seed ^ 0x9e37)), |n| Some(next(n ^ (n >> 29))));
        let bytes: Vec<u8> = words.take(8).flat_map(u64::to_le_bytes).collect();
        vec![Cell::Int(n), Cell::Bytes(bytes)]
    };
    let schema = "message m { required int64 id; required binary noise; }";
    let large = Table::generated("shop.public.large", schema, 40_000, noise).in_batches(&[2]);
    let small = Table::generated("shop.public.small", schema, 10, noise);
    let (_, task) = world.exported("e2e-csv-large", vec![large, small]).await?;
    let manifest = world.converted(&task, "shop/public.large", 2).await?;
    ensure!(manifest["rowsIn"] == 40_000 && manifest["rowsOut"] == 40_000, "{manifest}");
    let csv = world.csv(&manifest).await?;
    let ids: Vec<_> = csv.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    ensure!(ids.iter().enumerate().all(|(n, id)| *id == n.to_string()), "the order is lost");
    ensure!(ids.len() == 40_000, "{} rows", ids.len());
    world.converted(&task, "shop/public.small", 1).await?;
    for (execution, states) in world.ended(&task, 2).await? {
        let by_job = states.iter().any(|state| state == "Convert in a job");
        let key = execution.input["detail"]["object"]["key"].as_str().unwrap_or_default();
        ensure!(by_job == key.contains("public.large"), "{key}: {states:?}");
        let end = if by_job { "Job complete" } else { COMPLETE };
        ensure!(states.last().is_some_and(|last| last == end), "{states:?}");
    }
    Ok(())
}

async fn thousands_of_files_become_one_csv(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let schema = "message m { required int64 id; }";
    let many = Table::generated("shop.public.many", schema, 4000, |n| vec![Cell::Int(n)]);
    let many = many.in_batches(&[1000, 1000]);
    let (_, task) = world.exported("e2e-csv-many", vec![many]).await?;
    let manifest = world.converted(&task, "shop/public.many", 2000).await?;
    ensure!(manifest["rowsIn"] == 4000 && manifest["rowsOut"] == 4000, "{manifest}");
    let expected: String =
        std::iter::once("id\n".to_owned()).chain((0..4000).map(|n| format!("{n}\n"))).collect();
    ensure!(world.csv(&manifest).await? == expected, "the order is lost");
    // The first batch may have been taken for the table; its result was replaced.
    world.ended(&task, 2).await?;
    let left = world.api().list_objects(CSV_BUCKET, &format!("{task}/")).await?;
    ensure!(left.len() == 2, "{left:?}");
    Ok(())
}

async fn events_that_come_again_do_no_harm(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let (_, task) = world.exported("e2e-csv-again", vec![kinds()]).await?;
    let manifest = world.converted(&task, "shop/public.kinds", 1).await?;
    let (first, _) = world.ended(&task, 1).await?.remove(0);
    let success = first.input["detail"]["object"]["key"].as_str().context("no key")?.to_owned();
    for _ in 0..3 {
        world.api().put_object(world.bucket()?, &success, Bytes::new()).await?;
    }
    let all = world.ended(&task, 4).await?;
    let ends: Vec<_> = all.iter().filter_map(|(_, states)| states.last()).collect();
    ensure!(ends.iter().filter(|end| **end == COMPLETE).count() == 1, "{ends:?}");
    ensure!(ends.iter().filter(|end| **end == NOTHING).count() == 3, "{ends:?}");
    ensure!(world.converted(&task, "shop/public.kinds", 1).await? == manifest);
    // One that is of no table of files.
    let directory = success.trim_end_matches("kinds/1/_SUCCESS");
    let empty = format!("{directory}empty/1/_SUCCESS");
    world.api().put_object(world.bucket()?, &empty, Bytes::new()).await?;
    let all = world.ended(&task, 5).await?;
    let newest = all.iter().find(|(one, _)| one.input["detail"]["object"]["key"] == empty.as_str());
    let (newest, states) = newest.context("no execution looked at it")?;
    let cause = newest.cause.as_deref().unwrap_or_default();
    ensure!(cause.contains("no files of Parquet"), "{cause}");
    ensure!(states.last().is_some_and(|last| last == BROKEN), "{states:?}");
    Ok(())
}

async fn what_cannot_be_read_leaves_no_csv(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let broken = |name: &str, bytes: &'static [u8]| {
        Table::of_files(&format!("shop.public.{name}"), vec![Bytes::from_static(bytes)])
    };
    let tables = vec![
        broken("text", b"this is no Parquet, and never was"),
        broken("cut", b"PAR1\x15\x00\x15\x10"),
        broken("footer", b"PAR1\x00\x00\x00\x00\xff\xff\xff\x7fPAR1"),
    ];
    let (_, task) = world.exported("e2e-csv-broken", tables).await?;
    for (execution, states) in world.ended(&task, 3).await? {
        let end = states.last().map(String::as_str).unwrap_or_default();
        ensure!(end == BROKEN, "{states:?}");
        let cause = execution.cause.unwrap_or_default();
        ensure!(cause.contains("part-00000-") && cause.contains(".gz.parquet"), "{cause}");
    }
    let left = world.api().list_objects(CSV_BUCKET, &format!("{task}/")).await?;
    let open = world.api().open_uploads(CSV_BUCKET, &format!("{task}/")).await?;
    ensure!(left.is_empty() && open.is_empty(), "{left:?} {open:?}");
    let by_hand = json!({"detail": {"bucket": {"name": world.bucket()?}}});
    let machine = world.stack.csv_state_machine()?;
    let run = world.api().start_execution(machine, "e2e-csv-by-hand", &by_hand).await?;
    let run = world.api().describe_execution(&run).await?;
    world.fails_in(&run, "Failed: input", &["detail.object.key"]).await.map(drop)
}
