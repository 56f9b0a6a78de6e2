//! Cuts lines out of pieces that end anywhere.

use autodump_core::Result;

use super::damaged;

/// The longest line that is read. An item has at most 400 KB; its text has more, and never 16
/// times as much.
pub(crate) const LONGEST: usize = 8 << 20;

/// What was not yet the whole of a line.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Hands over every line that is whole by now, without its end. Empty ones are passed over.
    pub(crate) fn write(
        &mut self,
        mut piece: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&piece[..end], &piece[end + 1..]);
            piece = rest;
            if self.held.is_empty() {
                given(line, take)?;
            } else {
                self.hold(line)?;
                given(&self.held, take)?;
                self.held.clear();
            }
        }
        self.hold(piece)
    }

    /// Hands over what follows the last line's end, if anything.
    pub(crate) fn finish(self, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        given(&self.held, take)
    }

    fn hold(&mut self, more: &[u8]) -> Result<()> {
        if self.held.len() + more.len() > LONGEST {
            return Err(damaged(format!("a line has more than {LONGEST} bytes")));
        }
        self.held.extend_from_slice(more);
        Ok(())
    }
}

fn given(line: &[u8], take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    if line.is_empty() { Ok(()) } else { take(line) }
}

#[cfg(test)]
mod tests {
    use autodump_core::ErrorClass;
    use proptest::prelude::*;

    use super::*;

    fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        let mut take = |line: &[u8]| {
            found.push(line.to_vec());
            Ok(())
        };
        let mut lines = Lines::default();
        for piece in pieces {
            lines.write(piece, &mut take)?;
        }
        lines.finish(&mut take)?;
        Ok(found)
    }

    proptest! {
        #[test]
        fn lines_cut_from_arbitrary_pieces_are_the_lines(
            lines in prop::collection::vec("[ -~é]{1,40}", 0..30),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
            ends in any::<bool>(),
        ) {
            let mut text = lines.join("\n").into_bytes();
            if ends && !text.is_empty() {
                text.push(b'\n');
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let found = cut(cuts.windows(2).map(|two| &text[two[0]..two[1]])).unwrap();
            let lines: Vec<_> = lines.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(found, lines);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let piece = vec![b'x'; 1 << 20];
        let error = cut(std::iter::repeat_n(piece.as_slice(), 9)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification);
        assert_eq!(cut(std::iter::repeat_n(piece.as_slice(), 8)).unwrap()[0].len(), LONGEST);
        assert!(cut(std::iter::repeat_n(b"\n".as_slice(), 3)).unwrap().is_empty());
    }
}
