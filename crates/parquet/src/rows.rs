//! The rows of a table's files, one after the other, as lines of CSV.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use autodump_core::ports::{Listed, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::column::{Column, ColumnInfo, Shape, columns};
use crate::csv::Format;
use crate::nested::{Nested, Trouble, too_long};
use crate::output::Sink;
use crate::read::{Begun, Cell, Group, Leaf, Opened, begin, damaged};
use crate::schema::{Rule, TableSchema};
use crate::text::{self, Bad, Binary, Kind};

/// How rows are made.
#[derive(Debug, Clone)]
pub(crate) struct Making {
    pub(crate) format: Format,
    pub(crate) binary: Binary,
    pub(crate) schema: Option<TableSchema>,
    /// Bytes that pages may take.
    pub(crate) pages: u64,
    /// The longest row in bytes.
    pub(crate) longest: usize,
}

/// What was read and written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) columns: Vec<ColumnInfo>,
    /// Of each file, in the order of reading.
    pub(crate) rows: Vec<u64>,
    pub(crate) rows_out: u64,
    pub(crate) rejects: u64,
}

/// The lines of a table in the making. It blocks, and is run on a thread of its own.
pub(crate) struct Rows {
    making: Making,
    lines: Sink,
    /// Where bad rows go; without it they end everything.
    rejects: Option<Sink>,
    columns: Vec<Column>,
    /// The first file, that the others are compared with.
    first: String,
    rules: Vec<Rule>,
    /// The text of a value before it is quoted.
    scratch: Vec<u8>,
    made: Made,
}

impl Rows {
    pub(crate) fn new(making: Making, lines: Sink, rejects: Option<Sink>) -> Self {
        Self {
            making,
            lines,
            rejects,
            columns: Vec::new(),
            first: String::new(),
            rules: Vec::new(),
            scratch: Vec::new(),
            made: Made::default(),
        }
    }

    /// Reads `files`, the end of each while the one before it is read.
    pub(crate) fn run<R: ObjectReader + Clone + Send + 'static>(
        mut self,
        reader: &R,
        bucket: &str,
        files: &[Listed],
        runtime: &Handle,
    ) -> Result<Made> {
        let beginning = |file: &Listed| {
            let (reader, bucket, file) = (reader.clone(), bucket.to_owned(), file.clone());
            runtime.spawn(async move { begin(reader, &bucket, file).await })
        };
        let mut next = files.first().map(beginning);
        for index in 0..files.len() {
            let Some(begun) = next.take() else { break };
            let opened = opened(runtime, begun)?;
            next = files.get(index + 1).map(beginning);
            // A decoder that panics has met what is no Parquet.
            let read = AssertUnwindSafe(|| self.file(&opened));
            std::panic::catch_unwind(read)
                .unwrap_or_else(|panic| Err(panicked(&opened, &*panic)))?;
        }
        self.lines.end()?;
        if let Some(rejects) = self.rejects {
            rejects.end()?;
        }
        Ok(self.made)
    }

    fn file(&mut self, file: &Opened) -> Result<()> {
        self.schema(file)?;
        let mut rows = 0;
        for index in 0..file.metadata.num_row_groups() {
            let mut group = Group::open(file, index, self.making.pages)?;
            loop {
                let read = group.advance()?;
                for _ in 0..read {
                    rows += 1;
                    self.row(&mut group.leaves, file, rows)?;
                }
                if read == 0 {
                    break;
                }
            }
        }
        let declared = file.metadata.file_metadata().num_rows();
        if u64::try_from(declared) != Ok(rows) {
            let why =
                format!("its footer declares {declared} rows, and its row groups have {rows}");
            return Err(damaged(&file.uri, why));
        }
        self.made.rows.push(rows);
        Ok(())
    }

    /// Takes the schema of the first file, and compares that of every other.
    fn schema(&mut self, file: &Opened) -> Result<()> {
        let schema = file.metadata.file_metadata().schema_descr().root_schema();
        let found = columns(schema, &file.uri)?;
        if !self.columns.is_empty() {
            compare(&self.columns, &self.first, &found, &file.uri)?;
            for (known, found) in self.made.columns.iter_mut().zip(&found) {
                known.nullable |= found.info.nullable;
            }
            // Levels may differ where only one of them allows NULL.
            self.columns = found;
            return Ok(());
        }
        if let Some(schema) = &self.making.schema {
            self.rules = schema.for_columns(&found, &file.uri)?;
        }
        self.made.columns = found.iter().map(|column| column.info.clone()).collect();
        let names = || found.iter().map(|column| column.info.name.as_str());
        if self.making.format.header {
            self.making.format.line(names(), self.lines.lines());
            if let Some(rejects) = &mut self.rejects {
                let before = ["file", "row", "reason"];
                self.making.format.line(before.into_iter().chain(names()), rejects.lines());
            }
        }
        self.columns = found;
        self.first.clone_from(&file.uri);
        Ok(())
    }

    /// Writes the next row, which is number `row` of the file, from 1.
    fn row(&mut self, leaves: &mut [Leaf], file: &Opened, row: u64) -> Result<()> {
        let out = self.lines.lines();
        let start = out.len();
        let mut first_bad = None;
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let end = out.len();
            let mut field = Field {
                making: &self.making,
                rule: self.rules.get(index),
                scratch: &mut self.scratch,
                longest: start + self.making.longest,
            };
            if let Err(trouble) = field.write(column, leaves, out) {
                let bad = match trouble {
                    Trouble::Damaged(error) => return Err(error),
                    Trouble::Bad(bad) => bad,
                };
                // A value without a text is left empty in the reject file.
                if out.len() > field.longest {
                    out.truncate(end);
                }
                first_bad.get_or_insert_with(|| (column.info.name.clone(), bad));
            }
        }
        out.extend_from_slice(self.making.format.line_end());
        match first_bad {
            None => {
                self.made.rows_out += 1;
                self.lines.flow()
            }
            Some((column, bad)) => self.reject(start, file, row, &format!("column {column} {bad}")),
        }
    }

    /// Moves the line that begins at `start` to the reject file, or ends everything.
    fn reject(&mut self, start: usize, file: &Opened, row: u64, reason: &str) -> Result<()> {
        let Some(rejects) = &mut self.rejects else {
            return Err(Error::new(
                ErrorClass::Verification,
                format!("{}, row {row}: {reason}", file.uri),
                "Correct the data or the table schema, or have bad rows put into a reject file",
            ));
        };
        let out = rejects.lines();
        for text in [file.listed.key.as_str(), &row.to_string(), reason] {
            self.making.format.text(text.as_bytes(), out);
            out.push(b',');
        }
        out.extend_from_slice(&self.lines.lines()[start..]);
        self.lines.lines().truncate(start);
        self.made.rejects += 1;
        rejects.flow()
    }
}

