//! The header of a page, out of Thrift's compact protocol.
//!
//! The sizes are looked at before a byte of the page is decompressed, so it is read here.

use parquet::basic::Encoding;

/// What a page declares of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Length when decompressed, in bytes.
    pub(crate) uncompressed: usize,
    /// Length in the file, in bytes.
    pub(crate) compressed: usize,
    /// CRC-32 of the bytes in the file.
    pub(crate) crc: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dictionary {
        values: u32,
        encoding: Encoding,
    },
    Data {
        values: u32,
        encoding: Encoding,
        def: Encoding,
        rep: Encoding,
    },
    DataV2(V2),
    /// An index or something newer: it is left out.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct V2 {
    pub(crate) values: u32,
    pub(crate) nulls: u32,
    pub(crate) rows: u32,
    pub(crate) encoding: Encoding,
    pub(crate) def_bytes: u32,
    pub(crate) rep_bytes: u32,
    pub(crate) is_compressed: bool,
}

/// Why there is no header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It goes on behind these bytes.
    Short,
    /// It is none.
    Broken(String),
}

/// Reads a header from the beginning of `bytes`, and says how long it is.
pub(crate) fn read(bytes: &[u8]) -> Result<(Header, usize), Trouble> {
    let mut thrift = Thrift { bytes, at: 0, depth: 0 };
    let header = header(&mut thrift)?;
    Ok((header, thrift.at))
}

