use autodump_core::compression::Algorithm;
use autodump_core::{Error, ErrorClass, Result};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::damaged;
use super::gzip::Gzip;
use super::lz4::Lz4;

/// The most bytes of output that are handed over at once.
pub const PIECE: usize = 256 << 10;

/// What takes the output.
pub(super) type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// Binary logarithm of the largest window of a Zstandard frame: that of level 19. It bounds
/// the memory that a file can make the decoder use.
const LARGEST_WINDOW: u32 = 23;

/// Decompresses one file of whole frames, by whomever written.
///
/// Memory is bounded whatever the input: at most 8 MiB and some buffers. After an error the
/// decoder is of no use any more.
pub struct Decoder(Codec);

enum Codec {
    None,
    Gzip(Gzip),
    Zstd(Zstd),
    Lz4(Lz4),
}

impl Decoder {
    /// A decoder for one file.
    pub fn new(algorithm: Algorithm) -> Result<Self> {
        Ok(Self(match algorithm {
            Algorithm::None => Codec::None,
            Algorithm::Gzip => Codec::Gzip(Gzip::new()),
            Algorithm::Zstd => Codec::Zstd(Zstd::new()?),
            Algorithm::Lz4 => Codec::Lz4(Lz4::default()),
        }))
    }

    /// Takes the next bytes of the file, cut anywhere, and hands over to `take` what can be
    /// decompressed by now, in pieces of at most [`PIECE`] bytes. An error of `take` ends it.
    ///
    /// Damaged data are an error of class [`ErrorClass::Verification`]; what was handed over
    /// before may then already be wrong.
    pub fn write(&mut self, input: &[u8], take: Take<'_>) -> Result<()> {
        match &mut self.0 {
            Codec::None => input.chunks(PIECE).try_for_each(take),
            Codec::Gzip(gzip) => gzip.write(input, take),
            Codec::Zstd(zstd) => zstd.write(input, take),
            Codec::Lz4(lz4) => lz4.write(input, take),
        }
    }

    /// Confirms that the file may end here: an error of class [`ErrorClass::Verification`]
    /// within a frame.
    pub fn finish(&mut self) -> Result<()> {
        let (algorithm, offset, whole) = match &self.0 {
            Codec::None => return Ok(()),
            Codec::Gzip(gzip) => (Algorithm::Gzip, gzip.offset(), gzip.is_between_members()),
            Codec::Zstd(zstd) => (Algorithm::Zstd, zstd.offset, zstd.between_frames),
            Codec::Lz4(lz4) => (Algorithm::Lz4, lz4.offset(), lz4.is_between_frames()),
        };
        if whole { Ok(()) } else { Err(damaged(algorithm, offset, "it ends within a frame")) }
    }
}

struct Zstd {
    context: DCtx<'static>,
    piece: Vec<u8>,
    offset: u64,
    between_frames: bool,
}

impl Zstd {
    fn new() -> Result<Self> {
        let mut context = DCtx::try_create().ok_or_else(unusable)?;
        context.set_parameter(DParameter::WindowLogMax(LARGEST_WINDOW)).map_err(|_| unusable())?;
        Ok(Self { context, piece: Vec::with_capacity(PIECE), offset: 0, between_frames: true })
    }

    fn write(&mut self, input: &[u8], take: Take<'_>) -> Result<()> {
        let before = self.offset;
        let mut input = InBuffer::around(input);
        let mut more = false;
        while input.pos() < input.src.len() || more {
            let mut output = OutBuffer::around(&mut self.piece);
            let hint = self.context.decompress_stream(&mut output, &mut input).map_err(|code| {
                damaged(Algorithm::Zstd, before + input.pos() as u64, get_error_name(code))
            })?;
            let bytes = output.pos();
            self.offset = before + input.pos() as u64;
            self.between_frames = hint == 0;
            more = hint != 0 && bytes == PIECE;
            if bytes > 0 {
                take(&self.piece[..bytes])?;
            }
        }
        Ok(())
    }
}

fn unusable() -> Error {
    Error::new(
        ErrorClass::Internal,
        "the Zstandard decoder cannot be set up",
        "Report this: it is a fault of AutoDump",
    )
}
