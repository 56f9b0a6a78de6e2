use autodump_core::Result;
use autodump_core::compression::Algorithm;
use flate2::{Decompress, FlushDecompress, Status};

use super::damaged;
use super::decoder::{PIECE, Take};

/// Binary logarithm of the window: the largest that deflate has.
const WINDOW: u8 = 15;

/// Reads gzip members one after another. Header, CRC-32 and length are checked.
pub(super) struct Gzip {
    /// The decoder of the member that is being read, if any.
    member: Option<Decompress>,
    /// Compressed bytes of the members before.
    before: u64,
    piece: Box<[u8]>,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { member: None, before: 0, piece: vec![0; PIECE].into_boxed_slice() }
    }

    pub(super) fn offset(&self) -> u64 {
        self.before + self.member.as_ref().map_or(0, Decompress::total_in)
    }

    pub(super) const fn is_between_members(&self) -> bool {
        self.member.is_none()
    }

    pub(super) fn write(&mut self, mut input: &[u8], take: Take<'_>) -> Result<()> {
        let mut full = false;
        while !input.is_empty() || full {
            let member = self.member.get_or_insert_with(|| Decompress::new_gzip(WINDOW));
            let (start, made) = (member.total_in(), member.total_out());
            let status = member
                .decompress(input, &mut self.piece, FlushDecompress::None)
                .map_err(|error| damaged(Algorithm::Gzip, self.before + start, error))?;
            let (end, bytes) = (member.total_in(), member.total_out() - made);
            // Both are lengths within slices.
            let read = usize::try_from(end - start).unwrap_or(input.len());
            let bytes = usize::try_from(bytes).unwrap_or(PIECE);
            input = &input[read..];
            full = bytes == PIECE && status != Status::StreamEnd;
            if status == Status::StreamEnd {
                self.before += end;
                self.member = None;
            } else if read == 0 && bytes == 0 && !input.is_empty() {
                return Err(damaged(Algorithm::Gzip, self.offset(), "no progress"));
            }
            if bytes > 0 {
                take(&self.piece[..bytes])?;
            }
        }
        Ok(())
    }
}
