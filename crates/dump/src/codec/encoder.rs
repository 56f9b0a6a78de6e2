use std::io::{Cursor, Write as _};

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::{Error, ErrorClass, Result};
use libdeflater::{CompressionLvl, Compressor};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use zstd::zstd_safe::{CCtx, CParameter, compress_bound};

/// Input of one gzip member: larger ones are no faster and, from here, 0.3 % smaller.
const GZIP_BLOCK: usize = 256 << 10;

/// Input of one Zstandard frame. It is also the window, which is half of that where level 1
/// chooses it itself: cutting into frames costs no size, and no second copy of the input.
const ZSTD_BLOCK: usize = 1 << 20;

/// Capacity beyond its length that `out` is given at most by one step of [`Encoder::write`]
/// or [`Encoder::end_frame`], whatever is then written to it. Who wants no reallocation hands
/// over a buffer with this much left.
pub const HEADROOM: usize = (1 << 20) + (16 << 10);

/// Compresses one data file, or a part of one.
///
/// Up to 1 MiB of input is kept back until there is enough for a frame. A frame has no checksum
/// besides those that its format demands (gzip): the manifest has a hash of each object
/// and of the rows, and in a frame it would cost 3 % of the time.
pub struct Encoder(Codec);

enum Codec {
    None,
    Blocks {
        frames: Frames,
        /// Input that is kept back: less than a block.
        kept: Vec<u8>,
    },
    Lz4 {
        encoder: Box<FrameEncoder<Vec<u8>>>,
        open: bool,
    },
}

/// What makes a frame of its own out of each block.
enum Frames {
    Gzip(Compressor),
    Zstd(CCtx<'static>),
}

impl Encoder {
    /// An encoder. It can be used for any number of frames and files.
    pub fn new(compression: Compression) -> Result<Self> {
        let level = i32::from(compression.level());
        let blocks = |frames: Frames| {
            let kept = Vec::with_capacity(frames.block());
            Codec::Blocks { frames, kept }
        };
        Ok(Self(match compression.algorithm() {
            Algorithm::None => Codec::None,
            Algorithm::Gzip => {
                let level = CompressionLvl::new(level).map_err(|_| unusable(compression))?;
                blocks(Frames::Gzip(Compressor::new(level)))
            }
            Algorithm::Zstd => {
                let mut context = CCtx::try_create().ok_or_else(|| unusable(compression))?;
                context
                    .set_parameter(CParameter::CompressionLevel(level))
                    .map_err(|_| unusable(compression))?;
                blocks(Frames::Zstd(context))
            }
            Algorithm::Lz4 => {
                let info = FrameInfo::new()
                    .block_size(BlockSize::Max1MB)
                    .block_mode(BlockMode::Independent);
                let encoder = Box::new(FrameEncoder::with_frame_info(info, Vec::new()));
                Codec::Lz4 { encoder, open: false }
            }
        }))
    }

    /// Takes `input`, and appends to `out` what is finished.
    ///
    /// # Panics
    /// When there is no memory for the compression, as allocations do.
    pub fn write(&mut self, input: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            Codec::None => out.extend_from_slice(input),
            Codec::Blocks { frames, kept } => frames.write(input, kept, out),
            Codec::Lz4 { encoder, open } if !input.is_empty() => {
                *open = true;
                with_output(encoder, out, |encoder| encoder.write_all(input));
            }
            Codec::Lz4 { .. } => {}
        }
    }

    /// Ends the frame: all input so far is in `out`, as whole frames. Without input since
    /// the last end, nothing is written.
    ///
    /// # Panics
    /// When there is no memory for the compression, as allocations do.
    pub fn end_frame(&mut self, out: &mut Vec<u8>) {
        match &mut self.0 {
            Codec::None => {}
            Codec::Blocks { frames, kept } => {
                if !kept.is_empty() {
                    frames.compress(kept, out);
                    kept.clear();
                }
            }
            Codec::Lz4 { encoder, open } => {
                if std::mem::take(open) {
                    with_output(encoder, out, |encoder| Ok(encoder.try_finish()?));
                }
            }
        }
    }
}

impl Frames {
    const fn block(&self) -> usize {
        match self {
            Self::Gzip(_) => GZIP_BLOCK,
            Self::Zstd(_) => ZSTD_BLOCK,
        }
    }

    fn write(&mut self, mut input: &[u8], kept: &mut Vec<u8>, out: &mut Vec<u8>) {
        let block = self.block();
        while kept.len() + input.len() >= block {
            let (now, later) = input.split_at(block - kept.len());
            if kept.is_empty() {
                self.compress(now, out);
            } else {
                kept.extend_from_slice(now);
                self.compress(kept, out);
                kept.clear();
            }
            input = later;
        }
        kept.extend_from_slice(input);
    }

    fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Gzip(compressor) => {
                out.resize(start + compressor.gzip_compress_bound(block.len()), 0);
                let bytes = compressor
                    .gzip_compress(block, &mut out[start..])
                    .expect("the output has the size that libdeflate asks for");
                out.truncate(start + bytes);
            }
            Self::Zstd(context) => {
                out.reserve(compress_bound(block.len()));
                let mut rest = Cursor::new(out);
                rest.set_position(start as u64);
                context.compress2(&mut rest, block).unwrap_or_else(|code| {
                    panic!("zstd: {}", zstd::zstd_safe::get_error_name(code))
                });
            }
        }
    }
}

/// Lets the encoder append to `out` itself.
fn with_output(
    encoder: &mut FrameEncoder<Vec<u8>>,
    out: &mut Vec<u8>,
    act: impl FnOnce(&mut FrameEncoder<Vec<u8>>) -> std::io::Result<()>,
) {
    std::mem::swap(encoder.get_mut(), out);
    act(encoder).expect("a vector takes everything");
    std::mem::swap(encoder.get_mut(), out);
}

fn unusable(compression: Compression) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("the compression {compression} cannot be set up"),
        "Report this: it is a fault of AutoDump",
    )
}