/// A value on its way into the line.
struct Field<'a> {
    making: &'a Making,
    rule: Option<&'a Rule>,
    scratch: &'a mut Vec<u8>,
    /// How long the line may become.
    longest: usize,
}

impl Field<'_> {
    fn write(
        &mut self,
        column: &Column,
        leaves: &mut [Leaf],
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        let start = out.len();
        match &column.node.shape {
            Shape::Leaf(kind) => {
                let cell = leaves[column.node.first].take()?;
                self.leaf(*kind, cell, out).map_err(Trouble::Bad)?;
            }
            _ => self.nested(column, leaves, out)?,
        }
        if out.len() > self.longest {
            out.truncate(start);
            return Err(Trouble::Bad(too_long(self.making.longest)));
        }
        Ok(())
    }

    fn leaf(&mut self, kind: Kind, cell: Option<Cell<'_>>, out: &mut Vec<u8>) -> Result<(), Bad> {
        let Some(cell) = cell else {
            self.making.format.null(out);
            return self.check(None);
        };
        if let Cell::Bytes(bytes) | Cell::Text(bytes, _) = cell {
            // Before anything is made of it.
            if out.len() + bytes.len() > self.longest {
                return Err(too_long(self.making.longest));
            }
        }
        if let (true, Some((text, look))) = (kind.is_free(), cell.text()) {
            if look.beyond_ascii {
                text::utf8(text)?;
            }
            self.making.format.looked_at(text, look, out);
            return self.check(Some(text));
        }
        let start = out.len();
        text::write(kind, cell, self.making.binary, out)?;
        let checked = self.check(Some(&out[start..]));
        self.making.format.unlike_null(start, out);
        checked
    }

    fn nested(
        &mut self,
        column: &Column,
        leaves: &mut [Leaf],
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        self.scratch.clear();
        let longest = self.longest.saturating_sub(out.len());
        let mut nested = Nested { leaves, binary: self.making.binary, longest };
        if nested.write(&column.node, self.scratch)? {
            self.making.format.text(self.scratch, out);
            self.check(Some(self.scratch)).map_err(Trouble::Bad)
        } else {
            self.making.format.null(out);
            self.check(None).map_err(Trouble::Bad)
        }
    }

    fn check(&self, text: Option<&[u8]>) -> Result<(), Bad> {
        self.rule.map_or(Ok(()), |rule| rule.check(text))
    }
}

fn panicked(file: &Opened, panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    damaged(&file.uri, format!("its content makes no sense ({text})"))
}

fn opened<R: ObjectReader + Clone + Send + 'static>(
    runtime: &Handle,
    begun: JoinHandle<Result<Begun<R>>>,
) -> Result<Opened> {
    let begun = runtime.block_on(begun).unwrap_or_else(|error| {
        let what = format!("the task that opens a file broke down: {error}");
        Err(Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump"))
    })?;
    runtime.block_on(begun.open())
}

/// Files of one table have the same columns, by name, order and type.
fn compare(known: &[Column], first: &str, found: &[Column], uri: &str) -> Result<()> {
    let drift = |what: String| {
        let hint = "Files of one table must have the same columns: export or write them again";
        Error::new(ErrorClass::Verification, format!("{uri} {what}, unlike {first}"), hint)
    };
    let with_name = |columns: &[Column], name: &str| {
        columns.iter().find(|column| column.info.name == name).cloned()
    };
    for column in known {
        let name = &column.info.name;
        let Some(other) = with_name(found, name) else {
            return Err(drift(format!("lacks column {name}")));
        };
        if other.signature != column.signature {
            let (has, had) = (&other.signature, &column.signature);
            return Err(drift(format!("has column {name} as {has}, not as {had}")));
        }
    }
    if let Some(more) = found.iter().find(|column| with_name(known, &column.info.name).is_none()) {
        return Err(drift(format!("has the further column {}", more.info.name)));
    }
    let names = |columns: &[Column]| -> Vec<_> {
        columns.iter().map(|column| column.info.name.clone()).collect()
    };
    if names(known) != names(found) {
        let place = known.iter().zip(found).find(|(a, b)| a.info.name != b.info.name);
        let name = place.map_or_else(String::new, |(column, _)| column.info.name.clone());
        return Err(drift(format!("has column {name} at another place")));
    }
    Ok(())
}
