//! The program itself: a backup out of a store that speaks as S3 does, into a real server; and
//! what it says and returns when that is not possible.
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../../dump/tests/support/postgres.rs"]
#[allow(dead_code)]
mod postgres;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::postgres::{PASSWORD, Server, start};

type Objects = BTreeMap<String, Vec<u8>>;

/// Just so much of S3 that objects and parts of them can be read. Returns its URL.
fn store(objects: Objects) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let objects = Arc::new(objects);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let objects = Arc::clone(&objects);
            std::thread::spawn(move || answer(&connection, &objects));
        }
    });
    url
}

fn answer(connection: &TcpStream, objects: &Objects) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let path = request.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
    let range = lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let range = name.eq_ignore_ascii_case("range").then(|| value.strip_prefix("bytes="))??;
        let (from, to) = range.split_once('-')?;
        Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?))
    });
    let mut to = connection;
    if request.contains("list-type=2") {
        let body = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        let length = body.len();
        let _ = write!(
            to,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        return;
    }
    let Some(all) = objects.get(&path) else {
        let body = "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>";
        let length = body.len();
        let _ = write!(
            to,
            "HTTP/1.1 404 Not Found\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        return;
    };
    let (status, body, extra) = match range {
        Some((from, last)) => {
            let content_range = format!("content-range: bytes {from}-{last}/{}\r\n", all.len());
            ("206 Partial Content", &all[from..=last], content_range)
        }
        None => ("200 OK", &all[..], String::new()),
    };
    let _ = write!(
        to,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"e\"\r\n{extra}connection: close\r\n\r\n",
        body.len()
    );
    let _ = to.write_all(body);
}

/// A backup of the database `shop` by `pg_dump` alone: the store's objects.
fn backup(server: &Server) -> Objects {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("shop");
    let dumped = server.client("pg_dump").args(["-Fd", "-d", "shop", "-f"]).arg(&archive).output();
    assert!(dumped.unwrap().status.success());
    let mut manifest: Value =
        serde_json::from_str(include_str!("../../../contract/manifest.json")).unwrap();
    let version = server.sql("postgres", "SHOW server_version");
    let version = version.split(' ').next().unwrap().trim();
    manifest["engine"]["client"] = json!(format!("pg_dump {version}"));
    manifest["engine"]["serverVersion"] = json!(version);
    manifest["tables"] = json!([]);
    let mut objects = Objects::new();
    let mut described = Vec::new();
    for entry in std::fs::read_dir(&archive).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        let key = format!("run/shop/{}", path.file_name().unwrap().to_str().unwrap());
        let crc = checksum(CrcAlgorithm::Crc64Nvme, &content).to_be_bytes();
        described.push(json!({
            "bucket": "backups", "key": key, "bytes": content.len(),
            "sha256": hex::encode(Sha256::digest(&content)),
            "crc64nvme": BASE64_STANDARD.encode(crc),
        }));
        objects.insert(format!("/backups/{key}"), content);
    }
    manifest["objects"] = json!(described);
    objects.insert("/backups/run/manifest.json".to_owned(), manifest.to_string().into_bytes());
    objects
}

fn autodump(store: &str, arguments: &[&str]) -> Output {
    program(store, arguments).output().unwrap()
}

fn program(store: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autodump"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("AWS_ENDPOINT_URL", store)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PGPASSWORD", PASSWORD);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const MANIFEST: &str = "s3://backups/run/manifest.json";

