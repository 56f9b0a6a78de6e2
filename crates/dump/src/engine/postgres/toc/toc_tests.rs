use proptest::prelude::*;

use super::samples::{bytes, entry, toc};
use super::*;

fn table(dump_id: i32, oid: u32, tag: &str) -> Entry {
    Entry {
        catalogue: PG_CLASS,
        oid,
        namespace: bytes("app"),
        tablespace: bytes(""),
        tableam: bytes("heap"),
        owner: bytes("me"),
        ..entry(dump_id, "TABLE", tag, Section::PreData)
    }
}

/// Builds the bytes from hexadecimal numbers and texts in quotes.
fn golden(parts: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts.split_whitespace() {
        match part.strip_prefix('"') {
            Some(text) => out.extend_from_slice(text.trim_end_matches('"').as_bytes()),
            None => out.extend(hex::decode(part).unwrap()),
        }
    }
    out
}

#[test]
fn the_bytes_are_these() {
    for (version, minor, compression, relkind) in [
        (Version::V1_14, "0e", "0101000000", ""),
        (Version::V1_15, "0f", "03", ""),
        (Version::V1_16, "10", "03", "0072000000"),
    ] {
        let mut table =
            Entry { defn: bytes("x"), dependencies: vec![6, 10], ..table(7, 16_385, "t") };
        if version == Version::V1_16 {
            table.relkind = i32::from(b'r');
        }
        let toc = toc(version, vec![table]);
        let expected = golden(&format!(
            r#" "PGDMP" 01{minor}00 04 08 03 {compression}
            0033000000 0021000000 0005000000 0015000000 000a000000 007e000000 0000000000
            0004000000 "shop" 0005000000 "17.10" 0004000000 "18.4"
            0001000000
            0007000000 0000000000 0004000000 "1259" 0005000000 "16385"
            0001000000 "t" 0005000000 "TABLE" 0002000000
            0001000000 "x" 0101000000 0101000000
            0003000000 "app" 0000000000 0004000000 "heap" {relkind}
            0002000000 "me" 0005000000 "false"
            0001000000 "6" 0002000000 "10" 0101000000
            0000000000"#
        ));
        assert_eq!(toc.write(), expected);
        assert_eq!(Toc::read(&expected), Ok(toc));
    }
}

#[test]
fn what_is_unknown_is_told_from_what_is_damaged() {
    let good = toc(Version::V1_16, vec![table(1, 2, "t")]).write();
    for (at, byte, what) in [
        (6, 17, "version 1.17.0"),
        (6, 13, "version 1.13.0"),
        (5, 2, "version 2.16.0"),
        (8, 8, "size of integers 8 instead of 4"),
        (9, 4, "size of offsets 4 instead of 8"),
        (10, 1, "format 1 instead of 3"),
    ] {
        let mut changed = good.clone();
        changed[at] = byte;
        assert_eq!(Toc::read(&changed), Err(Unreadable::Unknown(what.to_owned())));
    }
    for length in 0..good.len() {
        let error = Toc::read(&good[..length]).unwrap_err();
        assert!(matches!(error, Unreadable::Damaged { .. }), "{length}: {error}");
    }
    let longer = [&good[..], b"\0"].concat();
    let error = Toc::read(&longer).unwrap_err();
    let offset = good.len();
    let expected =
        format!("toc.dat is damaged at byte {offset}: there is more after the last entry");
    assert_eq!(error.to_string(), expected);
    assert!(matches!(Toc::read(b"PGDMQ......"), Err(Unreadable::Damaged { offset: 0, .. })));
}

#[test]
fn a_length_is_not_believed() {
    let mut huge = toc(Version::V1_14, vec![]).write();
    let count = huge.len() - 5;
    for number in ["00ffffff7f", "01ffffff7f", "0000000080", "01000000ff", "0200000000"] {
        huge.truncate(count);
        huge.extend(hex::decode(number).unwrap());
        assert!(matches!(Toc::read(&huge), Err(Unreadable::Damaged { .. })), "{number}");
    }
}

fn order(toc: &Toc) -> Vec<(i32, String)> {
    let shown = |entry: &Entry| (entry.dump_id, format!("{} {}", shown(&entry.desc), entry.name()));
    toc.entries.iter().map(shown).collect()
}

fn rows(table: u32) -> TableData {
    let copy_stmt = format!("COPY app.t{table} (a) FROM stdin;\n").into_bytes();
    TableData { table, copy_stmt, file_name: format!("app.t{table}-{table}.dat") }
}

