//! An archive, read as it comes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crc_fast::Digest;

use super::super::raw::{Element, Elements, Malformed, SHORTEST, length_of};
use super::{CRC, Collection, LONGEST, MAGIC, Namespace, Prelude, Sum, TERMINATOR, VERSION};

/// Why an archive cannot be read. What documents hold is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where that was seen, in bytes of the archive as it is without compression.
    pub offset: u64,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the archive is damaged at byte {}: {}", self.offset, self.what)
    }
}

impl std::error::Error for Damage {}

/// Who is told what an archive holds. Collections have the numbers of their places in the prelude.
pub trait Visitor {
    /// The prelude was read.
    fn prelude(&mut self, prelude: &Prelude);

    /// A document of a collection.
    fn document(&mut self, collection: usize, document: &[u8]);

    /// A collection has come to its end, and its checksum is right.
    fn end(&mut self, collection: usize);
}

/// Reads an archive that comes in pieces, cut anywhere. It keeps the prelude, and at most one
/// document.
#[derive(Debug)]
pub struct Scanner<V> {
    visitor: V,
    place: Place,
    /// What has begun and not ended: a document, or less than a length.
    kept: Vec<u8>,
    offset: u64,
    prelude: Arc<Prelude>,
    numbers: Arc<HashMap<Namespace, usize>>,
    progress: Vec<Progress>,
    open: usize,
    most_open: usize,
    /// Other pieces have documents of the same collections.
    is_piece: bool,
}

/// What a piece of an archive says of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub collection: usize,
    /// Its documents in this piece.
    pub sum: Sum,
    /// It ends in this piece, and that is the checksum of all its documents.
    pub end: Option<u64>,
}

/// What all pieces of an archive but the first go by.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The prelude.
    pub prelude: Arc<Prelude>,
    numbers: Arc<HashMap<Namespace, usize>>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Magic,
    Header,
    Collections,
    /// A block's header, or the end of the archive.
    Block,
    /// Documents of this collection, or the block's end.
    Documents(usize),
    /// The end of the block that ends a collection.
    End,
}

/// How far a collection is.
#[derive(Debug)]
enum Progress {
    Unseen,
    Begun(Box<Digest>, u64),
    /// With the checksum at the end.
    Ended(Sum, u64),
}

impl<V: Visitor> Scanner<V> {
    /// Nothing was read.
    pub fn new(visitor: V) -> Self {
        Self {
            visitor,
            place: Place::Magic,
            kept: Vec::new(),
            offset: 0,
            prelude: Arc::default(),
            numbers: Arc::default(),
            progress: Vec::new(),
            open: 0,
            most_open: 0,
            is_piece: false,
        }
    }

    /// The same for the first piece of an archive, which begins with the prelude.
    pub fn first_piece(visitor: V) -> Self {
        Self { is_piece: true, ..Self::new(visitor) }
    }

    /// The same for another piece: whole blocks.
    pub fn piece(known: &Known, visitor: V) -> Self {
        Self {
            place: Place::Block,
            prelude: Arc::clone(&known.prelude),
            numbers: Arc::clone(&known.numbers),
            progress: known.prelude.collections.iter().map(|_| Progress::Unseen).collect(),
            ..Self::first_piece(visitor)
        }
    }

    /// Takes the next bytes. After an error there is nothing more to take.
    pub fn write(&mut self, mut data: &[u8]) -> Result<(), Damage> {
        while !self.kept.is_empty() {
            let wanted = self.wanted(&self.kept)?.unwrap_or(4);
            let missing = wanted - self.kept.len();
            let (now, later) = data.split_at(missing.min(data.len()));
            self.kept.extend_from_slice(now);
            data = later;
            if now.len() < missing {
                return Ok(());
            }
            if self.wanted(&self.kept)? == Some(self.kept.len()) {
                let mut item = std::mem::take(&mut self.kept);
                self.item(&item)?;
                item.clear();
                self.kept = item;
            }
        }
        while let Some(wanted) = self.wanted(data)?
            && let Some((item, rest)) = data.split_at_checked(wanted)
        {
            self.item(item)?;
            data = rest;
        }
        self.kept.extend_from_slice(data);
        Ok(())
    }

    /// The archive has come to its end: it has to be whole. Returns who was told.
    pub fn finish(self) -> Result<V, Damage> {
        if !self.kept.is_empty() || self.place != Place::Block {
            return Err(self.damage("it is cut off"));
        }
        let unended = self.progress.iter().position(|p| !matches!(p, Progress::Ended(..)));
        match unended {
            Some(number) => Err(self.damage(format!("{} has no end", self.shown(number)))),
            None => Ok(self.visitor),
        }
    }

