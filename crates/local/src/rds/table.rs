//! Tables of an export, and their files of Parquet.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use parquet::basic::{Compression, GzipLevel, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::TypePtr;

/// How many rows a row group has at most.
const GROUP: usize = 50_000;

/// A value, by the physical type of its column: integers of both widths are [`Cell::Int`], and all
/// kinds of bytes [`Cell::Bytes`].
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// NULL, in an optional column.
    Null,
    /// `boolean`.
    Bool(bool),
    /// `int32` and `int64`.
    Int(i64),
    /// `float` and `double`.
    Float(f64),
    /// `binary` and `fixed_len_byte_array`.
    Bytes(Vec<u8>),
}

impl Cell {
    /// The bytes of a text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

/// Gives the row of a number, from 0.
type Row = Arc<dyn Fn(i64) -> Vec<Cell> + Send + Sync>;

#[derive(Clone)]
enum Content {
    Rows { schema: String, count: usize, row: Row },
    Files(Vec<Bytes>),
    Skipped(String),
}

/// A table that an export writes or leaves out.
#[derive(Clone)]
pub struct Table {
    /// `<database>.<schema>.<table>`.
    pub name: String,
    content: Content,
    batches: Vec<usize>,
    warning: Option<String>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.content {
            Content::Rows { count, .. } => format!("{count} rows"),
            Content::Files(files) => format!("{} files", files.len()),
            Content::Skipped(why) => format!("skipped: {why}"),
        };
        write!(f, "{} ({kind})", self.name)
    }
}

impl Table {
    /// One whose `row` gives the row of each number from 0 to `count` - 1, as a cell for each column
    /// of `schema`, a message type in Parquet's writing without nested columns. In one file.
    #[must_use]
    pub fn generated(
        name: &str,
        schema: &str,
        count: usize,
        row: impl Fn(i64) -> Vec<Cell> + Send + Sync + 'static,
    ) -> Self {
        let content = Content::Rows { schema: schema.to_owned(), count, row: Arc::new(row) };
        Self { name: name.to_owned(), content, batches: vec![1], warning: None }
    }

    /// One with these rows.
    #[must_use]
    pub fn of_rows(name: &str, schema: &str, rows: Vec<Vec<Cell>>) -> Self {
        let count = rows.len();
        let row = move |n: i64| usize::try_from(n).map(|n| rows[n].clone()).unwrap_or_default();
        Self::generated(name, schema, count, row)
    }

    /// One whose files are these, as they are, whatever is in them: nested columns, damage.
    #[must_use]
    pub fn of_files(name: &str, files: Vec<Bytes>) -> Self {
        let batches = vec![files.len()];
        Self { name: name.to_owned(), content: Content::Files(files), batches, warning: None }
    }

    /// One that RDS leaves out, for this reason.
    #[must_use]
    pub fn skipped(name: &str, why: &str) -> Self {
        let content = Content::Skipped(why.to_owned());
        Self { name: name.to_owned(), content, batches: Vec::new(), warning: None }
    }

    /// The same, in batches of so many files each. Rows are spread over all of them evenly; ready
    /// files have to be as many as these.
    #[must_use]
    pub fn in_batches(mut self, batches: &[usize]) -> Self {
        batches.clone_into(&mut self.batches);
        self
    }

    /// The same, with a warning of RDS on the table.
    #[must_use]
    pub fn with_warning(mut self, warning: &str) -> Self {
        self.warning = Some(warning.to_owned());
        self
    }

    /// How many files each batch has.
    pub(super) fn batches(&self) -> &[usize] {
        &self.batches
    }

    /// What RDS says of it: why it was left out, or what else.
    pub(super) fn warning(&self) -> Option<&str> {
        match &self.content {
            Content::Skipped(why) => Some(why),
            _ => self.warning.as_deref(),
        }
    }

    pub(super) fn is_skipped(&self) -> bool {
        matches!(self.content, Content::Skipped(_))
    }