#[test]
fn a_backup_is_restored_and_verified() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 5000) i");
    let url = store(backup(&server));
    let to = format!("postgres://postgres@127.0.0.1:{}/copy?sslmode=require", server.port);
    let common = ["restore", MANIFEST, "--to", &to, "--create"];

    let dry = autodump(&url, &[&common[..], &["--dry-run"]].concat());
    assert!(dry.status.success(), "{}", text(&dry.stderr));
    assert!(
        text(&dry.stdout).contains("Nothing was changed") && text(&dry.stdout).contains("public.t")
    );

    let done = autodump(&url, &[&common[..], &["--json"]].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    let events: Vec<Value> =
        text(&done.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["result"]["rows"]), (&json!("restored"), &json!(5000)));
    assert_eq!(events[0]["event"], "planned");
    let print = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY i)) FROM t";
    assert_eq!(server.sql("copy", print), server.sql("shop", print));

    let again = autodump(&url, &common[..4]);
    assert_eq!(again.status.code(), Some(10), "{}", text(&again.stderr));
    assert!(text(&again.stderr).contains("is not empty: it has table public.t"));
    let dry = autodump(&url, &["restore", MANIFEST, "--to", &to, "--clean", "--dry-run"]);
    assert!(
        text(&dry.stdout).contains("  dropping what is there\n    TABLE public.t\n"),
        "{}",
        text(&dry.stdout)
    );
    let again = autodump(&url, &["restore", MANIFEST, "--to", &to, "--clean"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(
        text(&again.stdout).contains("Restored: 5000 rows in 1 tables"),
        "{}",
        text(&again.stdout)
    );
    assert!(text(&again.stderr).contains("loading rows"), "{}", text(&again.stderr));

    let verified = autodump(&url, &["verify", MANIFEST, "--level", "checksum"]);
    assert!(verified.stdout.starts_with(b"The backup is as its manifest says"), "{verified:?}");
}

#[test]
fn damage_and_absence_have_their_exit_code() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT i FROM generate_series(1, 5000) i");
    let mut objects = backup(&server);
    let key = objects.keys().find(|key| key.ends_with(".dat.gz")).unwrap().clone();
    objects.get_mut(&key).unwrap()[40] ^= 1;
    let url = store(objects);
    let to = format!("postgres://postgres@127.0.0.1:{}/copy?sslmode=disable", server.port);
    let damaged = autodump(&url, &["restore", MANIFEST, "--to", &to, "--create", "--json"]);
    assert_eq!(damaged.status.code(), Some(16), "{}", text(&damaged.stderr));
    let last = text(&damaged.stdout);
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["exitCode"]), (&json!("failed"), &json!(16)));
    let missing = "s3://backups/other/manifest.json";
    let missing = autodump(&url, &["restore", missing, "--to", &to]);
    assert_eq!(missing.status.code(), Some(16), "{}", text(&missing.stderr));
    let verified = autodump(&url, &["verify", MANIFEST, "--level", "checksum"]);
    assert_eq!(verified.status.code(), Some(16), "{}", text(&verified.stderr));
}

/// A backup of a table with these lines: the store's objects.
fn table(lines: &str) -> Objects {
    let mut manifest: Value =
        serde_json::from_str(include_str!("../../../contract/table-manifest.json")).unwrap();
    let definition = include_str!("../../../contract/table-definition.json");
    let read: Value = serde_json::from_str(definition).unwrap();
    let items = lines.lines().count();
    manifest["target"]["arn"] = read["tableArn"].clone();
    manifest["definition"] = json!("run/table.json");
    manifest["method"]["compression"] = json!("none");
    manifest["items"] = json!(items);
    manifest["tables"][0]["rows"] = json!(items);
    manifest["objects"] = json!([{
        "bucket": "backups", "key": "run/data/00000-000000.json", "bytes": lines.len(),
        "items": items, "sha256": hex::encode(Sha256::digest(lines)),
    }]);
    Objects::from([
        ("/backups/run/manifest.json".to_owned(), manifest.to_string().into_bytes()),
        ("/backups/run/table.json".to_owned(), definition.as_bytes().to_vec()),
        ("/backups/run/data/00000-000000.json".to_owned(), lines.as_bytes().to_vec()),
    ])
}