#[test]
fn rows_are_added_where_pg_dump_has_them() {
    let mut toc = toc(
        Version::V1_14,
        vec![
            entry(20, "ENCODING", "ENCODING", Section::PreData),
            table(3, 102, "b"),
            table(4, 101, "a"),
            table(5, 103, "c"),
            entry(6, "BLOB", "4711", Section::PreData),
            entry(7, "TABLE DATA", "of an extension", Section::Data),
            Entry { dependencies: vec![33], ..entry(8, "SEQUENCE SET", "s", Section::Data) },
            entry(9, "INDEX", "i", Section::PostData),
        ],
    );
    toc.add_table_data([rows(103), rows(102)]).unwrap();
    let expected = [
        (20, "ENCODING ENCODING"),
        (3, "TABLE b"),
        (4, "TABLE a"),
        (5, "TABLE c"),
        (6, "BLOB 4711"),
        (7, "TABLE DATA of an extension"),
        (34, "TABLE DATA b"),
        (35, "TABLE DATA c"),
        (8, "SEQUENCE SET s"),
        (9, "INDEX i"),
    ];
    assert_eq!(order(&toc), expected.map(|(id, what)| (id, what.to_owned())));
    assert_eq!(
        toc.entries[6],
        Entry {
            had_dumper: true,
            oid: 102,
            copy_stmt: bytes("COPY app.t102 (a) FROM stdin;\n"),
            namespace: bytes("app"),
            owner: bytes("me"),
            dependencies: vec![3],
            file_name: bytes("app.t102-102.dat"),
            ..entry(34, "TABLE DATA", "b", Section::Data)
        }
    );
    assert_eq!(toc.table_data().count(), 3);
    assert_eq!(toc.tables().count(), 3);

    let before = toc.clone();
    let error = toc.add_table_data([rows(101), rows(7)]).unwrap_err();
    assert_eq!((error.class(), toc), (ErrorClass::Internal, before));
}

#[test]
fn rows_come_before_indexes_or_last() {
    let index = entry(9, "INDEX", "i", Section::PostData);
    let mut with_index = toc(Version::V1_16, vec![table(3, 101, "a"), index]);
    with_index.add_table_data([rows(101)]).unwrap();
    assert_eq!(with_index.entries[1].dump_id, 10);
    let mut without = toc(Version::V1_16, vec![table(i32::MAX - 1, 101, "a")]);
    without.add_table_data([rows(101)]).unwrap();
    assert_eq!(without.entries[1].dump_id, i32::MAX);
    assert!(without.add_table_data([rows(101)]).is_err());
}

#[test]
fn the_encoding_is_that_of_its_entry() {
    let mut toc = toc(Version::V1_16, vec![entry(1, "ENCODING", "ENCODING", Section::PreData)]);
    assert_eq!(toc.encoding(), None);
    toc.entries[0].defn = bytes("SET client_encoding = 'LATIN1';\n");
    assert_eq!(toc.encoding(), Some("LATIN1"));
}

fn texts() -> impl Strategy<Value = Text> {
    prop_oneof![Just(None), prop::collection::vec(any::<u8>(), 0..12).prop_map(Some),]
}

prop_compose! {
    fn entries(version: Version)(
        (dump_id, had_dumper, catalogue, oid) in any::<(i32, bool, u32, u32)>(),
        section in prop::sample::select(
            &[Section::None, Section::PreData, Section::Data, Section::PostData][..]
        ),
        relkind in any::<i32>(),
        dependencies in prop::collection::vec(any::<i32>(), 0..4),
        mut texts in prop::collection::vec(texts(), 11),
    ) -> Entry {
        let mut text = || texts.pop().unwrap();
        Entry {
            dump_id, had_dumper, catalogue, oid, section, dependencies,
            relkind: if version < Version::V1_16 { 0 } else { relkind },
            tag: text(), desc: text(), defn: text(), drop_stmt: text(), copy_stmt: text(),
            namespace: text(), tablespace: text(), tableam: text(), owner: text(),
            with_oids: text(), file_name: text(),
        }
    }
}

fn tocs() -> impl Strategy<Value = Toc> {
    let versions = prop::sample::select(&[Version::V1_14, Version::V1_15, Version::V1_16][..]);
    let header = |version| {
        let compression = if version < Version::V1_15 { i32::MIN..=i32::MAX } else { 0..=255 };
        (compression, any::<[i32; 7]>(), texts(), texts(), texts()).prop_map(move |fields| {
            let (compression, created, database, server_version, client_version) = fields;
            Header { version, compression, created, database, server_version, client_version }
        })
    };
    versions
        .prop_flat_map(move |version| {
            (header(version), prop::collection::vec(entries(version), 0..5))
        })
        .prop_map(|(header, entries)| Toc { header, entries })
}

proptest! {
    #[test]
    fn what_is_written_is_read(toc in tocs()) {
        prop_assert_eq!(Toc::read(&toc.write()), Ok(toc));
    }

    #[test]
    fn what_is_read_is_written(
        toc in tocs(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = toc.write();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(toc) = Toc::read(&bytes) {
            prop_assert_eq!(toc.write(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(minor in 14u8..17, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(Toc::read(&bytes));
        drop(Toc::read(&[b"PGDMP\x01", &[minor, 0, 4, 8, 3][..], &bytes].concat()));
    }
}
