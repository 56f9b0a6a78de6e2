use autodump_core::Result;
use autodump_core::compression::{Algorithm, Compression};
use proptest::prelude::*;

use super::*;

const ALL: [&str; 10] =
    ["none", "gzip:1", "gzip:6", "gzip:9", "zstd:1", "zstd:3", "zstd:19", "lz4", "gzip", "zstd"];

const LZ4_BY_OTHERS: &str = "04224d186440a70f0000006968656c6c6f20060050656c6c6f0a00000000e2ff0342";
const ZSTD_BY_OTHERS: &str = "28b52ffd04586d00003868656c6c6f200a0100994b11a87c2ea8";
const GZIP_BY_OTHERS: &str = "1f8b0800000000000003cb48cdc9c957c84027b9000088590b18000000";

fn compression(text: &str) -> Compression {
    text.parse().unwrap()
}

/// Text of the kind that `COPY` writes: `length` bytes, the same for the same seed.
fn text(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut text = Vec::with_capacity(length + 64);
    while text.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("{state}\tname {}\t\\N\n", state % 97).as_bytes());
    }
    text.truncate(length);
    text
}

/// Frames of `inputs`, one or more for each.
fn encoded(compression: Compression, inputs: &[&[u8]], step: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(compression).unwrap();
    let frames = |input: &&[u8]| {
        let mut out = Vec::new();
        input.chunks(step).for_each(|chunk| encoder.write(chunk, &mut out));
        encoder.end_frame(&mut out);
        out
    };
    inputs.iter().map(frames).collect()
}

fn decoded(algorithm: Algorithm, file: &[u8], step: usize) -> Result<Vec<u8>> {
    let mut decoder = Decoder::new(algorithm)?;
    let mut all = Vec::new();
    for chunk in file.chunks(step) {
        decoder.write(chunk, &mut |piece| {
            assert!(!piece.is_empty() && piece.len() <= PIECE);
            all.extend_from_slice(piece);
            Ok(())
        })?;
    }
    decoder.finish().map(|()| all)
}

#[test]
fn several_frames_are_one_file_and_each_stands_alone() {
    let inputs = [text(3_000_000, 1), text(10, 2), Vec::new(), text(700_000, 3)];
    let slices: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
    for name in ALL {
        let compression = compression(name);
        // In the large and, as rows come, in the small.
        for step in [8 << 20, 100] {
            let frames = encoded(compression, &slices, step);
            assert_eq!(frames[2], b"", "{name}");
            for (frame, input) in frames.iter().zip(&inputs) {
                assert!(decoded(compression.algorithm(), frame, 65_536).unwrap() == *input);
            }
            let file = frames.concat();
            let whole = decoded(compression.algorithm(), &file, 99_991).unwrap();
            assert!(whole == inputs.concat(), "{name}");
            assert!(name == "none" || file.len() < whole.len() * 2 / 3, "{name}: {}", file.len());
        }
    }
}

#[test]
fn what_is_written_does_not_ask_for_more_than_the_headroom() {
    let noise = text(5_000_000, 7).into_iter().zip(text(5_000_000, 9)).map(|(a, b)| a ^ b);
    let noise: Vec<_> = noise.collect();
    for name in ALL {
        let mut encoder = Encoder::new(compression(name)).unwrap();
        let mut out = Vec::with_capacity(noise.len() + HEADROOM);
        let before = out.capacity();
        noise.chunks(77_777).for_each(|chunk| encoder.write(chunk, &mut out));
        encoder.end_frame(&mut out);
        assert_eq!(out.capacity(), before, "{name}");
        let length = out.len();
        encoder.end_frame(&mut out);
        assert_eq!(out.len(), length, "{name}: an end without input");
    }
}

#[test]
fn gzip_is_not_larger_than_zlib_makes_it() {
    use std::io::Write as _;
    let input = text(4_000_000, 5);
    let ours = encoded(compression("gzip:1"), &[&input], 5000).concat().len();
    // zlib-rs has another level 1; its level 2 is about as dense as zlib's level 1.
    let level = flate2::Compression::new(2);
    let mut zlib = flate2::write::GzEncoder::new(Vec::new(), level);
    zlib.write_all(&input).unwrap();
    let theirs = zlib.finish().unwrap().len();
    assert!(ours * 10 <= theirs * 11, "{ours} bytes, and zlib's are {theirs}");
}