fn header(thrift: &mut Thrift<'_>) -> Result<Header, Trouble> {
    let (mut page_type, mut sizes, mut crc) = (None, [None; 2], None);
    let (mut data, mut dictionary, mut v2) = (None, None, None);
    let mut last = 0;
    while let Some((id, wire)) = thrift.field(&mut last)? {
        let legal = match id {
            1..=4 => (I16..=I64).contains(&wire),
            5 | 7 | 8 => wire == STRUCT,
            _ => true,
        };
        if !legal {
            return Err(Trouble::Broken(format!("its field {id} has type {wire}")));
        }
        match id {
            1 => page_type = Some(thrift.int()?),
            2 | 3 => sizes[usize::from(id == 3)] = Some(thrift.int()?),
            4 => crc = Some(thrift.int()?),
            5 => data = Some(numbers(thrift)?),
            7 => dictionary = Some(numbers(thrift)?),
            8 => v2 = Some(numbers(thrift)?),
            _ => thrift.skip(wire)?,
        }
    }
    let missing = || Trouble::Broken("it lacks a field that every page has".to_owned());
    let [uncompressed, compressed] = sizes.map(|size| size.ok_or_else(missing).and_then(length));
    let (uncompressed, compressed) = (uncompressed?, compressed?);
    let kind = match page_type.ok_or_else(missing)? {
        0 => data.ok_or_else(missing)?.data()?,
        2 => dictionary.ok_or_else(missing)?.dictionary()?,
        3 => v2.ok_or_else(missing)?.v2()?,
        _ => Kind::Other,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32 bits as i32")]
    let crc = crc.map(|crc| crc as u32);
    Ok(Header { kind, uncompressed: uncompressed as usize, compressed: compressed as usize, crc })
}

fn length(size: i64) -> Result<u32, Trouble> {
    u32::try_from(size).map_err(|_| Trouble::Broken(format!("it declares {size} bytes or values")))
}

/// The fields 1 to 7 of one of the inner headers, which are numbers.
#[derive(Default)]
struct Numbers([Option<i64>; 8]);

fn numbers(thrift: &mut Thrift<'_>) -> Result<Numbers, Trouble> {
    let mut numbers = Numbers::default();
    let mut last = 0;
    while let Some((id, wire)) = thrift.field(&mut last)? {
        match (usize::try_from(id), wire) {
            (Ok(id @ 1..=7), TRUE | FALSE) => numbers.0[id] = Some(i64::from(wire == TRUE)),
            (Ok(id @ 1..=7), I16..=I64) => numbers.0[id] = Some(thrift.int()?),
            _ => thrift.skip(wire)?,
        }
    }
    Ok(numbers)
}

impl Numbers {
    fn number(&self, id: usize) -> Result<u32, Trouble> {
        length(self.0[id].unwrap_or(-1))
    }

    fn encoding(&self, id: usize) -> Result<Encoding, Trouble> {
        Ok(match self.0[id] {
            Some(0) => Encoding::PLAIN,
            Some(2) => Encoding::PLAIN_DICTIONARY,
            Some(3) => Encoding::RLE,
            #[allow(deprecated, reason = "old files have it")]
            Some(4) => Encoding::BIT_PACKED,
            Some(5) => Encoding::DELTA_BINARY_PACKED,
            Some(6) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            Some(7) => Encoding::DELTA_BYTE_ARRAY,
            Some(8) => Encoding::RLE_DICTIONARY,
            Some(9) => Encoding::BYTE_STREAM_SPLIT,
            other => return Err(Trouble::Broken(format!("its encoding is {other:?}"))),
        })
    }

    fn data(&self) -> Result<Kind, Trouble> {
        let (def, rep) = (self.encoding(3)?, self.encoding(4)?);
        Ok(Kind::Data { values: self.number(1)?, encoding: self.encoding(2)?, def, rep })
    }

    fn dictionary(&self) -> Result<Kind, Trouble> {
        Ok(Kind::Dictionary { values: self.number(1)?, encoding: self.encoding(2)? })
    }

    fn v2(&self) -> Result<Kind, Trouble> {
        Ok(Kind::DataV2(V2 {
            values: self.number(1)?,
            nulls: self.number(2)?,
            rows: self.number(3)?,
            encoding: self.encoding(4)?,
            def_bytes: self.number(5)?,
            rep_bytes: self.number(6)?,
            is_compressed: self.0[7] != Some(0),
        }))
    }
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I16: u8 = 4;
const I64: u8 = 6;
const STRUCT: u8 = 12;
/// Structures within structures that a header of a page may have.
const DEEPEST: u32 = 8;

struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Result<u8, Trouble> {
        let byte = *self.bytes.get(self.at).ok_or(Trouble::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Trouble> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Trouble::Broken("a number in it has no end".to_owned()))
    }

    #[allow(clippy::cast_possible_wrap, reason = "zigzag")]
    fn int(&mut self) -> Result<i64, Trouble> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next field's number and type; `None` at the end of the structure.
    fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, Trouble> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let step = i64::from(byte >> 4);
        *last = if step == 0 { self.int()? } else { last.saturating_add(step) };
        Ok(Some((*last, byte & 0x0f)))
    }

    fn skip(&mut self, wire: u8) -> Result<(), Trouble> {
        match wire {
            TRUE | FALSE => {}
            3 => self.forward(1)?,
            I16..=I64 => drop(self.varint()?),
            7 => self.forward(8)?,
            8 => {
                let length = self.varint()?;
                self.forward(length)?;
            }
            9 | 10 => self.skip_list()?,
            STRUCT => self.skip_struct()?,
            other => return Err(Trouble::Broken(format!("a field in it has type {other}"))),
        }
        Ok(())
    }

    fn forward(&mut self, bytes: u64) -> Result<(), Trouble> {
        let left = (self.bytes.len() - self.at) as u64;
        if bytes > left {
            return Err(Trouble::Short);
        }
        self.at += usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(())
    }

    fn skip_list(&mut self) -> Result<(), Trouble> {
        let byte = self.byte()?;
        let size = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
        for _ in 0..size {
            // In a list a truth value takes a byte.
            let wire = if matches!(byte & 0x0f, TRUE | FALSE) { 3 } else { byte & 0x0f };
            self.deeper(|thrift| thrift.skip(wire))?;
        }
        Ok(())
    }

    fn skip_struct(&mut self) -> Result<(), Trouble> {
        self.deeper(|thrift| {
            let mut last = 0;
            while let Some((_, wire)) = thrift.field(&mut last)? {
                thrift.skip(wire)?;
            }
            Ok(())
        })
    }

    fn deeper(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        if self.depth == DEEPEST {
            return Err(Trouble::Broken("structures in it are too deep".to_owned()));
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
