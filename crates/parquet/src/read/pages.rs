//! The pages of a column chunk, none of which is decompressed before its size is known to fit.

use std::sync::{Arc, Mutex, PoisonError};

use autodump_core::Result;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::schema::types::ColumnDescriptor;

use super::budget::{Budget, Charge};
use super::delta::{self, Delta};
use super::header::{self, Header, Kind, V2};
use super::inflate::{self, SharedInflate};
use super::place::{Place, through};
use super::texts::{self, SharedTexts};
use super::thrift::Trouble;
use super::window::Window;

/// How much of a chunk is looked at for a header at first, and at most.
const HEADER: usize = 256;
const LONGEST_HEADER: usize = 1 << 20;

/// What the values of the pages take that were read since the last [`Spent::settle`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Spent(Arc<Mutex<Vec<Charge>>>);

impl Spent {
    fn add(&self, charge: Charge) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(charge);
    }

    /// The values of all pages but the last are written and gone.
    pub(crate) fn settle(&self) {
        let mut charges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = charges.len().saturating_sub(1);
        charges.drain(..last);
    }
}

/// What the pages of a column are read with.
pub(crate) struct Pages {
    window: Window,
    inflate: SharedInflate,
    budget: Budget,
    place: Place,
    column: Shape,
    spent: Spent,
    /// Where texts are kept, in a column that is read as numbers.
    texts: Option<SharedTexts>,
    /// What the decoded dictionary takes, which lives as long as this.
    dictionary: Option<Charge>,
}

/// What of a column's type matters to its pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The fewest bytes that a value takes in a dictionary.
    smallest: usize,
    /// What a decoded value takes in memory.
    decoded: u64,
    pub(crate) max_def: i16,
    pub(crate) max_rep: i16,
}

impl Shape {
    pub(crate) fn of(column: &ColumnDescriptor) -> Self {
        let (smallest, decoded) = match column.physical_type() {
            Type::BOOLEAN => (1, 1),
            // Of a text, its place.
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => (4, 4),
            Type::INT64 | Type::DOUBLE => (8, 8),
            Type::INT96 => (12, 16),
            Type::FIXED_LEN_BYTE_ARRAY => (usize::try_from(column.type_length()).unwrap_or(0), 40),
        };
        let (max_def, max_rep) = (column.max_def_level(), column.max_rep_level());
        Self { smallest, decoded, max_def, max_rep }
    }
}

impl Pages {
    pub(crate) fn new(
        window: Window,
        inflate: SharedInflate,
        budget: &Budget,
        place: Place,
        column: Shape,
        spent: Spent,
        texts: Option<SharedTexts>,
    ) -> Self {
        let budget = budget.clone();
        Self { window, inflate, budget, place, column, spent, texts, dictionary: None }
    }

    fn next_page(&mut self) -> Result<Option<Page>> {
        while self.window.left() > 0 {
            let header = self.header()?;
            let left = self.window.left();
            if header.compressed as u64 > left {
                let why = format!("a page of {} bytes, and {left} are left", header.compressed);
                return Err(self.place.damaged(why));
            }
            match header.kind {
                Kind::Other => self.window.skip(header.compressed)?,
                Kind::Dictionary { values, encoding } => {
                    return self.dictionary(&header, values, encoding).map(Some);
                }
                Kind::Data { values, encoding, def, rep } => {
                    let buf = self.content(&header, 0)?;
                    let Shape { max_def, max_rep, .. } = self.column;
                    let levels = delta::levels(&buf, max_def, max_rep, def, rep, values);
                    let (buf, encoding) = self.values(buf, levels, values, encoding)?;
                    return Ok(Some(Page::DataPage {
                        buf,
                        num_values: values,
                        encoding,
                        def_level_encoding: def,
                        rep_level_encoding: rep,
                        statistics: None,
                    }));
                }
                Kind::DataV2(v2) => return self.data_v2(&header, v2).map(Some),
            }
        }
        Ok(None)
    }

