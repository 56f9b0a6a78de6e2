use proptest::prelude::*;

use super::*;

/// A value of each type, with its type's number.
const VALUES: [(u8, &[u8]); 21] = [
    (0x01, &[0, 0, 0, 0, 0, 0, 0, 0x80]),
    (0x02, b"\x02\0\0\0x\0"),
    (0x03, b"\x05\0\0\0\0"),
    (0x04, b"\x05\0\0\0\0"),
    (0x05, b"\x02\0\0\0\x04ab"),
    (0x06, b""),
    (0x07, b"0123456789ab"),
    (0x08, b"\x01"),
    (0x09, b"12345678"),
    (0x0a, b""),
    (0x0b, b"a.b\0i\0"),
    (0x0c, b"\x02\0\0\0c\x000123456789ab"),
    (0x0d, b"\x02\0\0\0f\0"),
    (0x0e, b"\x01\0\0\0\0"),
    (0x0f, b"\x0f\0\0\0\x02\0\0\0f\0\x05\0\0\0\0"),
    (0x10, b"1234"),
    (0x11, b"12345678"),
    (0x12, b"12345678"),
    (0x13, b"0123456789abcdef"),
    (0x7f, b""),
    (0xff, b""),
];

fn document(elements: &[(u8, &str, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for (kind, name, value) in elements {
        bytes.push(*kind);
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.extend(*value);
    }
    bytes.push(0);
    let length = length_bytes(bytes.len());
    bytes[..4].copy_from_slice(&length);
    bytes
}

fn cut(document: &[u8]) -> Result<Vec<Element<'_>>, Malformed> {
    Elements::of(document)?.collect()
}

#[test]
fn every_type_is_cut_where_it_ends() {
    let names: Vec<_> = (0..VALUES.len()).map(|number| format!("field {number}")).collect();
    let all = VALUES.iter().zip(&names).map(|((kind, value), name)| (*kind, name.as_str(), *value));
    let all: Vec<_> = all.collect();
    let bytes = document(&all);
    let elements = cut(&bytes).unwrap();
    let found: Vec<_> = elements.iter().map(|e| (e.kind, e.name, e.value)).collect();
    assert_eq!(found, all);
}

#[test]
fn a_document_that_is_cut_short_is_refused() {
    for (kind, value) in VALUES.iter().filter(|(_, value)| !value.is_empty()) {
        let bytes = document(&[(*kind, "a", &value[..value.len() - 1])]);
        assert!(cut(&bytes).is_err(), "type {kind:#04x}");
    }
    let whole = document(&[(0x10, "a", b"1234")]);
    for length in 0..whole.len() {
        assert_eq!(cut(&whole[..length]), Err(Malformed::Length));
    }
    let mut unended = whole;
    *unended.last_mut().unwrap() = 1;
    assert_eq!(cut(&unended), Err(Malformed::End));
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(cut(&document(&[(0x14, "a", b"")])), Err(Malformed::Type(0x14)));
    let mut bytes = document(&[(0x0a, "a", b"")]);
    bytes[5] = 0xff;
    assert_eq!(cut(&bytes), Err(Malformed::Name));
    let negative = document(&[(0x02, "a", b"\xff\xff\xff\xff\0")]);
    assert_eq!(cut(&negative), Err(Malformed::Value));
    assert!(Malformed::Type(0x14).to_string().contains("0x14"));
}

#[test]
fn what_is_written_is_read() {
    let mut bytes = b"before".to_vec();
    Writer::new(&mut bytes)
        .text("db", "shöp\0")
        .truth("EOF", true)
        .int32("size", -1)
        .int64("CRC", i64::MIN)
        .end();
    let elements = cut(&bytes[6..]).unwrap();
    assert_eq!(elements[0].text(), Some("shöp\0"));
    assert_eq!((elements[1].truth(), elements[1].text()), (Some(true), None));
    assert_eq!((elements[2].number(), elements[2].truth()), (Some(-1), None));
    assert_eq!(elements[3].number(), Some(i64::MIN));
    assert_eq!(elements[0].number(), None);
}

proptest! {
    /// Whatever the bytes are, they are refused or cut, and nothing panics.
    #[test]
    fn nonsense_is_borne(bytes in proptest::collection::vec(any::<u8>(), 0..64), framed: bool) {
        let bytes = if framed {
            let mut framed = length_bytes(bytes.len() + 5).to_vec();
            framed.extend(&bytes);
            framed.push(0);
            framed
        } else {
            bytes
        };
        let _ = cut(&bytes);
    }
}
