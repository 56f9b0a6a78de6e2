//! LZ4 frames (`lz4_Frame_format.md` of the LZ4 project, version 1.6), pushed. `lz4_flex` pulls:
//! it is given one whole header or block at a time.

use std::io::{BufRead as _, Cursor};

use autodump_core::Result;
use autodump_core::compression::Algorithm;
use lz4_flex::frame::FrameDecoder;

use super::damaged;
use super::decoder::{PIECE, Take};

const MAGIC: u32 = 0x184D_2204;
/// Magic number, FLG, BD and the checksum of the header.
const SMALLEST_HEADER: usize = 7;
const BLOCK_CHECKSUMS: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const DICTIONARY: u8 = 1;
/// Of a block's length: the block is not compressed.
const STORED: u32 = 1 << 31;
/// The largest block that the format has.
const LARGEST_BLOCK: usize = 4 << 20;

#[derive(Default)]
pub(super) struct Lz4 {
    /// Of the frame that is being read, behind its header.
    frame: Option<Frame>,
    /// Bytes of the next header or block that are there.
    unit: Vec<u8>,
    /// Compressed bytes before `unit`.
    before: u64,
}

struct Frame {
    decoder: FrameDecoder<Cursor<Vec<u8>>>,
    flags: u8,
}

/// The length of the unit that begins as `unit` does; or how much of it shows that.
enum Length {
    Unit(usize),
    KnownFrom(usize),
}

impl Lz4 {
    pub(super) fn offset(&self) -> u64 {
        self.before + self.unit.len() as u64
    }

    pub(super) const fn is_between_frames(&self) -> bool {
        self.frame.is_none() && self.unit.is_empty()
    }

    pub(super) fn write(&mut self, mut input: &[u8], take: Take<'_>) -> Result<()> {
        loop {
            let (wanted, known) = match self.length()? {
                Length::Unit(length) => (length, true),
                Length::KnownFrom(length) => (length, false),
            };
            let (now, later) = input.split_at(input.len().min(wanted - self.unit.len()));
            self.unit.extend_from_slice(now);
            input = later;
            if self.unit.len() < wanted {
                return Ok(());
            }
            if known {
                self.read_unit(take)?;
            }
        }
    }

    fn length(&self) -> Result<Length> {
        let number = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let Some(frame) = &self.frame else {
            if self.unit.len() < SMALLEST_HEADER {
                return Ok(Length::KnownFrom(SMALLEST_HEADER));
            }
            if number(&self.unit) != MAGIC {
                return Err(damaged(Algorithm::Lz4, self.before, "no LZ4 frame begins there"));
            }
            let flags = self.unit[4];
            let more = if flags & CONTENT_SIZE == 0 { 0 } else { 8 };
            let more = more + if flags & DICTIONARY == 0 { 0 } else { 4 };
            return Ok(Length::Unit(SMALLEST_HEADER + more));
        };
        if self.unit.len() < 4 {
            return Ok(Length::KnownFrom(4));
        }
        let length = number(&self.unit);
        let checksum = if length == 0 { CONTENT_CHECKSUM } else { BLOCK_CHECKSUMS };
        let checksum = if frame.flags & checksum == 0 { 0 } else { 4 };
        let length = (length & !STORED) as usize;
        if length > LARGEST_BLOCK {
            return Err(damaged(Algorithm::Lz4, self.before, "a block is too large"));
        }
        Ok(Length::Unit(4 + length + checksum))
    }

    /// Decompresses the whole header, block or end of a frame that is in `unit`.
    fn read_unit(&mut self, take: Take<'_>) -> Result<()> {
        let offset = self.before;
        let fault = |error| damaged(Algorithm::Lz4, offset, error);
        let is_header = self.frame.is_none();
        let frame = self.frame.get_or_insert_with(|| Frame {
            decoder: FrameDecoder::new(Cursor::default()),
            flags: self.unit[4],
        });
        let is_end = !is_header && self.unit[..4] == [0; 4];
        self.before += self.unit.len() as u64;
        *frame.decoder.get_mut() = Cursor::new(std::mem::take(&mut self.unit));
        let mut output = frame.decoder.fill_buf().map_err(fault)?;
        let bytes = output.len();
        while !output.is_empty() {
            let (now, later) = output.split_at(output.len().min(PIECE));
            take(now)?;
            output = later;
        }
        frame.decoder.consume(bytes);
        self.unit = std::mem::take(frame.decoder.get_mut()).into_inner();
        self.unit.clear();
        if is_end {
            self.frame = None;
        }
        Ok(())
    }
}
