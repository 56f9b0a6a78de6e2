use std::path::{Path, PathBuf};

use autodump_aws::s3::Options;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::testing::contract::{Inspect, Strictness, all};
use autodump_core::testing::{reading, writing};
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

/// Starts s3s-fs on a directory, and returns its endpoint.
async fn serve(root: &Path) -> String {
    let mut service = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
    service.set_auth(SimpleAuth::from_single("access", "secret"));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let http = Builder::new(TokioExecutor::new());
        while let Ok((socket, _)) = listener.accept().await {
            let connection =
                http.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
            tokio::spawn(connection);
        }
    });
    endpoint
}

/// Looks at the files of the server: objects are files, parts are `.upload_id-…` files.
struct Files(PathBuf);

impl Inspect for Files {
    async fn content(&self, location: &ObjectLocation) -> Option<Bytes> {
        let path = self.0.join(&location.bucket).join(&location.key);
        std::fs::read(path).ok().map(Bytes::from)
    }

    async fn open_uploads(&self, _location: &ObjectLocation) -> usize {
        let entries = std::fs::read_dir(&self.0).unwrap().flatten();
        let is_upload = |name: &str| name.starts_with(".upload-");
        entries.filter(|entry| is_upload(&entry.file_name().to_string_lossy())).count()
    }
}

/// s3s-fs 0.14 compares neither the CRC of a part that comes as a header nor the length and
/// CRC of the whole object; that these are sent at all is tested in `requests.rs`.
const STRICTNESS: Strictness = Strictness { part_checksum: false, object_checksum: false };

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("backups")).unwrap();
    let store = super::store(&serve(root.path()).await, Options::default()).await;
    all(&store, &Files(root.path().to_owned()), "backups", STRICTNESS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_is_read_as_the_contract_says() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("backups")).unwrap();
    let store = super::store(&serve(root.path()).await, Options::default()).await;
    reading::all(&store, "backups").await;
}

/// The contract but for writers that race: s3s-fs 0.14 looks whether an object is there, and
/// then writes it. That the condition is sent is tested in `writes.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_is_written_to_as_the_contract_says() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("backups")).unwrap();
    let store = super::store(&serve(root.path()).await, Options::default()).await;
    writing::puts_what_is_not_there(&store, "backups").await;
    writing::keeps_what_is_there(&store, "backups").await;
    writing::removes_what_is_named_and_nothing_else(&store, "backups").await;
    writing::removes_many(&store, "backups").await;
    writing::puts_again_what_was_removed(&store, "backups").await;
}

/// More than the thousand that a page holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_many_pages_is_whole() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("backups/many");
    std::fs::create_dir_all(&directory).unwrap();
    let names: Vec<_> = (0..2345).map(|number| format!("many/{number:05}")).collect();
    for name in &names {
        std::fs::write(root.path().join("backups").join(name), "x").unwrap();
    }
    let store = super::store(&serve(root.path()).await, Options::default()).await;
    let listed = store.list("backups", "many/").await.unwrap();
    assert!(listed.iter().map(|found| &found.key).eq(&names), "{} of 2345", listed.len());
}