#[test]
fn the_backup_of_a_table_is_verified() {
    let line = |number: u32| {
        let key = json!({"customer": {"S": "c"}, "placed": {"N": number.to_string()}});
        format!("{}\n", json!({ "Item": key }))
    };
    let good = table(&(line(1) + &line(2)));
    let mut damaged = good.clone();
    damaged.get_mut("/backups/run/data/00000-000000.json").unwrap()[20] ^= 1;
    let good = store(good);
    for level in ["checksum", "archive"] {
        let done = autodump(&good, &["verify", MANIFEST, "--level", level, "--json"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        let told = text(&done.stdout);
        let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        let rows = if level == "archive" { 2 } else { 0 };
        assert_eq!(
            (&last["event"], &last["result"]["seen"]["rows"]),
            (&json!("verified"), &json!(rows))
        );
    }
    let done = autodump(&good, &["verify", MANIFEST, "--level", "restore"]);
    assert_eq!(done.status.code(), Some(10), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("up to the level archive"), "{}", text(&done.stderr));
    for (objects, says) in
        [(damaged, "has SHA-256"), (table(&line(1).repeat(2)), "has 1 items with keys")]
    {
        let done = autodump(&store(objects), &["verify", MANIFEST]);
        assert_eq!(done.status.code(), Some(16), "{}", text(&done.stderr));
        let told = text(&done.stdout);
        assert!(told.starts_with("NOT as it should be") && told.contains(says), "{told}");
    }
}

#[test]
fn what_is_of_rds_is_for_rds_to_restore() {
    let manifest = include_bytes!("../../../contract/snapshot-manifest.json").to_vec();
    let url = store(Objects::from([("/backups/run/manifest.json".to_owned(), manifest)]));
    for arguments in [
        &["restore", MANIFEST, "--to", "postgres://u@h/d"][..],
        &["restore", MANIFEST],
        &["verify", MANIFEST],
    ] {
        let done = autodump(&url, arguments);
        let stderr = text(&done.stderr);
        assert_eq!(done.status.code(), Some(10), "{arguments:?}: {stderr}");
        for says in [
            "is the manifest of a snapshot of arn:aws:rds:eu-central-1:111122223333:db:orders",
            "aws rds restore-db-instance-from-db-snapshot --region eu-central-1",
            "ParquetToCsv",
        ] {
            assert!(stderr.contains(says), "{arguments:?}: {stderr}");
        }
        assert!(done.stdout.is_empty());
    }
}

#[test]
fn a_wrong_command_line_is_one_of_configuration() {
    let nowhere = "http://127.0.0.1:1";
    for (arguments, says) in [
        (&["restore"][..], "required"),
        (&["restore", "s3://b/x", "--to", "x"], "manifest.json"),
        (&["restore", MANIFEST, "--to", "postgres://u:geheim@h/d"], "PGPASSWORD"),
        (&["restore", MANIFEST, "--to", "postgres://u@[::1]5433/d"], "after the ]"),
        (&["restore", MANIFEST, "--to", "postgres://u@h:0/d"], "port in the URL is 0"),
        (&["restore", MANIFEST, "--to", "mongodb://u:geheim@h/d"], "MONGODB_PASSWORD"),
        (&["restore", MANIFEST, "--to", "mongodb://u@h"], "the URL has no database"),
        (&["restore", MANIFEST, "--to", "postgres://u@h1,h2/d"], "several hosts"),
        (&["restore", MANIFEST, "--to", "x", "--table", "\"a"], "a quote that does not end"),
        (
            &["restore", MANIFEST, "--to", "x", "--schema-only", "--data-only"],
            "cannot be used with",
        ),
        (&["restore", MANIFEST, "--to", "x", "--jobs", "65"], "allowed are 1 to 64"),
        (&["verify", MANIFEST, "--level", "full"], "level of verification"),
        (&["verify", MANIFEST, "--server", "x"], "Give --level restore too"),
        (&["status"], "Give --state-machine or set AUTODUMP_STATE_MACHINE_ARN"),
        (&["status", "--state-machine", "AutoDump"], "is no ARN of a state machine"),
        (&["status", "--limit", "0"], "0 is not in 1..=1000"),
    ] {
        let done = autodump(nowhere, arguments);
        let stderr = text(&done.stderr);
        assert_eq!(done.status.code(), Some(10), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("geheim"), "{stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
        assert!(done.stdout.is_empty());
    }
    let done = program(nowhere, &["verify", MANIFEST]).env_remove("AWS_REGION").output().unwrap();
    assert_eq!(done.status.code(), Some(10));
    assert!(text(&done.stderr).contains("Set AWS_REGION"), "{}", text(&done.stderr));
    let help = autodump(nowhere, &["restore", "--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("--no-owner"));
}