#[test]
fn files_of_others_are_read() {
    // `printf 'hello hello hello hello\n' | lz4 -c -BD` (64 KiB linked blocks, content checksum),
    // `… | zstd -c` (content checksum), `… | gzip -cn`.
    for (name, hex) in
        [("x.lz4", LZ4_BY_OTHERS), ("x.zst", ZSTD_BY_OTHERS), ("x.gz", GZIP_BY_OTHERS)]
    {
        let algorithm = algorithm_of(name);
        let file = hex::decode(hex).unwrap();
        for step in [1, 3, 1000] {
            let read = decoded(algorithm, &file.repeat(2), step).unwrap();
            assert_eq!(read, b"hello hello hello hello\n".repeat(2), "{name}");
        }
        // All of these formats have checksums in these files.
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            let read = decoded(algorithm, &changed, 1000);
            let good = b"hello hello hello hello\n";
            assert!(read.is_err() || read.is_ok_and(|read| read == good), "{name} at {at}");
        }
    }
}

#[test]
fn linked_blocks_of_others_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write as _;
    let input = text(900_000, 11);
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Linked)
        .block_checksums(true)
        .content_checksum(true)
        .content_size(Some(input.len() as u64));
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(&input).unwrap();
    let mut file = encoder.finish().unwrap();
    assert!(decoded(Algorithm::Lz4, &file, 1013).unwrap() == input);
    let middle = file.len() / 2;
    file[middle] ^= 1;
    assert!(decoded(Algorithm::Lz4, &file, 1013).is_err());
}

#[test]
fn damage_is_a_verification_error_that_names_the_place() {
    let input = text(2_000_000, 4);
    for name in ["gzip", "zstd", "lz4"] {
        let compression = compression(name);
        let file = encoded(compression, &[&input], 4096).concat();
        for cut in [1, 5, 100, file.len() / 2, file.len() - 1] {
            let error = decoded(compression.algorithm(), &file[..cut], 50_000).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Verification);
            let what = format!("{name} data are damaged at or before byte {cut}: it ends within");
            assert!(error.what().starts_with(&what), "{error}");
        }
        for garbage in [&b"PGDMP and more of it"[..], &[0; 20], b"\x1f\x8b\x09\0\0\0\0\0\0\0\0"] {
            let file = [&file, garbage].concat();
            let error = decoded(compression.algorithm(), &file, 50_000).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Verification);
            assert!(error.what().starts_with(name), "{error}");
        }
        assert_eq!(decoded(compression.algorithm(), b"", 1).unwrap(), b"");
    }
}

#[test]
fn an_error_of_who_takes_the_output_ends_it() {
    for name in ALL {
        let compression = compression(name);
        let file = encoded(compression, &[&text(1_000_000, 6)], 4096).concat();
        let mut decoder = Decoder::new(compression.algorithm()).unwrap();
        let mut calls = 0;
        let error = decoder.write(&file, &mut |_| {
            calls += 1;
            Err(Error::new(ErrorClass::Destination, "full", "Empty it"))
        });
        assert_eq!((error.unwrap_err().what(), calls), ("full", 1), "{name}");
    }
}

#[test]
fn the_extension_tells_the_algorithm() {
    for algorithm in [Algorithm::None, Algorithm::Gzip, Algorithm::Zstd, Algorithm::Lz4] {
        let name = format!("app.orders-16385.dat{}", extension(algorithm));
        assert_eq!(algorithm_of(&name), algorithm);
    }
    assert_eq!(algorithm_of("toc.dat"), Algorithm::None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_encoded_is_decoded(
        inputs in prop::collection::vec((0usize..300_000, any::<u32>()), 0..4),
        name in prop::sample::select(&ALL[..]),
        steps in (1usize..70_000, 1000usize..70_000),
    ) {
        let compression = compression(name);
        let inputs: Vec<_> = inputs.into_iter().map(|(length, seed)| text(length, seed)).collect();
        let slices: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
        let file = encoded(compression, &slices, steps.0.max(50)).concat();
        let read = decoded(compression.algorithm(), &file, steps.1).unwrap();
        prop_assert!(read == inputs.concat());
    }

    #[test]
    fn damaged_files_do_no_harm(
        name in prop::sample::select(&["gzip", "zstd", "lz4"][..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        step in 1usize..5000,
    ) {
        let compression = compression(name);
        let mut file = encoded(compression, &[&text(20_000, 1), b"x"], 4096).concat();
        for (index, byte) in changes {
            let at = index.index(file.len());
            file[at] = byte;
        }
        if let Err(error) = decoded(compression.algorithm(), &file, step) {
            prop_assert_eq!(error.class(), ErrorClass::Verification);
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(
        algorithm in prop::sample::select(&[Algorithm::Gzip, Algorithm::Zstd, Algorithm::Lz4][..]),
        magic in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let magic: &[u8] = match algorithm {
            _ if !magic => b"",
            Algorithm::Gzip => b"\x1f\x8b\x08\0\0\0\0\0\0\0",
            Algorithm::Zstd => b"\x28\xb5\x2f\xfd",
            _ => b"\x04\x22\x4d\x18\x64\x40\xa7",
        };
        drop(decoded(algorithm, &[magic, &bytes].concat(), 50));
    }
}
