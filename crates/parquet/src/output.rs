//! From the thread that makes lines to the upload that sends them.

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::codec::Encoder;
use autodump_dump::transfer::Source;
use tokio::sync::mpsc;

/// As much is handed over at once, or the next line more.
const CHUNK: usize = 1 << 20;

/// The thread's end.
pub(crate) struct Sink {
    /// None where lines are sent as they are.
    encoder: Option<Encoder>,
    lines: Vec<u8>,
    packed: Vec<u8>,
    to: mpsc::Sender<Message>,
}

/// The upload's end.
pub(crate) struct Stream {
    from: mpsc::Receiver<Message>,
    chunk: Vec<u8>,
    taken: usize,
    whole: bool,
}

enum Message {
    Chunk(Vec<u8>),
    /// Everything was sent. Without it, what was sent is worth nothing.
    End,
}

/// Both ends.
pub(crate) fn channel(compression: Compression) -> Result<(Sink, Stream)> {
    let (to, from) = mpsc::channel(1);
    let packs = compression.algorithm() != Algorithm::None;
    let encoder = packs.then(|| Encoder::new(compression)).transpose()?;
    let sink = Sink { encoder, lines: Vec::new(), packed: Vec::new(), to };
    Ok((sink, Stream { from, chunk: Vec::new(), taken: 0, whole: false }))
}

impl Sink {
    /// Where lines are appended. [`Self::flow`] is called after each.
    pub(crate) const fn lines(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// Sends what is enough to be sent. It blocks while the upload is busy, and fails when that has
    /// ended.
    pub(crate) fn flow(&mut self) -> Result<()> {
        if self.lines.len() < CHUNK { Ok(()) } else { self.pack() }
    }

    /// Sends the rest, and says that it was all.
    pub(crate) fn end(mut self) -> Result<()> {
        self.pack()?;
        if let Some(encoder) = &mut self.encoder {
            encoder.end_frame(&mut self.packed);
        }
        let rest = std::mem::take(&mut self.packed);
        self.send(Message::Chunk(rest))?;
        self.send(Message::End)
    }

    fn pack(&mut self) -> Result<()> {
        match &mut self.encoder {
            Some(encoder) => encoder.write(&self.lines, &mut self.packed),
            // What was packed before was sent.
            None => std::mem::swap(&mut self.lines, &mut self.packed),
        }
        self.lines.clear();
        // One long line must not be paid for until the end.
        self.lines.shrink_to(2 * CHUNK);
        if self.packed.len() < CHUNK {
            return Ok(());
        }
        let next = Vec::with_capacity(CHUNK + CHUNK / 8);
        let full = std::mem::replace(&mut self.packed, next);
        self.send(Message::Chunk(full))
    }

    fn send(&self, message: Message) -> Result<()> {
        self.to.blocking_send(message).map_err(|_| ended("the upload"))
    }
}

impl Source for Stream {
    async fn read(&mut self, buffer: &mut Vec<u8>, limit: usize) -> Result<usize> {
        while self.taken == self.chunk.len() && !self.whole {
            match self.from.recv().await {
                Some(Message::Chunk(chunk)) => (self.chunk, self.taken) = (chunk, 0),
                Some(Message::End) => self.whole = true,
                None => return Err(ended("what makes the lines")),
            }
        }
        let rest = &self.chunk[self.taken..];
        let length = rest.len().min(limit);
        buffer.extend_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}

/// One end has gone. Its own error says why.
fn ended(who: &str) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("{who} ended before everything was converted"),
        "Report this: it is a fault of AutoDump",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodump_dump::codec::Decoder;

    async fn all(mut stream: Stream) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while stream.read(&mut all, 70_000).await? > 0 {}
        Ok(all)
    }

    #[tokio::test]
    async fn everything_arrives_or_an_error_does() {
        for algorithm in [Algorithm::None, Algorithm::Gzip, Algorithm::Zstd] {
            for ends in [true, false] {
                let (mut sink, stream) = channel(Compression::usual(algorithm)).unwrap();
                let thread = tokio::task::spawn_blocking(move || {
                    for line in 0..500_000u32 {
                        sink.lines().extend_from_slice(format!("line {line}\n").as_bytes());
                        sink.flow()?;
                    }
                    if ends { sink.end() } else { Ok(()) }
                });
                let read = all(stream).await;
                thread.await.unwrap().unwrap();
                let Ok(bytes) = read else {
                    assert!(!ends, "{algorithm:?}");
                    continue;
                };
                assert!(ends);
                let mut text = Vec::new();
                let mut decoder = Decoder::new(algorithm).unwrap();
                let mut take = |piece: &[u8]| {
                    text.extend_from_slice(piece);
                    Ok(())
                };
                decoder.write(&bytes, &mut take).unwrap();
                decoder.finish().unwrap();
                let lines = (0..500_000u32).flat_map(|line| format!("line {line}\n").into_bytes());
                let expected: Vec<_> = lines.collect();
                assert!(text == expected, "{algorithm:?}");
            }
        }
    }

    #[tokio::test]
    async fn an_upload_that_ended_ends_the_thread() {
        let (mut sink, stream) = channel(Compression::usual(Algorithm::None)).unwrap();
        drop(stream);
        let sent = tokio::task::spawn_blocking(move || {
            sink.lines().resize(CHUNK, b'x');
            sink.flow()
        });
        assert_eq!(sent.await.unwrap().unwrap_err().class(), ErrorClass::Internal);
    }
}
