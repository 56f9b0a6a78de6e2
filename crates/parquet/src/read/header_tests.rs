use proptest::prelude::*;

use super::*;

/// Field 1 (i32) 2, 2 (i32) 300, 3 (i32) 20, 7 (struct): 1 (i32) 5, 2 (i32) 2, 3 (bool) false.
const DICTIONARY: [u8; 17] =
    [0x15, 4, 0x15, 0xd8, 4, 0x15, 40, 0x4c, 0x15, 10, 0x15, 4, 0x12, 0, 0, 99, 99];

#[test]
fn a_dictionary_is_read() {
    let (header, length) = read(&DICTIONARY).unwrap();
    let kind = Kind::Dictionary { values: 5, encoding: Encoding::PLAIN_DICTIONARY };
    assert_eq!(header, Header { kind, uncompressed: 300, compressed: 20, crc: None });
    assert_eq!(length, 15);
}

#[test]
fn a_header_that_goes_on_is_short() {
    for end in 0..15 {
        assert_eq!(read(&DICTIONARY[..end]), Err(Trouble::Short), "{end}");
    }
}

#[test]
fn a_page_of_the_second_version_with_statistics_is_read() {
    let inner = [0x15, 20, 0x15, 4, 0x15, 20, 0x15, 16, 0x15, 6, 0x15, 0, 0x12];
    let statistics = [0x1c, 0x18, 3, 1, 2, 3, 0x29, 0x25, 2, 4, 0x11, 0];
    let bytes = [&[0x15, 6, 0x15, 100, 0x15, 80, 0x15, 1, 0x4c][..], &inner, &statistics, &[0, 0]];
    let (header, length) = read(&bytes.concat()).unwrap();
    let expected = V2 {
        values: 10,
        nulls: 2,
        rows: 10,
        encoding: Encoding::RLE_DICTIONARY,
        def_bytes: 3,
        rep_bytes: 0,
        is_compressed: false,
    };
    assert_eq!(header.kind, Kind::DataV2(expected));
    assert_eq!((header.crc, length), (Some(u32::MAX), bytes.concat().len()));
}

#[test]
fn what_is_no_header_is_broken() {
    let negative = [0x15, 0, 0x15, 1, 0x15, 40, 0x4c, 0x15, 10, 0, 0];
    assert!(matches!(read(&negative), Err(Trouble::Broken(why)) if why.contains("-1 bytes")));
    for bytes in [&[0u8][..], &[0x1d, 0], &[0xff; 30], &[[0x1c; 40].as_slice(), &[0; 50]].concat()]
    {
        assert!(matches!(read(bytes), Err(Trouble::Broken(_))), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok((_, length)) = read(&bytes) {
            prop_assert!(length <= bytes.len());
        }
    }
}
