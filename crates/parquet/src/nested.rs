//! Lists, maps and structures as JSON.

use autodump_core::{Error, Result};

use crate::column::{Items, Node, Shape};
use crate::read::{Cell, Leaf};
use crate::text::{self, Bad, Binary, Kind};

/// What a value is written with.
pub(crate) struct Nested<'a> {
    pub(crate) leaves: &'a mut [Leaf],
    pub(crate) binary: Binary,
    /// How long `out` may become.
    pub(crate) longest: usize,
}

/// Why a value was not written: the file is damaged, or the value itself is bad.
pub(crate) enum Trouble {
    Damaged(Error),
    Bad(Bad),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Damaged(error)
    }
}

type Written = std::result::Result<(), Trouble>;

impl Nested<'_> {
    /// Appends the next value of `node`, and says whether it was there.
    ///
    /// A bad value within it does not end the walk, so that all leaves stand at the next row
    /// after it: it is told at the end.
    pub(crate) fn write(
        &mut self,
        node: &Node,
        out: &mut Vec<u8>,
    ) -> std::result::Result<bool, Trouble> {
        let mut bad = None;
        let there = self.reaches(node, node.def)?;
        if there {
            self.value(node, out, &mut bad)?;
        } else {
            self.pass(node)?;
        }
        // The next row begins in all of them.
        self.same_rep(node, 0)?;
        match bad {
            Some(bad) => Err(Trouble::Bad(bad)),
            None => Ok(there),
        }
    }

    fn below(&self, node: &Node) -> &[Leaf] {
        &self.leaves[node.first..node.first + node.leaves]
    }

    /// Whether the next level of `node` is `def` or higher, in all of its leaves or in none.
    fn reaches(&self, node: &Node, def: i16) -> Result<bool> {
        let reaches = self.leaves[node.first].def()? >= def;
        for leaf in &self.below(node)[1..] {
            if (leaf.def()? >= def) != reaches {
                return Err(unlike(leaf));
            }
        }
        Ok(reaches)
    }

    fn rep(&self, node: &Node) -> i16 {
        self.leaves[node.first].rep()
    }

    /// What comes next has this repetition level in all leaves of `node`.
    fn same_rep(&self, node: &Node, rep: i16) -> Result<()> {
        match self.below(node).iter().find(|leaf| leaf.rep() != rep) {
            Some(leaf) => Err(unlike(leaf)),
            None => Ok(()),
        }
    }

    /// Passes what is NULL or empty: one level of each leaf.
    fn pass(&mut self, node: &Node) -> Result<()> {
        self.leaves[node.first..node.first + node.leaves].iter_mut().try_for_each(Leaf::pass)
    }

    fn or_null(&mut self, node: &Node, out: &mut Vec<u8>, bad: &mut Option<Bad>) -> Written {
        if !self.reaches(node, node.def)? {
            self.pass(node)?;
            append(b"null", self.longest, out, bad);
            return Ok(());
        }
        self.value(node, out, bad)
    }

    fn value(&mut self, node: &Node, out: &mut Vec<u8>, bad: &mut Option<Bad>) -> Written {
        match &node.shape {
            Shape::Leaf(kind) => {
                let longest = self.longest;
                let binary = self.binary;
                if let Some(cell) = self.leaves[node.first].take()? {
                    leaf(*kind, cell, binary, longest, out, bad);
                }
            }
            Shape::Struct(fields) => {
                for (index, (name, field)) in fields.iter().enumerate() {
                    append(if index == 0 { b"{" } else { b"," }, self.longest, out, bad);
                    quote(name.as_bytes(), self.longest, out, bad);
                    append(b":", self.longest, out, bad);
                    self.or_null(field, out, bad)?;
                }
                append(b"}", self.longest, out, bad);
            }
            Shape::List(items) => {
                append(b"[", self.longest, out, bad);
                self.items(node, items, out, bad, |this, out, bad| {
                    this.or_null(&items.item, out, bad)
                })?;
                append(b"]", self.longest, out, bad);
            }
            Shape::Map(items, value) => {
                append(b"{", self.longest, out, bad);
                self.items(node, items, out, bad, |this, out, bad| {
                    this.key(&items.item, out, bad)?;
                    append(b":", this.longest, out, bad);
                    this.or_null(value, out, bad)
                })?;
                append(b"}", self.longest, out, bad);
            }
        }
        Ok(())
    }

    fn items(
        &mut self,
        node: &Node,
        items: &Items,
        out: &mut Vec<u8>,
        bad: &mut Option<Bad>,
        each: impl Fn(&mut Self, &mut Vec<u8>, &mut Option<Bad>) -> Written,
    ) -> Written {
        if !self.reaches(node, items.def)? {
            return Ok(self.pass(node)?);
        }
        loop {
            each(self, out, bad)?;
            let rep = self.rep(node);
            self.same_rep(node, rep)?;
            if rep != items.rep {
                return Ok(());
            }
            append(b",", self.longest, out, bad);
        }
    }

    /// A key of a map is a text, whatever its type.
    fn key(&mut self, node: &Node, out: &mut Vec<u8>, bad: &mut Option<Bad>) -> Written {
        let start = out.len();
        self.or_null(node, out, bad)?;
        if out.get(start) != Some(&b'"') {
            let text = out.split_off(start);
            quote(&text, self.longest, out, bad);
        }
        Ok(())
    }
}