    fn header(&mut self) -> Result<Header> {
        let mut length = HEADER;
        let (budget, place) = (&self.budget, &self.place);
        let looking =
            |bytes| charge(budget, place, bytes, || format!("a header takes {bytes} bytes"));
        loop {
            let bytes = self.window.peek(length, looking)?;
            let whole = bytes.len() < length || length >= LONGEST_HEADER;
            match header::read(bytes) {
                Ok((header, taken)) => {
                    self.window.take(taken)?;
                    return Ok(header);
                }
                Err(Trouble::Short) if !whole => length *= 8,
                Err(Trouble::Short) => {
                    return Err(self.place.damaged("the header of a page has no end"));
                }
                Err(Trouble::Broken(why)) => {
                    return Err(self.place.damaged(format!("the header of a page: {why}")));
                }
            }
        }
    }

    /// The bytes of a page, the first `plain` of which are never compressed.
    fn content(&mut self, header: &Header, plain: usize) -> Result<Bytes> {
        let Header { compressed, uncompressed, .. } = *header;
        if plain > compressed.min(uncompressed) {
            return Err(self.place.damaged("the levels of a page are longer than the page"));
        }
        let charge = self.charge(uncompressed as u64, || {
            format!("a page has {uncompressed} bytes ({compressed} compressed)")
        })?;
        let _in_transit =
            self.charge(compressed as u64, || format!("a page has {compressed} bytes compressed"))?;
        let bytes = self.window.take(compressed)?;
        if header
            .crc
            .is_some_and(|crc| u64::from(crc) != checksum(CrcAlgorithm::Crc32IsoHdlc, &bytes))
        {
            return Err(self.place.damaged("a page is not what its checksum says"));
        }
        let mut content = Vec::with_capacity(uncompressed);
        content.extend_from_slice(&bytes[..plain]);
        inflate::lock(&self.inflate)
            .append(&bytes[plain..], uncompressed - plain, &mut content)
            .map_err(|why| self.place.damaged(format!("a page of {compressed} bytes: {why}")))?;
        Ok(charge.hold(content))
    }

    fn charge(&self, bytes: u64, what: impl FnOnce() -> String) -> Result<Charge> {
        charge(&self.budget, &self.place, bytes, what)
    }

    fn dictionary(&mut self, header: &Header, values: u32, encoding: Encoding) -> Result<Page> {
        let smallest = self.column.smallest as u64;
        if smallest == 0 || u64::from(values) * smallest > header.uncompressed as u64 {
            let bytes = header.uncompressed;
            let why = format!("a dictionary of {bytes} bytes cannot have {values} values");
            return Err(self.place.damaged(why));
        }
        let bytes = u64::from(values) * self.column.decoded;
        let charge = self.charge(bytes, || format!("a dictionary has {values} values"))?;
        let mut buf = self.content(header, 0)?;
        // Places are there twice, until the decoder has taken them, which it does at once.
        let _places = match self.texts {
            Some(_) => Some(self.charge(bytes, || format!("a dictionary has {values} texts"))?),
            None => None,
        };
        if let Some(texts) = &self.texts {
            let mut places = Vec::with_capacity(values as usize * 4);
            let taken = texts.dictionary(buf, values, &mut places);
            let why = format!("its dictionary does not have the {values} texts it declares");
            taken.ok_or_else(|| self.place.damaged(why))?;
            buf = places.into();
        }
        self.dictionary = Some(charge);
        Ok(Page::DictionaryPage { buf, num_values: values, encoding, is_sorted: false })
    }

    fn data_v2(&mut self, header: &Header, v2: V2) -> Result<Page> {
        let levels = v2.def_bytes as usize + v2.rep_bytes as usize;
        let buf = if v2.is_compressed {
            self.content(header, levels)?
        } else {
            let plain = header.compressed;
            self.content(header, plain)?
        };
        let (buf, encoding) = self.values(buf, Some(levels), v2.values, v2.encoding)?;
        Ok(Page::DataPageV2 {
            buf,
            num_values: v2.values,
            encoding,
            num_nulls: v2.nulls,
            num_rows: v2.rows,
            def_levels_byte_len: v2.def_bytes,
            rep_levels_byte_len: v2.rep_bytes,
            is_compressed: false,
            statistics: None,
        })
    }