    /// Whether `ExportOnly` has it.
    pub(super) fn is_among(&self, only: &[String]) -> bool {
        let within = |whole: &str| {
            self.name
                .strip_prefix(whole)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        only.is_empty() || only.iter().any(|name| within(name))
    }

    /// The columns' names and types, for the export's own lists.
    pub(super) fn columns(&self) -> Result<Vec<(String, String)>> {
        let Content::Rows { schema, .. } = &self.content else { return Ok(Vec::new()) };
        let schema = parse_message_type(schema)?;
        let fields = schema.get_fields().iter();
        Ok(fields
            .map(|field| (field.name().to_owned(), field.get_physical_type().to_string()))
            .collect())
    }

    /// The content of the file with this number, over all batches.
    pub(super) fn file(&self, number: usize) -> Result<Bytes> {
        match &self.content {
            Content::Skipped(why) => bail!("{} is left out: {why}", self.name),
            Content::Files(files) => {
                files.get(number).cloned().with_context(|| format!("{} has no {number}", self.name))
            }
            Content::Rows { schema, count, row } => {
                let files: usize = self.batches.iter().sum();
                let (from, to) = (count * number / files, count * (number + 1) / files);
                let schema = Arc::new(parse_message_type(schema)?);
                written(&schema, from..to, row).with_context(|| self.name.clone())
            }
        }
    }
}

fn written(schema: &TypePtr, numbers: std::ops::Range<usize>, row: &Row) -> Result<Bytes> {
    let gzip = Compression::GZIP(GzipLevel::default());
    let properties = Arc::new(WriterProperties::builder().set_compression(gzip).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::clone(schema), properties)?;
    let mut from = numbers.start;
    while from < numbers.end {
        let to = (from + GROUP).min(numbers.end);
        let rows: Vec<_> = (from..to).map(|n| Ok(row(i64::try_from(n)?))).collect::<Result<_>>()?;
        let columns = schema.get_fields().len();
        ensure!(rows.iter().all(|row| row.len() == columns), "rows of {columns} cells are needed");
        let mut group = writer.next_row_group()?;
        for index in 0..columns {
            let mut column = group.next_column()?.context("a column less")?;
            add(&mut column, &schema.get_fields()[index], rows.iter().map(|row| &row[index]))?;
            column.close()?;
        }
        group.close()?;
        from = to;
    }
    Ok(writer.into_inner()?.into())
}

fn add<'a>(
    column: &mut SerializedColumnWriter<'_>,
    kind: &TypePtr,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<()> {
    let optional = kind.is_optional();
    match kind.get_physical_type() {
        Physical::BOOLEAN => put::<BoolType>(column, optional, cells, |cell| match cell {
            Cell::Bool(value) => Some(*value),
            _ => None,
        }),
        Physical::INT32 => put::<Int32Type>(column, optional, cells, |cell| match cell {
            Cell::Int(value) => i32::try_from(*value).ok(),
            _ => None,
        }),
        Physical::INT64 => put::<Int64Type>(column, optional, cells, |cell| match cell {
            Cell::Int(value) => Some(*value),
            _ => None,
        }),
        Physical::FLOAT => put::<FloatType>(column, optional, cells, |cell| match cell {
            #[expect(clippy::cast_possible_truncation, reason = "the column is of that type")]
            Cell::Float(value) => Some(*value as f32),
            _ => None,
        }),
        Physical::DOUBLE => put::<DoubleType>(column, optional, cells, |cell| match cell {
            Cell::Float(value) => Some(*value),
            _ => None,
        }),
        Physical::BYTE_ARRAY => put::<ByteArrayType>(column, optional, cells, bytes),
        Physical::FIXED_LEN_BYTE_ARRAY => {
            put::<FixedLenByteArrayType>(column, optional, cells, |cell| {
                bytes(cell).map(FixedLenByteArray::from)
            })
        }
        other @ Physical::INT96 => bail!("RDS writes no {other}"),
    }
}

fn bytes(cell: &Cell) -> Option<ByteArray> {
    match cell {
        Cell::Bytes(value) => Some(ByteArray::from(value.clone())),
        _ => None,
    }
}

fn put<'a, T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    optional: bool,
    cells: impl Iterator<Item = &'a Cell>,
    value: impl Fn(&Cell) -> Option<T::T>,
) -> Result<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        let there = !(optional && *cell == Cell::Null);
        levels.push(i16::from(there));
        if there {
            values.push(value(cell).with_context(|| format!("{cell:?} is of another type"))?);
        }
    }
    column.typed::<T>().write_batch(&values, optional.then_some(&levels[..]), None)?;
    Ok(())
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
