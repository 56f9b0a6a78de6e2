use autodump_core::ErrorClass;

use super::*;
use crate::codec::Decoder;

#[tokio::test]
async fn an_entry_says_what_its_page_is() {
    let item = r#"{"id":{"N":"1"}}"#;
    let items = vec![item; 3000].join(",\n");
    let body = format!(
        r#"{{"Items":[{items}],"Count":3000,"LastEvaluatedKey":{item},"ConsumedCapacity":{{"CapacityUnits":7.5}}}}"#
    );
    let expected = format!("{{\"Item\":{item}}}\n").repeat(3000);
    for name in ["none", "gzip:1", "zstd:1", "lz4"] {
        let compression: Compression = name.parse().unwrap();
        let framer = Framer::new(compression, false);
        // The second one gets a used encoder.
        for segment in [4, 5] {
            let frame = framer.frame(segment, body.clone().into()).await.unwrap();
            let Frame { entry, bytes } = frame;
            assert_eq!(
                (entry.segment, entry.items, entry.next.as_deref()),
                (segment, 3000, Some(item))
            );
            assert_eq!(
                (entry.bytes, entry.crc64nvme),
                (expected.len() as u64, crc::of(expected.as_bytes()))
            );
            assert_eq!((entry.frame, entry.frame_crc64nvme), (bytes.len() as u64, crc::of(&bytes)));
            assert!((entry.units - 7.5).abs() < 0.001);
            let (mut decoder, mut lines) =
                (Decoder::new(compression.algorithm()).unwrap(), Vec::new());
            let mut take = |piece: &[u8]| {
                lines.extend_from_slice(piece);
                Ok(())
            };
            decoder.write(&bytes, &mut take).unwrap();
            decoder.finish().unwrap();
            assert!(lines == expected.as_bytes(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_page_without_items_has_an_empty_frame_and_its_price_is_guessed() {
    for (name, consistent, units) in
        [("zstd:1", false, 0.5), ("gzip:1", true, 1.0), ("none", true, 1.0)]
    {
        let framer = Framer::new(name.parse().unwrap(), consistent);
        let frame = framer.frame(0, r#"{"Items":[],"Count":0}"#.into()).await.unwrap();
        assert_eq!((frame.bytes.len(), frame.entry.frame, frame.entry.bytes), (0, 0, 0));
        assert_eq!(frame.entry.next, None);
        assert!((frame.entry.units - units).abs() < 0.001);
    }
}

#[tokio::test]
async fn a_body_that_is_no_page_is_the_source_s_fault() {
    let framer = Framer::new("zstd:1".parse().unwrap(), false);
    let error = framer.frame(0, "{}".into()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
}
