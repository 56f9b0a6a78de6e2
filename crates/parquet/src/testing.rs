//! For tests: CSV read back by the rules of RFC 4180 alone, and files of Parquet in memory.

use std::sync::Arc;

use parquet::data_type::DataType;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

/// A field: its text, or `None` for one that is empty and not in quotes.
pub(crate) type Field = Option<Vec<u8>>;

/// The lines of a CSV. Panics where it is none.
pub(crate) fn parsed(csv: &[u8], line_end: &[u8]) -> Vec<Vec<Field>> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut rest = csv;
    while !rest.is_empty() {
        let (field, after) = if rest[0] == b'"' { in_quotes(&rest[1..]) } else { bare(rest) };
        line.push(field);
        rest = if let Some(next) = after.strip_prefix(b",") {
            assert!(!next.is_empty(), "no field behind the last comma, and no line end");
            next
        } else {
            lines.push(std::mem::take(&mut line));
            after.strip_prefix(line_end).expect("neither a comma nor the line's end")
        };
    }
    lines
}

fn in_quotes(mut rest: &[u8]) -> (Field, &[u8]) {
    let mut text = Vec::new();
    loop {
        let quote = rest.iter().position(|byte| *byte == b'"').expect("a quote has no end");
        text.extend_from_slice(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix(b"\"") {
            Some(after) => {
                text.push(b'"');
                rest = after;
            }
            None => return (Some(text), rest),
        }
    }
}

fn bare(rest: &[u8]) -> (Field, &[u8]) {
    let end = rest.iter().position(|byte| b",\r\n".contains(byte)).expect("a line has no end");
    let (text, after) = rest.split_at(end);
    assert!(!text.contains(&b'"'), "a quote in a field without quotes");
    ((end > 0).then(|| text.to_vec()), after)
}

/// Writes the columns of a row group, one after the other.
pub(crate) struct Columns<'a>(SerializedRowGroupWriter<'a, Vec<u8>>);

impl Columns<'_> {
    /// The next column.
    pub(crate) fn add<T: DataType>(
        &mut self,
        values: &[T::T],
        def: Option<&[i16]>,
        rep: Option<&[i16]>,
    ) -> &mut Self {
        let mut column = self.0.next_column().unwrap().expect("one column less");
        column.typed::<T>().write_batch(values, def, rep).unwrap();
        column.close().unwrap();
        self
    }
}

/// A file with one row group for each of `groups`.
pub(crate) fn file(
    schema: &str,
    properties: WriterPropertiesBuilder,
    groups: &[&dyn Fn(&mut Columns<'_>)],
) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties: Arc<WriterProperties> = Arc::new(properties.build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    for group in groups {
        let mut columns = Columns(writer.next_row_group().unwrap());
        group(&mut columns);
        columns.0.close().unwrap();
    }
    writer.into_inner().unwrap()
}
