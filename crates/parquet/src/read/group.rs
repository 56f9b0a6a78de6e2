//! A row group: its columns, read side by side.

use std::ops::Range;
use std::sync::Arc;

use autodump_core::{Error, ErrorClass, Result};
use parquet::basic::Type;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::budget::Budget;
use super::column::Leaf;
use super::file::Opened;
use super::inflate::Codecs;
use super::pages::{Pages, Shape, Spent};
use super::place::{Place, damaged};
use super::texts::{SharedTexts, as_numbers};
use super::window::{LARGEST_PIECE, Window};
use crate::text::Kind;

/// What all columns' pieces on their way may take together.
const WINDOWS: u64 = 16 << 20;
/// What pages may take together at most: the places of texts in them are counted in 31 bits.
const MOST_PAGES: u64 = 1 << 30;
/// Metadata of a file that take no more than this leave all of their memory to pages.
const USUAL_METADATA: u64 = 4 << 20;
/// Columns of a file, those within others counted too.
const MOST_COLUMNS: usize = 4096;
/// What the decoded rows of all columns may take together, their bytes aside.
const BATCH: usize = 2 << 20;
/// What a decoded value and its levels take at most.
const VALUE: usize = 48;
/// No more rows than this at once: they should fit into the processor's cache.
const MOST_ROWS: usize = 2048;
/// Rows at once take no more than this part of what pages may take, as far as the footer tells.
const SHARE: u64 = 4;

/// The columns of a row group.
pub(crate) struct Group {
    /// In the order of the schema's leaves.
    pub(crate) leaves: Vec<Leaf>,
    /// Rows that were not read yet.
    left: u64,
    batch: usize,
}

impl Group {
    /// Begins to read row group `index` of a file, whose pages may take `pages` bytes together.
    pub(crate) fn open(file: &Opened, index: usize, pages: u64) -> Result<Self> {
        let group = file.metadata.row_group(index);
        let columns = group.num_columns();
        let schema = file.metadata.file_metadata().schema_descr();
        let uri = &file.uri;
        if columns != schema.num_columns() {
            let why = format!("row group {index} has {columns} columns, not those of the schema");
            return Err(damaged(uri, why));
        }
        if columns > MOST_COLUMNS {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("{uri} has {columns} columns, and at most {MOST_COLUMNS} are read"),
                "Split the table",
            ));
        }
        // What metadata take beyond the usual, pages do not.
        let metadata = file.metadata_bytes.saturating_sub(USUAL_METADATA);
        let pages = pages.saturating_sub(WINDOWS + metadata).min(MOST_PAGES);
        let budget = Budget::new(pages);
        let step = (WINDOWS / (2 * columns.max(1) as u64)).min(LARGEST_PIECE as u64);
        let mut codecs = Codecs::default();
        let leaves =
            (0..columns).map(|at| leaf(file, group, (index, at), step, &budget, &mut codecs));
        let leaves = leaves.collect::<Result<Vec<_>>>()?;
        let left = u64::try_from(group.num_rows()).map_err(|_| {
            damaged(uri, format!("row group {index} has a negative number of rows"))
        })?;
        let fitting = usize::try_from(fitting(group, left, pages)).unwrap_or(usize::MAX);
        let batch = (BATCH / VALUE / columns.max(1)).min(MOST_ROWS).min(fitting).max(1);
        Ok(Self { leaves, left, batch })
    }

    /// Decodes the next rows of all columns, and says how many there are; 0 after the last.
    pub(crate) fn advance(&mut self) -> Result<usize> {
        let wanted = self.batch.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        for leaf in &mut self.leaves {
            // After the last row, one more must not be there.
            let read = leaf.read(wanted.max(1))?;
            if read != wanted {
                let why = format!("it has {read} rows where the row group has {wanted}");
                return Err(leaf.place().damaged(why));
            }
        }
        self.left -= wanted as u64;
        Ok(wanted)
    }
}

/// As many of a group's rows as fit into their share of `pages` bytes: texts that are written one
/// by one stay in their pages until all rows of a batch are, and lists take what their values do.
fn fitting(group: &RowGroupMetaData, rows: u64, pages: u64) -> u64 {
    let positive = |number: i64| u64::try_from(number).unwrap_or(0);
    let bytes = |chunk: &ColumnChunkMetaData| {
        let repeated = chunk.column_descr().max_rep_level() > 0;
        let values = if repeated { positive(chunk.num_values()) } else { 0 };
        let decoded = values.saturating_mul(2 * VALUE as u64);
        positive(chunk.uncompressed_size()).saturating_add(decoded)
    };
    let all = group.columns().iter().map(bytes).fold(0, u64::saturating_add);
    let mean = all / rows.max(1);
    pages / SHARE / mean.max(1)
}

fn leaf(
    file: &Opened,
    group: &RowGroupMetaData,
    (row_group, at): (usize, usize),
    step: u64,
    budget: &Budget,
    codecs: &mut Codecs,
) -> Result<Leaf> {
    let chunk = group.column(at);
    let column = chunk.column_descr_ptr();
    let place = Place { uri: file.uri.clone(), row_group, column: column.path().string() };
    if column.physical_type() == Type::FIXED_LEN_BYTE_ARRAY && column.type_length() <= 0 {
        return Err(place.damaged(format!("its values have {} bytes", column.type_length())));
    }
    let range = range(chunk, file.listed.bytes, &place)?;
    let inflate = codecs.of(chunk.compression()).map_err(|why| {
        let hint = "Write it with a codec that is read";
        Error::new(ErrorClass::Configuration, format!("{place} is compressed with {why}"), hint)
    })?;
    let window = match &file.content {
        Some(content) => {
            let index = |at| usize::try_from(at).unwrap_or(usize::MAX);
            let held = content.slice(index(range.start)..index(range.end));
            Window::of(Arc::clone(&file.ranges), held)
        }
        None => Window::new(Arc::clone(&file.ranges), range, step),
    };
    let spent = Spent::default();
    let shape = Shape::of(&column);
    let free = Kind::of(column.self_type()).is_free();
    let texts = (column.physical_type() == Type::BYTE_ARRAY).then(|| SharedTexts::new(free));
    let column = match &texts {
        Some(_) => Arc::new(as_numbers(&column).map_err(|error| place.of(error))?),
        None => column,
    };
    let pages =
        Pages::new(window, inflate, budget, place.clone(), shape, spent.clone(), texts.clone());
    Ok(Leaf::new(column, pages, (spent, texts), place))
}

/// Where a chunk lies; it must be within the file.
fn range(chunk: &ColumnChunkMetaData, bytes: u64, place: &Place) -> Result<Range<u64>> {
    let data = chunk.data_page_offset();
    // Some writers note an offset of 0 where there is no such page.
    let dictionary = chunk.dictionary_page_offset().filter(|at| *at > 0);
    let first = dictionary.map_or(data, |at| if data > 0 { at.min(data) } else { at });
    let within = || {
        let start = u64::try_from(first).ok()?;
        let end = start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?;
        (end <= bytes).then_some(start..end)
    };
    within().ok_or_else(|| {
        let length = chunk.compressed_size();
        place.damaged(format!("it has {length} bytes from {first} on, and the file has {bytes}"))
    })
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