fn unlike(leaf: &Leaf) -> Error {
    leaf.place().damaged("its levels are not those of its neighbours")
}

fn leaf(
    kind: Kind,
    cell: Cell<'_>,
    binary: Binary,
    longest: usize,
    out: &mut Vec<u8>,
    bad: &mut Option<Bad>,
) {
    if bad.is_some() {
        return;
    }
    if let Cell::Bytes(bytes) | Cell::Text(bytes, _) = cell {
        // Before anything is made of it.
        if out.len() + bytes.len() > longest {
            *bad = Some(too_long(longest));
            return;
        }
        if kind.is_free() {
            match text::utf8(bytes) {
                Ok(text) => quote(text, longest, out, bad),
                Err(why) => *bad = Some(why),
            }
            return;
        }
    }
    let start = out.len();
    let bare = matches!(kind, Kind::Bool | Kind::Int | Kind::Unsigned | Kind::Decimal { .. });
    if let Err(why) = text::write(kind, cell, binary, out) {
        *bad = Some(why);
    } else if !(bare || kind == Kind::Float && is_json_number(&out[start..])) {
        let text = out.split_off(start);
        quote(&text, longest, out, bad);
    }
}

/// Not a number, and not endless.
fn is_json_number(float: &[u8]) -> bool {
    float.last().is_some_and(u8::is_ascii_digit)
}

pub(crate) fn too_long(longest: usize) -> Bad {
    format!("makes its row longer than {longest} bytes")
}

/// Appends, or notes that there is no room for it. Nothing is appended after the first trouble.
fn append(bytes: &[u8], longest: usize, out: &mut Vec<u8>, bad: &mut Option<Bad>) {
    if bad.is_some() {
        return;
    }
    if out.len() + bytes.len() > longest {
        *bad = Some(too_long(longest));
    } else {
        out.extend_from_slice(bytes);
    }
}

/// A text of JSON.
fn quote(text: &[u8], longest: usize, out: &mut Vec<u8>, bad: &mut Option<Bad>) {
    append(b"\"", longest, out, bad);
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    for piece in text.split_inclusive(special) {
        let (plain, last) = match piece.split_last() {
            Some((last, plain)) if special(last) => (plain, Some(*last)),
            _ => (piece, None),
        };
        append(plain, longest, out, bad);
        if let Some(last) = last {
            append(&escaped(last), longest, out, bad);
        }
    }
    append(b"\"", longest, out, bad);
}

fn escaped(byte: u8) -> Vec<u8> {
    match byte {
        b'"' => b"\\\"".to_vec(),
        b'\\' => b"\\\\".to_vec(),
        b'\n' => b"\\n".to_vec(),
        b'\r' => b"\\r".to_vec(),
        b'\t' => b"\\t".to_vec(),
        other => format!("\\u{other:04x}").into_bytes(),
    }
}
