//! Tables of contents for tests.

use super::{Entry, Header, Section, Text, Toc, Version};

/// A text.
pub(crate) fn bytes<'a>(text: impl Into<Option<&'a str>>) -> Text {
    text.into().map(|text| text.as_bytes().to_vec())
}

/// An entry that says nothing else.
pub(crate) fn entry(dump_id: i32, desc: &str, tag: &str, section: Section) -> Entry {
    Entry {
        dump_id,
        had_dumper: false,
        catalogue: 0,
        oid: 0,
        tag: bytes(tag),
        desc: bytes(desc),
        section,
        defn: None,
        drop_stmt: None,
        copy_stmt: None,
        namespace: None,
        tablespace: None,
        tableam: None,
        relkind: 0,
        owner: None,
        with_oids: bytes("false"),
        dependencies: vec![],
        file_name: bytes(""),
    }
}

/// A table of contents in that version of the format.
pub(crate) fn toc(version: Version, entries: Vec<Entry>) -> Toc {
    let header = Header {
        version,
        compression: if version < Version::V1_15 { -1 } else { 3 },
        created: [51, 33, 5, 21, 10, 126, 0],
        database: bytes("shop"),
        server_version: bytes("17.10"),
        client_version: bytes("18.4"),
    };
    Toc { header, entries }
}
