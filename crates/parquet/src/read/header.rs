//! The header of a page, out of Thrift's compact protocol.
//!
//! The sizes are looked at before a byte of the page is decompressed, so it is read here.

use parquet::basic::Encoding;

use super::thrift::{FALSE, I16, I64, STRUCT, TRUE, Thrift, Trouble};

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

/// Structures within structures that a header of a page may have.
const DEEPEST: u32 = 8;

/// Reads a header from the beginning of `bytes`, and says how long it is.
pub(crate) fn read(bytes: &[u8]) -> Result<(Header, usize), Trouble> {
    let mut thrift = Thrift::new(bytes, DEEPEST);
    let header = header(&mut thrift)?;
    Ok((header, thrift.at()))
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

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
