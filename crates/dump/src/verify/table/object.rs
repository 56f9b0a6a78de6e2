//! One data object, read once, from its beginning to its end.

use std::sync::Arc;

use autodump_core::compression::Algorithm;
use autodump_core::ports::{Content as _, ObjectLocation, ObjectReader};
use autodump_core::table::manifest::TableObject;
use autodump_core::{ErrorClass, Result};
use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::super::found::Found;
use super::keys::{Keys, Taker};
use super::sums::Sums;
use crate::codec::Decoder;
use crate::object::uri;
use crate::table::restore::item::Reader;
use crate::table::restore::lines::Lines;
use crate::uploader::broke_down;

/// Pieces of an object that may wait for the thread that looks at them.
const WAITING: usize = 4;

/// What is known of the items of all objects.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    /// How the objects are compressed.
    pub(super) algorithm: Algorithm,
    /// Reads their lines.
    pub(super) reader: Reader,
    /// Takes their keys.
    pub(super) keys: Arc<Keys>,
}

/// An object, and what is to be found out about it.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Its number in the manifest.
    pub(super) number: u32,
    pub(super) object: TableObject,
    /// Where it lies now.
    pub(super) location: ObjectLocation,
    /// It is only compared without this.
    pub(super) archive: Option<Archive>,
}

/// Reads an object, and notes all that is wrong with it. Gives the number of its items where it
/// was looked for and can be relied on. An error says that it could not be read at all.
pub(super) async fn read<R: ObjectReader>(
    reader: &R,
    wanted: Wanted,
    found: &Found,
) -> Result<Option<u64>> {
    let (input, from) = channel(WAITING);
    let looking = wanted.clone();
    let thread = tokio::task::spawn_blocking(move || look(&looking, from));
    let fed = feed(reader, &wanted, &input, found).await;
    drop(input);
    let looked = thread.await.map_err(broke_down)?;
    match fed {
        Ok(()) => {}
        Err(error) if error.class() == ErrorClass::Verification => {
            found.problem(error.what());
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    found.object();
    let Looked { wrong, items } = looked?;
    let whole = wrong.is_empty();
    for wrong in wrong {
        found.problem(format!("{} {wrong}", uri(&wanted.location)));
    }
    Ok(items.filter(|_| whole))
}

/// Ends without an error where the thread takes no more: it knows why.
async fn feed<R: ObjectReader>(
    reader: &R,
    wanted: &Wanted,
    input: &Sender<Bytes>,
    found: &Found,
) -> Result<()> {
    let mut content = reader.get(&wanted.location, None).await?;
    let mut fed = 0;
    // What is too long is wrong, however it goes on.
    while fed <= wanted.object.bytes {
        let Some(bytes) = content.next().await? else { break };
        fed += bytes.len() as u64;
        found.read(bytes.len() as u64);
        if input.send(bytes).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// What an object turned out to be.
struct Looked {
    /// What follows its name in a sentence.
    wrong: Vec<String>,
    items: Option<u64>,
}

fn look(wanted: &Wanted, mut from: Receiver<Bytes>) -> Result<Looked> {
    let mut sums = Sums::of(&wanted.object);
    let mut lines = match &wanted.archive {
        Some(archive) => Some(Unpacked::new(archive, wanted)?),
        None => None,
    };
    while let Some(bytes) = from.blocking_recv() {
        sums.add(&bytes);
        if let Some(lines) = &mut lines {
            lines.write(&bytes)?;
        }
    }
    // Bytes that are missing or changed say more than what they do to the lines.
    if let Some(difference) = sums.difference(&wanted.object) {
        return Ok(Looked { wrong: vec![difference], items: None });
    }
    match lines {
        None => Ok(Looked { wrong: Vec::new(), items: None }),
        Some(lines) => lines.finish(),
    }
}

/// The lines of an object, as they come out of it.
struct Unpacked {
    decoder: Decoder,
    lines: Lines,
    tally: Tally,
    /// Why nothing more comes out.
    broken: Option<String>,
}

struct Tally {
    reader: Reader,
    keys: Taker,
    /// How many items the manifest says that there are.
    expected: u64,
    /// How many lines there are.
    lines: u64,
    /// How many of them are no items.
    wrong: u64,
    /// What is wrong with the first of these.
    first: Option<String>,
}

impl Unpacked {
    fn new(archive: &Archive, wanted: &Wanted) -> Result<Self> {
        let tally = Tally {
            reader: archive.reader.clone(),
            keys: Taker::new(Arc::clone(&archive.keys), wanted.number),
            expected: wanted.object.items,
            lines: 0,
            wrong: 0,
            first: None,
        };
        let decoder = Decoder::new(archive.algorithm)?;
        Ok(Self { decoder, lines: Lines::default(), tally, broken: None })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.broken.is_some() {
            return Ok(());
        }
        let Self { decoder, lines, tally, .. } = self;
        let mut take = |line: &[u8]| {
            tally.take(line);
            Ok(())
        };
        let written = decoder.write(bytes, &mut |piece| lines.write(piece, &mut take));
        self.noted(written)
    }

    fn finish(mut self) -> Result<Looked> {
        if self.broken.is_none() {
            let ended = self.decoder.finish();
            self.noted(ended)?;
        }
        let mut wrong: Vec<_> = self.broken.into_iter().collect();
        let mut tally = self.tally;
        if wrong.is_empty() {
            self.lines.finish(&mut |line| {
                tally.take(line);
                Ok(())
            })?;
        }
        wrong.extend(tally.first.take().map(|first| match tally.wrong {
            1 => first,
            more => format!("{first}, and {} lines more are no items", more - 1),
        }));
        if wrong.is_empty() && tally.lines != tally.expected {
            wrong.push(format!("has {} items, not {}", tally.lines, tally.expected));
        }
        Ok(Looked { wrong, items: Some(tally.lines) })
    }

    /// Keeps what says that the content is damaged.
    fn noted(&mut self, done: Result<()>) -> Result<()> {
        match done {
            Err(error) if error.class() == ErrorClass::Verification => {
                self.broken = Some(format!("cannot be read to its end: {}", error.what()));
                Ok(())
            }
            done => done,
        }
    }
}

impl Tally {
    fn take(&mut self, line: &[u8]) {
        self.lines += 1;
        match self.reader.read(line) {
            // The memory for keys is that of the items of the manifest.
            Ok(item) if self.lines <= self.expected => self.keys.take(&item.key),
            Ok(_) => {}
            Err(why) => {
                self.wrong += 1;
                let number = self.lines;
                self.first.get_or_insert_with(|| format!("has a line {number} that {why}"));
            }
        }
    }
}
