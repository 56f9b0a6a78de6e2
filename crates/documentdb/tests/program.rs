//! The program `autodump-documentdb`: it ends when it should, and takes its server with it.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use autodump_documentdb::given;
use bson::doc;

/// The program, and the URI that it prints.
fn start(arguments: &[&str], temporary: &Path) -> (Child, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_autodump-documentdb"))
        .args(arguments)
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut uri = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut uri).unwrap();
    assert!(uri.starts_with("mongodb://127.0.0.1:"), "{uri}");
    (program, uri.trim().to_owned())
}

/// A directory that the server's user can enter.
fn temporary() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    directory
}

/// The process of the one server whose data are below a directory, as `/proc` has it.
fn server_below(temporary: &Path) -> PathBuf {
    let made = std::fs::read_dir(temporary).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(made.join("data/postmaster.pid")).unwrap();
    let process = Path::new("/proc").join(text.lines().next().unwrap());
    assert!(process.exists());
    process
}

fn gone(process: &Path) {
    let start = Instant::now();
    while process.exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "{} goes on", process.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn it_serves_until_its_input_closes_and_leaves_nothing() {
    if given::documentdb().is_none() {
        return;
    }
    let temporary = temporary();
    let (mut program, uri) = start(&[], temporary.path());
    let client = support::client(&uri).await;
    client.database("shop").run_command(doc! { "ping": 1 }).await.unwrap();
    let server = server_below(temporary.path());
    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
    gone(&server);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn its_server_ends_when_it_is_killed() {
    if given::documentdb().is_none() {
        return;
    }
    let temporary = temporary();
    let (mut program, _) = start(&[], temporary.path());
    let server = server_below(temporary.path());
    program.kill().unwrap();
    program.wait().unwrap();
    gone(&server);
}

#[tokio::test]
async fn it_starts_the_stub_with_faults() {
    let temporary = temporary();
    let arguments =
        ["--stub", "--mib", "1", "--small", "--collections", "2", "--forget-at-get-more", "1"];
    let (mut program, uri) = start(&arguments, temporary.path());
    let client = support::client(&uri).await;
    let database = client.database("bench");
    assert_eq!(database.list_collection_names().await.unwrap(), ["c0", "c1"]);
    let one = database.collection::<bson::Document>("c0");
    assert_eq!(one.count_documents(doc! {}).await.unwrap(), 2621);
    let mut cursor = one.find(doc! {}).batch_size(10).await.unwrap();
    let mut read = 0;
    let lost = loop {
        match cursor.advance().await {
            Ok(_) => read += 1,
            Err(lost) => break lost,
        }
    };
    assert_eq!(read, 10);
    assert!(lost.to_string().contains("CursorNotFound"), "{lost}");
    program.kill().unwrap();
    program.wait().unwrap();
}
