use std::fmt;

use super::write::{COMPATIBLE_FORMAT, INT_SIZE, MAGIC, OFFSET_SIZE};
use super::{Entry, Header, Section, Text, Toc, Version};

/// Why a `toc.dat` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It is of a kind that is not known here: a newer version of the format, for example.
    Unknown(String),
    /// It is not whole, or not a `toc.dat`.
    Damaged {
        /// Where that was seen, in bytes.
        offset: usize,
        /// What was seen.
        what: &'static str,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(what) => write!(f, "toc.dat is of an unknown kind: {what}"),
            Self::Damaged { offset, what } => {
                write!(f, "toc.dat is damaged at byte {offset}: {what}")
            }
        }
    }
}

impl std::error::Error for Unreadable {}

type Read<T> = Result<T, Unreadable>;

pub(super) fn toc(bytes: &[u8]) -> Read<Toc> {
    let mut reader = Reader { bytes, offset: 0 };
    let header = reader.header()?;
    let count = reader.int()?;
    // The number is not trusted with an allocation: each entry has to be there.
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(reader.entry(header.version)?);
    }
    if count < 0 {
        return Err(reader.damaged("the number of entries is negative"));
    }
    if reader.offset != bytes.len() {
        return Err(reader.damaged("there is more after the last entry"));
    }
    Ok(Toc { header, entries })
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn header(&mut self) -> Read<Header> {
        if self.take(MAGIC.len())? != MAGIC {
            self.offset = 0;
            return Err(self.damaged("it does not begin with PGDMP"));
        }
        let version = self.version()?;
        self.expect("size of integers", INT_SIZE)?;
        self.expect("size of offsets", OFFSET_SIZE)?;
        self.expect("format", COMPATIBLE_FORMAT)?;
        let compression =
            if version < Version::V1_15 { self.int()? } else { i32::from(self.byte()?) };
        let mut created = [0; 7];
        for field in &mut created {
            *field = self.int()?;
        }
        let (database, server_version, client_version) = (self.text()?, self.text()?, self.text()?);
        Ok(Header { version, compression, created, database, server_version, client_version })
    }

    fn version(&mut self) -> Read<Version> {
        match [self.byte()?, self.byte()?, self.byte()?] {
            [1, 14, 0] => Ok(Version::V1_14),
            [1, 15, 0] => Ok(Version::V1_15),
            [1, 16, 0] => Ok(Version::V1_16),
            [major, minor, revision] => {
                Err(Unreadable::Unknown(format!("version {major}.{minor}.{revision}")))
            }
        }
    }

    fn entry(&mut self, version: Version) -> Read<Entry> {
        Ok(Entry {
            dump_id: self.int()?,
            had_dumper: self.flag()?,
            catalogue: self.number()?,
            oid: self.number()?,
            tag: self.text()?,
            desc: self.text()?,
            section: self.section()?,
            defn: self.text()?,
            drop_stmt: self.text()?,
            copy_stmt: self.text()?,
            namespace: self.text()?,
            tablespace: self.text()?,
            tableam: self.text()?,
            relkind: if version < Version::V1_16 { 0 } else { self.int()? },
            owner: self.text()?,
            with_oids: self.text()?,
            dependencies: self.dependencies()?,
            file_name: self.text()?,
        })
    }

    fn dependencies(&mut self) -> Read<Vec<i32>> {
        let mut dependencies = Vec::new();
        while let Some(text) = self.text()? {
            dependencies.push(self.parsed(&text)?);
        }
        Ok(dependencies)
    }

    fn section(&mut self) -> Read<Section> {
        match self.int()? {
            1 => Ok(Section::None),
            2 => Ok(Section::PreData),
            3 => Ok(Section::Data),
            4 => Ok(Section::PostData),
            _ => Err(self.damaged("there is no such section")),
        }
    }

    fn flag(&mut self) -> Read<bool> {
        match self.int()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damaged("neither 0 nor 1")),
        }
    }

    fn number(&mut self) -> Read<u32> {
        let text = self.text()?.unwrap_or_default();
        self.parsed(&text)
    }

    /// A number in decimal, as it would be written.
    fn parsed<T: std::str::FromStr + ToString>(&self, text: &[u8]) -> Read<T> {
        let text = std::str::from_utf8(text).unwrap_or_default();
        let number = text.parse::<T>().ok().filter(|number| number.to_string() == text);
        number.ok_or_else(|| self.damaged("not a number"))
    }

    fn text(&mut self) -> Read<Text> {
        let length = self.int()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| self.damaged("a length is negative"))?;
        Ok(Some(self.take(length)?.to_vec()))
    }

    fn int(&mut self) -> Read<i32> {
        let sign = self.byte()?;
        let bytes = self.take(usize::from(INT_SIZE))?;
        let magnitude = i64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let value = match sign {
            0 => magnitude,
            1 if magnitude != 0 => -magnitude,
            _ => return Err(self.damaged("not an integer")),
        };
        i32::try_from(value).map_err(|_| self.damaged("an integer is too large"))
    }

    fn expect(&mut self, what: &str, expected: u8) -> Read<()> {
        let byte = self.byte()?;
        if byte == expected {
            Ok(())
        } else {
            Err(Unreadable::Unknown(format!("{what} {byte} instead of {expected}")))
        }
    }

    fn byte(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, length: usize) -> Read<&[u8]> {
        let rest = &self.bytes[self.offset..];
        let Some(taken) = rest.get(..length) else {
            return Err(self.damaged("it ends too early"));
        };
        self.offset += length;
        Ok(taken)
    }

    const fn damaged(&self, what: &'static str) -> Unreadable {
        Unreadable::Damaged { offset: self.offset, what }
    }
}
