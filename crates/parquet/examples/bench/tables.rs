//! Tables of the benchmark's own making, in the layout of RDS: the same ones everywhere.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use autodump_core::Result;
use parquet::basic::{Compression, GzipLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::disk::failed;
use super::wrong;

/// How much of a table there is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) files: u64,
    /// Of each file.
    pub(crate) groups: u64,
    /// Of each group.
    pub(crate) rows: u64,
}

impl Size {
    pub(crate) const fn all(self) -> u64 {
        self.files * self.groups * self.rows
    }
}

const MIXED: &str = "message m {
    required int64 id; required binary customer (STRING); required int64 amount (DECIMAL(12,2));
    required int64 created (TIMESTAMP(MICROS,true)); optional binary note (STRING);
    required double price; required boolean flag; required int32 day (DATE);
    required int32 quantity; required binary token (STRING); }";
/// Columns of texts, of each of the four kinds in turn.
const TEXTS: usize = 100;
const WIDE: usize = 300;
const WIDEST: usize = 1000;

type Group<'a> = SerializedRowGroupWriter<'a, File>;
type Written = parquet::errors::Result<()>;
type Fill = fn(&mut Group<'_>, &mut Rng, Rows) -> Written;

/// Writes a table below `root`, a directory for each file, and says how many bytes it has.
pub(crate) fn write(table: &str, root: &Path, size: Size) -> Result<u64> {
    let (schema, group): (String, Fill) = match table {
        "mixed" => (MIXED.to_owned(), mixed),
        "texts" => (texts_schema(TEXTS), texts),
        "wide" => (texts_schema(WIDE), texts),
        "widest" => (texts_schema(WIDEST), texts),
        other => return Err(wrong(format!("there is no table {other}"))),
    };
    let directory = root.join("in/run-1/shop/public").with_added_extension(table);
    let mut bytes = 0;
    for file in 0..size.files {
        let batch = directory.join((file + 1).to_string());
        fs::create_dir_all(&batch).map_err(|error| failed(&batch, &error))?;
        let path = batch.join("part-00000-u.gz.parquet");
        let made = one(&path, &schema, group, file, size);
        made.map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        bytes += path.metadata().map_err(|error| failed(&path, &error))?.len();
        let marker = batch.join("_SUCCESS");
        fs::write(&marker, "").map_err(|error| failed(&marker, &error))?;
    }
    Ok(bytes)
}

fn one(path: &Path, schema: &str, group: Fill, file: u64, size: Size) -> Written {
    let schema = Arc::new(parse_message_type(schema)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::try_new(6)?))
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer = SerializedFileWriter::new(File::create(path)?, schema, Arc::new(properties))?;
    for index in 0..size.groups {
        let number = file * size.groups + index;
        let rows = Rows { first: number * size.rows, count: size.rows };
        let mut columns = writer.next_row_group()?;
        group(&mut columns, &mut Rng(number), rows)?;
        columns.close()?;
    }
    writer.close().map(drop)
}

/// Which rows of a table.
#[derive(Clone, Copy)]
struct Rows {
    first: u64,
    count: u64,
}

impl Rows {
    fn each<T>(self, make: impl FnMut(u64) -> T) -> Vec<T> {
        (self.first..self.first + self.count).map(make).collect()
    }
}

fn column<T: DataType>(group: &mut Group<'_>, values: &[T::T], def: Option<&[i16]>) -> Written {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, def, None)?;
        column.close()?;
    }
    Ok(())
}

fn mixed(group: &mut Group<'_>, rng: &mut Rng, rows: Rows) -> Written {
    column::<Int64Type>(group, &rows.each(u64::cast_signed), None)?;
    let customers = rows.each(|_| match rng.below(5000) {
        number if number % 50 == 0 => ByteArray::from(&*format!("name {number} \"x\"")),
        number => ByteArray::from(&*format!("some customer {number}")),
    });
    column::<ByteArrayType>(group, &customers, None)?;
    let cents = rows.each(|_| rng.below(2_000_000_000).cast_signed() - 1_000_000_000);
    column::<Int64Type>(group, &cents, None)?;
    let created = rows.each(|_| rng.below(2_000_000_000_000_000).cast_signed());
    column::<Int64Type>(group, &created, None)?;
    let notes = rows.each(|_| rng.below(1_000_000_000));
    let there: Vec<_> = notes.iter().map(|note| i16::from(note % 7 != 0)).collect();
    let notes = notes.iter().filter(|note| *note % 7 != 0).map(|note| {
        ByteArray::from(&*format!("note {note}, with a comma and some text {}", note * 31))
    });
    column::<ByteArrayType>(group, &notes.collect::<Vec<_>>(), Some(&there))?;
    let prices = rows.each(|_| f64::from(rng.small()) / 1024.0 - 1000.0);
    column::<DoubleType>(group, &prices, None)?;
    column::<BoolType>(group, &rows.each(|_| rng.below(2) == 1), None)?;
    column::<Int32Type>(group, &rows.each(|_| i32::from(rng.short()) % 20_000), None)?;
    column::<Int32Type>(group, &rows.each(|_| i32::from(rng.short()) - 30_000), None)?;
    let tokens =
        rows.each(|_| ByteArray::from(&*format!("{:016x}{:08x}", rng.next(), rng.small())));
    column::<ByteArrayType>(group, &tokens, None)
}

fn texts_schema(columns: usize) -> String {
    let columns = (0..columns).map(|at| format!("optional binary text{at} (STRING);"));
    format!("message m {{ {} }}", columns.collect::<String>())
}

/// Few different texts, many, sentences that are all different, and those with quotes and NULL.
fn texts(group: &mut Group<'_>, rng: &mut Rng, rows: Rows) -> Written {
    for at in 0.. {
        let Some(mut column) = group.next_column()? else { break };
        let mut there = vec![1; usize::try_from(rows.count).unwrap_or_default()];
        let mut values = Vec::with_capacity(there.len());
        for there in &mut there {
            let number = rng.below(40_000);
            let text = match at % 4 {
                0 => format!("kind {}", number % 200),
                1 => format!("value {number} of it"),
                2 => format!("the sentence {:x} says {number} and no more", rng.next()),
                _ if number.is_multiple_of(5) => {
                    *there = 0;
                    continue;
                }
                _ => format!("\"{number}\", he said"),
            };
            values.push(ByteArray::from(text.into_bytes()));
        }
        column.typed::<ByteArrayType>().write_batch(&values, Some(&there), None)?;
        column.close()?;
    }
    Ok(())
}

/// `SplitMix64`.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.next() >> 43).unwrap_or_default()
    }

    fn short(&mut self) -> u16 {
        u16::try_from(self.next() >> 48).unwrap_or_default()
    }
}
