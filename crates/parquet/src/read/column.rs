//! The values of one leaf column, some rows at a time.

use autodump_core::Result;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{DataType, FixedLenByteArray, Int96};
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::ColumnDescPtr;

use super::pages::{Pages, Shape, Spent};
use super::place::Place;
use super::texts::{SharedTexts, Span, Texts};
use crate::look::Look;

/// One value as it lies in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    Bool(bool),
    Int32(i32),
    Int64(i64),
    /// Nanoseconds of the day, and the Julian day.
    Int96(u64, u32),
    Float(f32),
    Double(f64),
    Bytes(&'a [u8]),
    /// What may hold anything, and what was seen of it.
    Text(&'a [u8], Look),
}

impl<'a> Cell<'a> {
    /// The bytes of a text, and what is seen of them.
    pub(crate) fn text(self) -> Option<(&'a [u8], Look)> {
        match self {
            Self::Text(text, look) => Some((text, look)),
            Self::Bytes(bytes) => Some((bytes, Look::at(bytes))),
            _ => None,
        }
    }
}

/// A column chunk, and the rows of it that are decoded.
pub(crate) struct Leaf {
    reader: ColumnReader,
    values: Values,
    def: Vec<i16>,
    rep: Vec<i16>,
    max_def: i16,
    max_rep: i16,
    /// The next of the levels and of the values.
    at_level: usize,
    at_value: usize,
    levels: usize,
    spent: Spent,
    place: Place,
}

enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    /// Where the texts are, of those that were in use when they were read.
    Texts(Vec<i32>, Vec<Option<Span>>, Texts, SharedTexts),
    Fixed(Vec<FixedLenByteArray>),
}

impl Leaf {
    /// A column chunk. One with texts is read as a `column` of numbers.
    pub(crate) fn new(
        column: ColumnDescPtr,
        pages: Pages,
        (spent, texts): (Spent, Option<SharedTexts>),
        place: Place,
    ) -> Self {
        let Shape { max_def, max_rep, .. } = Shape::of(&column);
        let reader = get_column_reader(column, Box::new(pages));
        let values = match (&reader, texts) {
            (_, Some(shared)) => Values::Texts(Vec::new(), Vec::new(), Texts::default(), shared),
            (ColumnReader::BoolColumnReader(_), _) => Values::Bool(Vec::new()),
            (ColumnReader::Int32ColumnReader(_), _) => Values::Int32(Vec::new()),
            (ColumnReader::Int64ColumnReader(_), _) => Values::Int64(Vec::new()),
            (ColumnReader::Int96ColumnReader(_), _) => Values::Int96(Vec::new()),
            (ColumnReader::FloatColumnReader(_), _) => Values::Float(Vec::new()),
            (ColumnReader::DoubleColumnReader(_), _) => Values::Double(Vec::new()),
            // Texts are read as numbers.
            (
                ColumnReader::ByteArrayColumnReader(_)
                | ColumnReader::FixedLenByteArrayColumnReader(_),
                _,
            ) => Values::Fixed(Vec::new()),
        };
        let (def, rep) = (Vec::new(), Vec::new());
        Self {
            reader,
            values,
            def,
            rep,
            max_def,
            max_rep,
            at_level: 0,
            at_value: 0,
            levels: 0,
            spent,
            place,
        }
    }

