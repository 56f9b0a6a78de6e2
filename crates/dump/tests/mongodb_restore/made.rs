//! Archives as AutoDump writes them, made by hand so that they can be made wrong.

use std::collections::BTreeMap;
use std::io::Write as _;

use autodump_core::manifest::{Manifest, Object, Table};
use autodump_core::ports::ObjectLocation;
use autodump_core::testing::MemoryStore;
use autodump_dump::engine::mongodb::archive::{
    Collection, Namespace, Prelude, Sum, begin_block, end_block, end_collection,
};
use autodump_dump::rows::RowDigest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bson::{Document, doc};
use crc_fast::{CrcAlgorithm, checksum};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// The database that was dumped.
pub(crate) const DATABASE: &str = "shop";
const RUN: &str = "mongodb/prod.shop-1f2e3d4c/2026/11/22/20261122T080000Z-9a8b7c6d";

/// A collection and its documents.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) collection: Collection,
    pub(crate) documents: Vec<Vec<u8>>,
}

/// A collection of this kind with a definition in extended JSON.
pub(crate) fn of_kind(name: &str, kind: &str, metadata: &str, documents: &[Document]) -> Content {
    let namespace = Namespace { database: DATABASE.to_owned(), collection: name.to_owned() };
    let (metadata, kind) = (metadata.to_owned(), kind.to_owned());
    let documents = documents.iter().map(|document| document.to_vec().unwrap()).collect();
    Content { collection: Collection { namespace, metadata, kind }, documents }
}

/// A plain collection.
pub(crate) fn plain(name: &str, documents: &[Document]) -> Content {
    let id =
        r#"{"indexes":[{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_"}]}"#;
    of_kind(name, "collection", id, documents)
}

/// So many small documents.
pub(crate) fn numbered(count: i32) -> Vec<Document> {
    (0..count).map(|n| doc! { "_id": n, "text": format!("number {n}"), "half": n / 2 }).collect()
}

/// The pieces of an archive: the prelude, two blocks of each collection in turns, and its end.
pub(crate) fn pieces(contents: &[Content]) -> Vec<Vec<u8>> {
    let mut prelude = Vec::new();
    Prelude {
        concurrent: 8,
        server_version: "7.0.14".to_owned(),
        tool_version: "autodump 0.1.0".to_owned(),
        collections: contents.iter().map(|content| content.collection.clone()).collect(),
    }
    .write(&mut prelude);
    let (mut pieces, mut ends) = (vec![prelude], Vec::new());
    for content in contents {
        let name = content.collection.stored();
        let mut sum = Sum::default();
        for documents in content.documents.chunks(content.documents.len().div_ceil(2).max(1)) {
            let mut piece = Vec::new();
            begin_block(&name, &mut piece);
            piece.extend(documents.concat());
            end_block(&mut piece);
            sum = sum.and(Sum::of(&documents.concat()));
            pieces.push(piece);
        }
        end_collection(&name, sum, &mut ends);
    }
    pieces.push(ends);
    pieces
}

/// A backup in a store.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) store: MemoryStore,
    pub(crate) manifest: Manifest,
}

impl Made {
    /// Of these collections, as AutoDump writes it.
    pub(crate) fn new(contents: &[Content]) -> Self {
        Self::of_pieces(contents, &pieces(contents))
    }

    /// Of these pieces, whatever they hold.
    pub(crate) fn of_pieces(contents: &[Content], pieces: &[Vec<u8>]) -> Self {
        let pieces: Vec<_> = pieces.iter().map(|piece| gzip(piece)).collect();
        let segments = pieces.iter().map(|piece| piece.len() as u64).collect();
        Self::of_object(contents, "shop.archive.gz", &pieces.concat(), segments)
    }

    /// Of this object.
    pub(crate) fn of_object(
        contents: &[Content],
        name: &str,
        bytes: &[u8],
        segments: Vec<u64>,
    ) -> Self {
        let golden = include_str!("../../../../contract/manifest-mongodb.json");
        let mut manifest: Manifest = serde_json::from_str(golden).unwrap();
        let key = format!("{RUN}/{name}");
        manifest.tables = contents.iter().map(|content| table(content, &key)).collect();
        let object = Object { segments, ..object(&key, bytes) };
        manifest.objects = vec![object];
        let made = Self { store: MemoryStore::default(), manifest };
        made.put(bytes);
        made
    }

    /// Puts the manifest, and these bytes as the object.
    pub(crate) fn put(&self, bytes: &[u8]) {
        let key = self.manifest.objects[0].key.clone();
        let bucket = "backups".to_owned();
        self.store.put(&ObjectLocation { bucket, key }, bytes.to_vec());
        self.store.put(&Self::at(), serde_json::to_vec(&self.manifest).unwrap());
    }

    /// The bytes of the object.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let key = &self.manifest.objects[0].key;
        self.store.object("backups", key).unwrap().content.to_vec()
    }

    /// Where the manifest is.
    pub(crate) fn at() -> ObjectLocation {
        let key = format!("{RUN}/manifest.json");
        ObjectLocation { bucket: "backups".to_owned(), key }
    }
}

fn object(key: &str, bytes: &[u8]) -> Object {
    let crc = checksum(CrcAlgorithm::Crc64Nvme, bytes);
    Object {
        bucket: "backups".to_owned(),
        key: key.to_owned(),
        bytes: bytes.len() as u64,
        sha256: hex::encode(Sha256::digest(bytes)),
        crc64nvme: BASE64_STANDARD.encode(crc.to_be_bytes()),
        segments: Vec::new(),
    }
}

fn table(content: &Content, key: &str) -> Table {
    let digest = digest(&content.documents);
    Table {
        schema: DATABASE.to_owned(),
        name: content.collection.namespace.collection.clone(),
        rows: digest.rows,
        hash: digest.hex(),
        keys: if digest.rows == 0 { Vec::new() } else { vec![key.to_owned()] },
    }
}

fn digest(documents: &[Vec<u8>]) -> RowDigest {
    let mut digest = RowDigest::default();
    for document in documents {
        digest.add(document);
    }
    digest
}

/// One gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Documents by collections, sorted.
pub(crate) type Documents = BTreeMap<String, Vec<Vec<u8>>>;

/// What a database should hold after these were restored.
pub(crate) fn documents(contents: &[Content]) -> Documents {
    let stored = contents.iter().filter(|content| content.collection.kind != "view");
    let of = |content: &Content| {
        let mut documents = content.documents.clone();
        documents.sort_unstable();
        (content.collection.namespace.collection.clone(), documents)
    };
    stored.map(of).collect()
}
