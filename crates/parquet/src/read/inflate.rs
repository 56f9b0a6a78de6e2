//! Pages decompressed into exactly the bytes that their headers declare, and no more.

use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::basic::Compression;

/// What all columns with one codec share: each decoder takes memory of its own.
pub(crate) type SharedInflate = Arc<Mutex<Inflate>>;

/// The decoders of a row group, one for each codec.
#[derive(Default)]
pub(crate) struct Codecs(Vec<(Compression, SharedInflate)>);

impl Codecs {
    /// `Err` names a codec that is not known.
    pub(crate) fn of(&mut self, codec: Compression) -> Result<SharedInflate, String> {
        if let Some((_, known)) = self.0.iter().find(|(known, _)| *known == codec) {
            return Ok(Arc::clone(known));
        }
        let inflate = Arc::new(Mutex::new(Inflate::new(codec)?));
        self.0.push((codec, Arc::clone(&inflate)));
        Ok(inflate)
    }
}

pub(crate) fn lock(shared: &SharedInflate) -> MutexGuard<'_, Inflate> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Undoes one codec. What a page makes of its bytes can never be longer than asked for.
pub(crate) enum Inflate {
    None,
    Snappy(snap::raw::Decoder),
    Gzip(libdeflater::Decompressor),
    Zstd(zstd::bulk::Decompressor<'static>),
}

impl Inflate {
    /// `Err` names a codec that is not known.
    fn new(codec: Compression) -> Result<Self, String> {
        Ok(match codec {
            Compression::UNCOMPRESSED => Self::None,
            Compression::SNAPPY => Self::Snappy(snap::raw::Decoder::new()),
            Compression::GZIP(_) => Self::Gzip(libdeflater::Decompressor::new()),
            Compression::ZSTD(_) => {
                Self::Zstd(zstd::bulk::Decompressor::new().map_err(|error| error.to_string())?)
            }
            other => {
                return Err(format!("codec {other}: read are UNCOMPRESSED, SNAPPY, GZIP and ZSTD"));
            }
        })
    }

    /// Appends the content of `input`, which must be `length` bytes long. `Err` says why it is not.
    pub(crate) fn append(
        &mut self,
        input: &[u8],
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let start = out.len();
        if matches!(self, Self::None) {
            out.extend_from_slice(input);
        } else if length > 0 {
            out.resize(start + length, 0);
            let written = self.fill(input, &mut out[start..])?;
            out.truncate(start + written);
        }
        let got = out.len() - start;
        if got == length { Ok(()) } else { Err(format!("it has {got} bytes, not {length}")) }
    }

    fn fill(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize, String> {
        match self {
            Self::None => Err("it is not compressed".to_owned()),
            Self::Snappy(decoder) => {
                decoder.decompress(input, out).map_err(|error| error.to_string())
            }
            Self::Gzip(decoder) => match decoder.gzip_decompress(input, out) {
                Ok(written) if written == out.len() => Ok(written),
                // Some writers make several members of a page.
                Ok(_) => members(input, out),
                Err(error) => Err(error.to_string()),
            },
            Self::Zstd(decoder) => {
                decoder.decompress_to_buffer(input, out).map_err(|error| error.to_string())
            }
        }
    }
}

fn members(input: &[u8], out: &mut [u8]) -> Result<usize, String> {
    let mut decoder = flate2::bufread::MultiGzDecoder::new(input);
    let mut written = 0;
    while written < out.len() {
        match decoder.read(&mut out[written..]).map_err(|error| error.to_string())? {
            0 => return Ok(written),
            more => written += more,
        }
    }
    match decoder.read(&mut [0]).map_err(|error| error.to_string())? {
        0 => Ok(written),
        _ => Err("it is longer than its header says".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use parquet::basic::{GzipLevel, ZstdLevel};

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn compressed(codec: Compression, content: &[u8]) -> Vec<u8> {
        match codec {
            Compression::SNAPPY => snap::raw::Encoder::new().compress_vec(content).unwrap(),
            Compression::GZIP(_) => gzip(content),
            Compression::ZSTD(_) => zstd::bulk::compress(content, 1).unwrap(),
            _ => content.to_owned(),
        }
    }

    fn codecs() -> [Compression; 4] {
        [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
        ]
    }

    #[test]
    fn every_codec_gives_the_bytes_that_were_declared() {
        let content = b"abcabcabc-".repeat(1000);
        for codec in codecs() {
            let mut inflate = Inflate::new(codec).unwrap();
            let input = compressed(codec, &content);
            let mut out = b"before".to_vec();
            inflate.append(&input, content.len(), &mut out).unwrap();
            assert!(out == [b"before", &content[..]].concat(), "{codec:?}");
            for wrong in [content.len() - 1, content.len() + 1, 1] {
                let mut out = Vec::new();
                assert!(inflate.append(&input, wrong, &mut out).is_err(), "{codec:?} {wrong}");
                assert!(out.capacity() <= content.len() * 2, "{codec:?}");
            }
            let mut cut = Vec::new();
            assert!(inflate.append(&input[..input.len() / 2], content.len(), &mut cut).is_err());
        }
    }

    #[test]
    fn a_page_of_several_gzip_members_is_one() {
        let input = [gzip(b"first "), gzip(b"second")].concat();
        let mut inflate = Inflate::new(codecs()[2]).unwrap();
        let mut out = Vec::new();
        inflate.append(&input, 12, &mut out).unwrap();
        assert_eq!(out, b"first second");
        assert!(inflate.append(&input, 11, &mut Vec::new()).is_err());
        assert!(inflate.append(&input, 13, &mut Vec::new()).is_err());
    }

    #[test]
    fn columns_of_one_codec_share_a_decoder() {
        let mut shared = Codecs::default();
        for codec in codecs() {
            let (one, other) = (shared.of(codec).unwrap(), shared.of(codec).unwrap());
            assert!(Arc::ptr_eq(&one, &other), "{codec:?}");
        }
        assert_eq!(shared.0.len(), codecs().len());
        assert!(shared.of(Compression::LZO).is_err());
    }

    #[test]
    fn other_codecs_are_named() {
        let error = Codecs::default().of(Compression::LZ4_RAW).err().unwrap();
        assert!(error.starts_with("codec LZ4_RAW"), "{error}");
    }
}