    /// Decodes the next `rows` rows in the place of those before, and says how many there were.
    pub(crate) fn read(&mut self, rows: usize) -> Result<usize> {
        if self.at_level != self.levels {
            let why = format!("it has {} levels more than its rows", self.levels - self.at_level);
            return Err(self.place.damaged(why));
        }
        let (def, rep) = (&mut self.def, &mut self.rep);
        (self.at_level, self.at_value) = (0, 0);
        self.spent.settle();
        let read = match (&mut self.reader, &mut self.values) {
            (ColumnReader::BoolColumnReader(r), Values::Bool(v)) => fill(r, rows, def, rep, v),
            (ColumnReader::Int32ColumnReader(r), Values::Int32(v)) => fill(r, rows, def, rep, v),
            (ColumnReader::Int64ColumnReader(r), Values::Int64(v)) => fill(r, rows, def, rep, v),
            (ColumnReader::Int96ColumnReader(r), Values::Int96(v)) => fill(r, rows, def, rep, v),
            (ColumnReader::FloatColumnReader(r), Values::Float(v)) => fill(r, rows, def, rep, v),
            (ColumnReader::DoubleColumnReader(r), Values::Double(v)) => fill(r, rows, def, rep, v),
            (ColumnReader::FixedLenByteArrayColumnReader(r), Values::Fixed(v)) => {
                fill(r, rows, def, rep, v)
            }
            (ColumnReader::Int32ColumnReader(r), Values::Texts(v, spans, held, shared)) => {
                // What was held for the rows before is given back before more is taken.
                *held = Texts::default();
                emptied(spans, rows);
                shared.settle();
                let read = fill(r, rows, def, rep, v);
                *held = shared.snapshot();
                held.find(v, spans);
                read
            }
            _ => return Err(self.place.damaged("its reader is of another type")),
        };
        let (records, levels) = read.map_err(|error| self.place.of(error))?;
        self.levels = levels;
        Ok(records)
    }

    /// The definition level of what comes next. An error where nothing comes.
    pub(crate) fn def(&self) -> Result<i16> {
        if self.at_level >= self.levels {
            return Err(self.place.damaged("its levels end before those of its neighbours"));
        }
        Ok(if self.max_def == 0 { 0 } else { self.def[self.at_level] })
    }

    /// The repetition level of what comes next; 0 where nothing comes.
    pub(crate) fn rep(&self) -> i16 {
        if self.max_rep == 0 { 0 } else { self.rep.get(self.at_level).copied().unwrap_or(0) }
    }

    /// Passes what is no value.
    pub(crate) fn pass(&mut self) -> Result<()> {
        self.def()?;
        self.at_level += 1;
        Ok(())
    }

    /// Takes what comes next: a value, or `None` where there is none.
    #[allow(
        clippy::inline_always,
        reason = "handed over in memory, a value is read before it is written: a third of the time"
    )]
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Result<Option<Cell<'_>>> {
        let def = self.def()?;
        self.at_level += 1;
        if def < self.max_def {
            return Ok(None);
        }
        let at = self.at_value;
        self.at_value += 1;
        let cell = match &self.values {
            Values::Bool(values) => values.get(at).map(|value| Cell::Bool(*value)),
            Values::Int32(values) => values.get(at).map(|value| Cell::Int32(*value)),
            Values::Int64(values) => values.get(at).map(|value| Cell::Int64(*value)),
            Values::Int96(values) => values.get(at).map(|value| {
                let data = value.data();
                Cell::Int96(u64::from(data[0]) | u64::from(data[1]) << 32, data[2])
            }),
            Values::Float(values) => values.get(at).map(|value| Cell::Float(*value)),
            Values::Double(values) => values.get(at).map(|value| Cell::Double(*value)),
            Values::Texts(_, spans, held, _) => {
                let span = spans.get(at).copied().flatten();
                span.and_then(|span| held.get(span))
            }
            Values::Fixed(values) => values.get(at).map(|value| Cell::Bytes(value.data())),
        };
        cell.map(Some).ok_or_else(|| self.place.damaged("it has fewer values than levels"))
    }

    /// For how many levels there is room.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.def.capacity().max(self.rep.capacity())
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }
}

/// Without more room than `rows` need: what long lists took was given back to the budget.
fn emptied<T>(values: &mut Vec<T>, rows: usize) {
    values.clear();
    values.shrink_to(2 * rows);
}

fn fill<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    def: &mut Vec<i16>,
    rep: &mut Vec<i16>,
    values: &mut Vec<T::T>,
) -> ParquetResult<(usize, usize)> {
    emptied(def, rows);
    emptied(rep, rows);
    emptied(values, rows);
    let (records, _, levels) = reader.read_records(rows, Some(def), Some(rep), values)?;
    Ok((records, levels))
}
