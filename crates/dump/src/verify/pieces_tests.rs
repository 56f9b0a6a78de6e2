use autodump_core::compression::Compression;

use super::*;
use crate::codec::Encoder;

fn compressed(compression: &str, texts: &[&str]) -> Vec<Vec<u8>> {
    let compression: Compression = compression.parse().unwrap();
    let one = |text: &&str| {
        let (mut encoder, mut out) = (Encoder::new(compression).unwrap(), Vec::new());
        encoder.write(text.as_bytes(), &mut out);
        encoder.end_frame(&mut out);
        out
    };
    texts.iter().map(one).collect()
}

async fn read(
    holds: Holds,
    lengths: &[usize],
    file: &[u8],
    cut: usize,
) -> Result<RowDigest, String> {
    let lengths = lengths.iter().map(|length| *length as u64);
    let mut pieces = Pieces::new(Room::new(2), holds, lengths);
    for bytes in file.chunks(cut) {
        pieces.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    }
    pieces.finish().await.unwrap().map(|content| content.rows)
}

fn digest(rows: &[&str]) -> RowDigest {
    let mut digest = RowDigest::default();
    for row in rows {
        digest.add(row.as_bytes());
    }
    digest
}

#[tokio::test]
async fn rows_are_the_same_however_a_file_is_cut() {
    for (compression, algorithm) in [
        ("none", Algorithm::None),
        ("gzip:1", Algorithm::Gzip),
        ("zstd:1", Algorithm::Zstd),
        ("lz4", Algorithm::Lz4),
    ] {
        let parts = compressed(compression, &["a\nb\n", "c\n", "d\n\\.\n\n\n"]);
        let lengths: Vec<_> = parts.iter().map(Vec::len).collect();
        let file = parts.concat();
        let expected = Ok(digest(&["d", "c", "b", "a"]));
        for cut in [1, 7, file.len()] {
            let holds = Holds::Rows(algorithm);
            assert_eq!(
                read(holds.clone(), &lengths, &file, cut).await,
                expected,
                "{compression} {cut}"
            );
            assert_eq!(read(holds.clone(), &[], &file, cut).await, expected, "{compression} {cut}");
        }
        assert_eq!(read(Holds::Bytes(algorithm), &[], &file, 3).await, Ok(digest(&[])));
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let holds = Holds::Rows(Algorithm::Gzip);
    let parts = compressed("gzip:1", &["a\nb\n", "c\n", "d\n\\.\n\n\n"]);
    let (first, second, last) = (parts[0].len(), parts[1].len(), parts[2].len());
    let file = parts.concat();
    for (lengths, file, says) in [
        (vec![first - 1, second + 1, last], file.clone(), "ends within a frame"),
        (vec![first, second], file[..first + second].to_vec(), "the end marker is missing"),
        (
            vec![first, last + second, 0],
            [&parts[0][..], &parts[2], &parts[1]].concat(),
            "after the end marker",
        ),
        (
            vec![last, first, second],
            [&parts[2][..], &parts[0], &parts[1]].concat(),
            "after the end marker",
        ),
        (vec![], file[..file.len() - 1].to_vec(), "ends within a frame"),
        (vec![], Vec::new(), "the end marker is missing"),
    ] {
        let wrong = read(holds.clone(), &lengths, &file, 5).await.unwrap_err();
        assert!(wrong.contains(says), "{lengths:?}: {wrong}");
    }
    let cut_row = compressed("gzip:1", &["a\nb", "\n\\.\n"]);
    let lengths: Vec<_> = cut_row.iter().map(Vec::len).collect();
    let wrong = read(holds.clone(), &lengths, &cut_row.concat(), 5).await.unwrap_err();
    assert_eq!(wrong, "the piece ends within a row");

    let mut flipped = file.clone();
    flipped[first + second - 5] ^= 1;
    let wrong = read(holds.clone(), &[first, second, last], &flipped, 5).await.unwrap_err();
    assert!(wrong.starts_with(&format!("in the piece from byte {first}: gzip data")), "{wrong}");
}

#[tokio::test]
async fn a_file_that_is_larger_than_the_room_gets_through() {
    let row = "x".repeat(1023);
    let text = format!("{row}\n").repeat(40_000);
    let file = [text.as_bytes(), b"\\.\n\n\n"].concat();
    let read = read(Holds::Rows(Algorithm::None), &[], &file, 30 << 20).await.unwrap();
    assert_eq!(read.rows, 40_000);
}
