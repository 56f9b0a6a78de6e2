//! What the tests of both servers need.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Output, Stdio};

use autodump_documentdb::given::Tools;
use bson::RawDocumentBuf;
use futures_util::TryStreamExt;
use mongodb::Client;
use mongodb::options::ClientOptions;

/// A client that gives up soon.
pub(crate) async fn client(uri: &str) -> Client {
    let mut options = ClientOptions::parse(uri).await.unwrap();
    options.server_selection_timeout = Some(std::time::Duration::from_secs(2));
    Client::with_options(options).unwrap()
}

/// All collections of a database with their documents, sorted.
pub(crate) async fn content(client: &Client, database: &str) -> BTreeMap<String, Vec<Vec<u8>>> {
    let database = client.database(database);
    let mut content = BTreeMap::new();
    for name in database.list_collection_names().await.unwrap() {
        let collection = database.collection::<RawDocumentBuf>(&name);
        let cursor = collection.find(bson::doc! {}).await.unwrap();
        let found: Vec<_> = cursor.try_collect().await.unwrap();
        let mut found: Vec<_> = found.into_iter().map(RawDocumentBuf::into_bytes).collect();
        found.sort();
        content.insert(name, found);
    }
    content
}

/// Runs one of MongoDB's tools that has to succeed.
pub(crate) fn run(tools: &Tools, program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let output = try_run(tools, program, arguments, input);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Runs one of MongoDB's tools.
pub(crate) fn try_run(tools: &Tools, program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = tools
        .command(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}