    /// The piece has come to its end: its blocks have to be whole. Returns who was told, and what
    /// is to be compared with the other pieces: [`Joined`](super::Joined).
    pub fn finish_piece(self) -> Result<(V, Vec<Part>), Damage> {
        if !self.kept.is_empty() || self.place != Place::Block {
            return Err(self.damage("it is cut off"));
        }
        let part = |(collection, progress)| match progress {
            Progress::Unseen => None,
            Progress::Begun(digest, bytes) => {
                let sum = Sum { crc: digest.finalize(), bytes };
                Some(Part { collection, sum, end: None })
            }
            Progress::Ended(sum, crc) => Some(Part { collection, sum, end: Some(crc) }),
        };
        let parts = self.progress.into_iter().enumerate().filter_map(part).collect();
        Ok((self.visitor, parts))
    }

    /// The prelude, once it was read.
    #[must_use]
    pub fn prelude(&self) -> &Prelude {
        &self.prelude
    }

    /// What other pieces go by, once the prelude was read: `None` before.
    #[must_use]
    pub fn known(&self) -> Option<Known> {
        if matches!(self.place, Place::Magic | Place::Header | Place::Collections) {
            return None;
        }
        let (prelude, numbers) = (Arc::clone(&self.prelude), Arc::clone(&self.numbers));
        Some(Known { prelude, numbers })
    }

    /// The collection whose documents are being read.
    #[must_use]
    pub fn collection(&self) -> Option<&Collection> {
        match self.place {
            Place::Documents(number) => self.prelude.collections.get(number),
            _ => None,
        }
    }

    /// Who is told.
    pub const fn visitor(&mut self) -> &mut V {
        &mut self.visitor
    }

    /// The most collections that were begun and not ended at any place so far.
    #[must_use]
    pub const fn most_open(&self) -> usize {
        self.most_open
    }

    /// The length of what comes next, if so much of it is there that this can be told.
    fn wanted(&self, bytes: &[u8]) -> Result<Option<usize>, Damage> {
        let Some(length) = length_of(bytes) else { return Ok(None) };
        if self.place == Place::Magic || length == i32::from_le_bytes(TERMINATOR) {
            return Ok(Some(4));
        }
        match usize::try_from(length) {
            Ok(length @ SHORTEST..=LONGEST) => Ok(Some(length)),
            _ => Err(self.damage(format!("{length} is no length of a document"))),
        }
    }

    /// Takes a document, a terminator, or the magic number.
    fn item(&mut self, item: &[u8]) -> Result<(), Damage> {
        let ends = item == TERMINATOR;
        self.place = match self.place {
            Place::Magic if item == MAGIC => Place::Header,
            Place::Magic => return Err(self.damage("it is none of mongodump's")),
            Place::Header | Place::Block if ends => {
                return Err(self.damage("a block has no header"));
            }
            Place::Header => self.header(item)?,
            Place::Collections if ends => self.told_prelude(),
            Place::Collections => self.declared(item)?,
            Place::Block => self.block(item)?,
            Place::Documents(_) | Place::End if ends => Place::Block,
            Place::Documents(number) => self.document(number, item)?,
            Place::End => return Err(self.damage("a collection goes on after its end")),
        };
        self.offset += item.len() as u64;
        Ok(())
    }

    fn header(&mut self, item: &[u8]) -> Result<Place, Damage> {
        let mut version = None;
        let fields = self.fields(item)?;
        let prelude = Arc::make_mut(&mut self.prelude);
        for field in fields {
            let text = || field.text().map(str::to_owned);
            match field.name {
                "version" => version = text(),
                "concurrent_collections" => {
                    let number = field.number().and_then(|number| i32::try_from(number).ok());
                    prelude.concurrent = number.unwrap_or_default();
                }
                "server_version" => prelude.server_version = text().unwrap_or_default(),
                "tool_version" => prelude.tool_version = text().unwrap_or_default(),
                _ => {}
            }
        }
        match version.as_deref() {
            Some(VERSION) => Ok(Place::Collections),
            Some(other) => Err(self.damage(format!("its version is {other:?}, not {VERSION:?}"))),
            None => Err(self.damage("its header has no version")),
        }
    }

