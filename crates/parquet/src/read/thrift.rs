//! Thrift's compact protocol, as far as sizes are looked at before anything is made of them.

/// Why something cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It goes on behind these bytes.
    Short,
    /// It is none.
    Broken(String),
}

pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
pub(super) const I16: u8 = 4;
pub(super) const I64: u8 = 6;
pub(super) const STRUCT: u8 = 12;

/// Bytes, and how far they were read.
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    deepest: u32,
}

impl<'a> Thrift<'a> {
    /// The beginning of `bytes`, in which structures and lists may be within `deepest` others.
    pub(super) const fn new(bytes: &'a [u8], deepest: u32) -> Self {
        Self { bytes, at: 0, depth: 0, deepest }
    }

    /// How many bytes were read.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

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
    pub(super) fn int(&mut self) -> Result<i64, Trouble> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next field's number and type; `None` at the end of the structure.
    pub(super) fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, Trouble> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let step = i64::from(byte >> 4);
        *last = if step == 0 { self.int()? } else { last.saturating_add(step) };
        Ok(Some((*last, byte & 0x0f)))
    }

    pub(super) fn skip(&mut self, wire: u8) -> Result<(), Trouble> {
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

    /// How many elements a list has, and their type.
    pub(super) fn list(&mut self) -> Result<(u64, u8), Trouble> {
        let byte = self.byte()?;
        let size = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
        Ok((size, byte & 0x0f))
    }

    fn skip_list(&mut self) -> Result<(), Trouble> {
        let (size, wire) = self.list()?;
        self.skip_elements(size, wire)
    }

    pub(super) fn skip_elements(&mut self, size: u64, wire: u8) -> Result<(), Trouble> {
        for _ in 0..size {
            // In a list a truth value takes a byte.
            let wire = if matches!(wire, TRUE | FALSE) { 3 } else { wire };
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
        if self.depth == self.deepest {
            return Err(Trouble::Broken("structures in it are too deep".to_owned()));
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }
}