    /// A page as its values are to be decoded, behind `levels` bytes of levels: texts as the
    /// numbers that stand for them. What they take is charged where the number of rows that are
    /// read at once does not bound it.
    fn values(
        &self,
        buf: Bytes,
        levels: Option<usize>,
        values: u32,
        encoding: Encoding,
    ) -> Result<(Bytes, Encoding)> {
        let dictionary = matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        if dictionary && self.dictionary.is_none() {
            return Err(self.place.damaged("its dictionary is missing"));
        }
        if self.column.max_rep > 0 {
            // A vector that grows is up to twice as long; two levels belong to each value.
            let each =
                self.column.decoded + 4 + if self.texts.is_some() { texts::FOUND } else { 0 };
            let bytes = u64::from(values) * 2 * each;
            let what = || format!("the {values} values of a page take {bytes} bytes");
            self.spent.add(self.charge(bytes, what)?);
        }
        if dictionary || self.texts.is_none() && !delta::concerns(encoding) {
            return Ok((buf, encoding));
        }
        let nonsense = || self.place.damaged("a page with lengths that make no sense");
        let levels = levels.filter(|levels| *levels <= buf.len()).ok_or_else(nonsense)?;
        let rest = buf.slice(levels..);
        let Some(texts) = &self.texts else {
            let looking = || format!("a page has {values} values");
            let _looking = self.charge(delta::looking(values), looking)?;
            let bytes = delta::expanded(&rest, values, encoding).ok_or_else(nonsense)?;
            let what = || format!("the {values} values of a page take {bytes} bytes");
            self.spent.add(self.charge(bytes, what)?);
            return Ok((buf, encoding));
        };
        let rest = self.plain(rest, values, encoding)?;
        // Each text has a length of 4 bytes, so there cannot be more places than that.
        let most = (values as usize).min(rest.len() / 4);
        let bytes = levels + most * 4;
        let what = || format!("the {values} places of a page take {bytes} bytes");
        let charge = self.charge(bytes as u64, what)?;
        let mut out = Vec::with_capacity(bytes);
        out.extend_from_slice(&buf[..levels]);
        texts.page(rest, values, &mut out).ok_or_else(nonsense)?;
        Ok((charge.hold(out), Encoding::PLAIN))
    }

    /// Texts, each after its length.
    fn plain(&self, rest: Bytes, values: u32, encoding: Encoding) -> Result<Bytes> {
        let nonsense = || self.place.damaged("a page with lengths that make no sense");
        if encoding == Encoding::PLAIN {
            return Ok(rest);
        }
        if !delta::concerns(encoding) {
            return Err(self.place.damaged(format!("texts are not encoded as {encoding}")));
        }
        let looking = || format!("a page has {values} values");
        let _looking = self.charge(delta::looking(values), looking)?;
        let delta = Delta::read(&rest, values, encoding).ok_or_else(nonsense)?;
        let bytes = delta.size();
        let charge =
            self.charge(bytes, || format!("the {values} values of a page take {bytes} bytes"))?;
        let mut plain = Vec::with_capacity(usize::try_from(bytes).unwrap_or(usize::MAX));
        delta.plain(&mut plain).ok_or_else(nonsense)?;
        Ok(charge.hold(plain))
    }
}

fn charge(
    budget: &Budget,
    place: &Place,
    bytes: u64,
    what: impl FnOnce() -> String,
) -> Result<Charge> {
    budget.take(bytes).map_err(|used| {
        let what = format!("{}, where {used} bytes are taken", what());
        place.too_large(what, budget.limit())
    })
}

impl Iterator for Pages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        self.next_page().map_err(through)
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Err(ParquetError::NYI("pages are read in their order".to_owned()))
    }

    /// Of the last page alone it is known: all others wait for the one that follows.
    fn at_record_boundary(&mut self) -> ParquetResult<bool> {
        Ok(self.window.left() == 0)
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        Err(ParquetError::NYI("pages are read in their order".to_owned()))
    }
}