    fn declared(&mut self, item: &[u8]) -> Result<Place, Damage> {
        let fields = self.fields(item)?;
        let text = |name: &str| {
            let field = fields.iter().find(|field| field.name == name);
            field.and_then(Element::text).map(str::to_owned)
        };
        let Some(namespace) = namespace(text("db"), text("collection")) else {
            return Err(self.damage("a collection has no name"));
        };
        let collection = Collection {
            namespace,
            metadata: text("metadata").unwrap_or_default(),
            kind: text("type").unwrap_or_default(),
        };
        let number = self.progress.len();
        if Arc::make_mut(&mut self.numbers).insert(collection.stored(), number).is_some() {
            let Namespace { database, collection } = collection.namespace;
            return Err(self.damage(format!("it names {database}.{collection} twice")));
        }
        self.progress.push(Progress::Unseen);
        Arc::make_mut(&mut self.prelude).collections.push(collection);
        Ok(Place::Collections)
    }

    fn told_prelude(&mut self) -> Place {
        self.visitor.prelude(&self.prelude);
        Place::Block
    }

    /// The header of a block.
    fn block(&mut self, item: &[u8]) -> Result<Place, Damage> {
        let fields = self.fields(item)?;
        let field = |name: &str| fields.iter().find(|field| field.name == name);
        let text = |name: &str| field(name).and_then(Element::text).map(str::to_owned);
        let name = namespace(text("db"), text("collection"));
        let ends = field("EOF").and_then(Element::truth);
        let crc = field("CRC").and_then(Element::number);
        let (Some(name), Some(ends), Some(crc)) = (name, ends, crc) else {
            return Err(self.damage("the header of a block is not whole"));
        };
        let Some(number) = self.numbers.get(&name).copied() else {
            let Namespace { database, collection } = name;
            return Err(self.damage(format!("{database}.{collection} is not in its prelude")));
        };
        self.begin(number)?;
        if ends {
            self.end(number, crc.cast_unsigned())?;
            return Ok(Place::End);
        }
        Ok(Place::Documents(number))
    }

    fn begin(&mut self, number: usize) -> Result<(), Damage> {
        match self.progress[number] {
            Progress::Ended(..) => {
                return Err(self.damage(format!("{} goes on after its end", self.shown(number))));
            }
            Progress::Begun(..) => {}
            Progress::Unseen => {
                self.progress[number] = Progress::Begun(Box::new(Digest::new(CRC)), 0);
                self.open += 1;
                self.most_open = self.most_open.max(self.open);
            }
        }
        Ok(())
    }

    fn end(&mut self, number: usize, crc: u64) -> Result<(), Damage> {
        let sum = match &self.progress[number] {
            Progress::Begun(digest, bytes) => Sum { crc: digest.finalize(), bytes: *bytes },
            Progress::Unseen | Progress::Ended(..) => Sum::default(),
        };
        if !self.is_piece && sum.crc != crc {
            let (name, found) = (self.shown(number), sum.crc);
            let what = format!("the checksum of {name} is {found:016x}, not {crc:016x}");
            return Err(self.damage(what));
        }
        self.progress[number] = Progress::Ended(sum, crc);
        self.open -= 1;
        self.visitor.end(number);
        Ok(())
    }

    fn document(&mut self, number: usize, item: &[u8]) -> Result<Place, Damage> {
        if item.last() != Some(&0) {
            let what = format!("a document of {} has no end", self.shown(number));
            return Err(self.damage(what));
        }
        if let Progress::Begun(digest, bytes) = &mut self.progress[number] {
            digest.update(item);
            *bytes += item.len() as u64;
        }
        self.visitor.document(number, item);
        Ok(Place::Documents(number))
    }

    fn fields<'a>(&self, item: &'a [u8]) -> Result<Vec<Element<'a>>, Damage> {
        let fields = Elements::of(item).and_then(Iterator::collect);
        fields.map_err(|error: Malformed| self.damage(format!("a header is malformed: {error}")))
    }

    fn shown(&self, number: usize) -> String {
        self.prelude.collections[number].namespace.to_string()
    }

    fn damage(&self, what: impl Into<String>) -> Damage {
        Damage { offset: self.offset, what: what.into() }
    }
}

/// A name, if there is a collection. The database of the oplog is empty.
fn namespace(database: Option<String>, collection: Option<String>) -> Option<Namespace> {
    let collection = collection.filter(|collection| !collection.is_empty())?;
    Some(Namespace { database: database?, collection })
}
