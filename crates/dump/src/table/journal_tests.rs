use autodump_core::testing::MemoryStore;
use proptest::prelude::*;

use super::*;

fn at() -> ObjectLocation {
    ObjectLocation { bucket: "b".to_owned(), key: "d/state/00000/journal-0000000007".to_owned() }
}

fn frame(segment: u32, next: Option<String>, half_units: u32, bytes: Vec<u8>) -> Frame {
    let entry = Entry {
        segment,
        next,
        items: u64::from(half_units) * 3,
        bytes: u64::from(half_units) << 20,
        crc64nvme: u64::from(segment) << 40 | 5,
        units: f64::from(half_units) / 2.0,
        frame: bytes.len() as u64,
        frame_crc64nvme: crc::of(&bytes),
    };
    Frame { entry, bytes: bytes.into() }
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let bytes = prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 1..300)];
    let one = (any::<u32>(), prop::option::of("\\PC{0,30}|[\n\"]{0,4}"), any::<u32>(), bytes)
        .prop_map(|(segment, next, units, bytes)| frame(segment, next, units, bytes));
    prop::collection::vec(one, 0..5)
}

#[test]
fn the_format_is_what_it_was() {
    let frames = [
        frame(3, Some(r#"{"id":{"S":"ü"}}"#.to_owned()), 1, b"one".to_vec()),
        frame(9, None, 0, Vec::new()),
    ];
    let bytes = encode("w1", &frames).unwrap();
    let expected = concat!(
        r#"{"version":1,"crc64nvme":"CRC","content":{"writer":"w1","entries":["#,
        r#"{"segment":3,"next":"{\"id\":{\"S\":\"ü\"}}","items":3,"bytes":1048576,"#,
        r#""crc64nvme":"0000030000000005","units":0.5,"frame":3,"frameCrc64nvme":"ONE"},"#,
        r#"{"segment":9,"next":null,"items":0,"bytes":0,"#,
        r#""crc64nvme":"0000090000000005","units":0.0,"frame":0,"frameCrc64nvme":"NONE"}]}}"#,
        "\none",
    );
    let hex = |bytes: &[u8]| format!("{:016x}", crc::of(bytes));
    let expected = expected.replace("NONE", &hex(b"")).replace("ONE", &hex(b"one"));
    let content = expected.split_once("\"content\":").unwrap().1.split_once("}\none").unwrap().0;
    let expected = expected.replace("CRC", &hex(content.as_bytes()));
    assert_eq!(String::from_utf8(bytes.to_vec()).unwrap(), expected);
}

#[test]
fn what_a_newer_version_wrote_is_refused_as_such() {
    let bytes = b"{\"version\":2,\"entries\":7}\n".as_slice().into();
    let error = decode(&at(), &bytes).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(
        error.what().ends_with("journal-0000000007 has version 2, and 1 is understood"),
        "{error}"
    );
}

#[tokio::test]
async fn a_head_is_read_alone_however_long_it_is() {
    for entries in [0_u32, 1, 2000] {
        let many: Vec<_> =
            (0..entries).map(|n| frame(n, Some("k".repeat(100)), n, vec![7; 500])).collect();
        let (store, bytes) = (MemoryStore::default(), encode("me", &many).unwrap());
        store.put(&at(), bytes.clone());
        let head = read_head(&store, &at(), bytes.len() as u64).await.unwrap();
        assert_eq!(head, decode(&at(), &bytes).unwrap().0);
        assert_eq!((head.entries.len(), head.writer.as_str()), (entries as usize, "me"));
    }
    for bad in [Bytes::new(), vec![b' '; 100_000].into(), "{\n".into()] {
        let store = MemoryStore::default();
        store.put(&at(), bad.clone());
        let error = read_head(&store, &at(), bad.len() as u64).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification);
        assert!(error.what().contains(&at().key), "{error}");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(writer in "\\PC{0,20}", frames in frames()) {
        let bytes = encode(&writer, &frames).unwrap();
        let (head, decoded) = decode(&at(), &bytes).unwrap();
        prop_assert_eq!(head.writer, writer);
        prop_assert_eq!(head.entries, frames.iter().map(|f| f.entry.clone()).collect::<Vec<_>>());
        prop_assert_eq!(decoded, frames);
    }

    #[test]
    fn any_damage_is_found_and_names_the_object(
        frames in frames(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        kind in 0..3,
    ) {
        let good = encode("writer", &frames).unwrap();
        let (mut bad, at_byte) = (good.to_vec(), place.index(good.len()));
        match kind {
            0 => bad[at_byte] = byte,
            1 => bad.truncate(at_byte),
            _ => bad.insert(at_byte, byte),
        }
        prop_assume!(bad != good);
        // Spaces around the parts of the first line mean nothing.
        let readable = decode(&at(), &bad.clone().into());
        if let Ok((_, decoded)) = readable {
            prop_assert!(kind == 2 && byte.is_ascii_whitespace());
            prop_assert_eq!(decoded, frames);
            return Ok(());
        }
        let error = readable.unwrap_err();
        prop_assert_eq!(error.class(), ErrorClass::Verification);
        prop_assert!(error.what().contains(&at().key), "{}", error);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&at(), &bytes.into()).is_err());
    }
}
