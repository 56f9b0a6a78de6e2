//! The columns of a table, out of a file's schema.

use std::fmt::Write as _;

use autodump_core::{Error, ErrorClass, Result};
use parquet::basic::{ConvertedType, LogicalType, Repetition};
use parquet::schema::types::Type;
use serde::{Deserialize, Serialize};

use crate::text::Kind;

/// Types within types that a file may have.
const DEEPEST: u16 = 64;

/// What a manifest says of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// Its name in the header.
    pub name: String,
    /// `boolean`, `integer`, `float`, `decimal(38,10)`, `date`, `time`, `timestamp`, `interval`,
    /// `uuid`, `string`, `json` or `binary`; `json` for lists, maps and structures too.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it may be NULL.
    pub nullable: bool,
}

/// A column: one or more leaves, from `first` on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) info: ColumnInfo,
    pub(crate) node: Node,
    /// The type in full, as errors name it and drift is found by.
    pub(crate) signature: String,
}

/// How a value is put together out of leaves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// The first leaf below it, and how many there are.
    pub(crate) first: usize,
    pub(crate) leaves: usize,
    /// From this definition level on it is not NULL.
    pub(crate) def: i16,
    pub(crate) shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Leaf(Kind),
    Struct(Vec<(String, Node)>),
    List(Items),
    Map(Items, Box<Node>),
}

/// What a list repeats, or of a map the keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Items {
    /// From this definition level on there is an item.
    pub(crate) def: i16,
    /// The repetition level of each further item.
    pub(crate) rep: i16,
    pub(crate) item: Box<Node>,
}

/// The columns of a file, in its order. `uri` names it in errors.
pub(crate) fn columns(schema: &Type, uri: &str) -> Result<Vec<Column>> {
    let mut walk = Walk { leaf: 0, depth: 0 };
    let columns = schema.get_fields().iter().map(|field| {
        let node = walk.field(field, 0, 0).map_err(|why| refused(uri, field.name(), &why))?;
        let mut signature = String::new();
        describe(field, &mut signature);
        let kind = match &node.shape {
            Shape::Leaf(Kind::Decimal { .. }) => signature.clone(),
            Shape::Leaf(kind) => kind.name().to_owned(),
            _ => Kind::Json.name().to_owned(),
        };
        let nullable = repetition(field) == Repetition::OPTIONAL;
        let info = ColumnInfo { name: field.name().to_owned(), kind, nullable };
        Ok(Column { info, node, signature })
    });
    let columns: Vec<_> = columns.collect::<Result<_>>()?;
    if columns.is_empty() {
        return Err(refused(uri, "", "it has no columns"));
    }
    Ok(columns)
}

fn refused(uri: &str, column: &str, why: &str) -> Error {
    let what = format!("{uri}, column {column}: {why}");
    Error::new(
        ErrorClass::Verification,
        what,
        "Write the file with a schema of Parquet's own rules",
    )
}

fn repetition(field: &Type) -> Repetition {
    let info = field.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}

struct Walk {
    leaf: usize,
    depth: u16,
}

type Walked = std::result::Result<Node, String>;

impl Walk {
    /// A field below levels `def` and `rep`.
    fn field(&mut self, field: &Type, def: i16, rep: i16) -> Walked {
        match repetition(field) {
            Repetition::REQUIRED => self.content(field, def, rep),
            Repetition::OPTIONAL => self.content(field, def + 1, rep),
            // A repeated field that no list contains is a list that cannot be NULL.
            Repetition::REPEATED => {
                let first = self.leaf;
                let item = self.content(field, def + 1, rep + 1)?;
                let items = Items { def: def + 1, rep: rep + 1, item: Box::new(item) };
                Ok(self.node(first, def, Shape::List(items)))
            }
        }
    }

    fn node(&self, first: usize, def: i16, shape: Shape) -> Node {
        Node { first, leaves: self.leaf - first, def, shape }
    }

    /// The content of a field that is there from `def` on.
    fn content(&mut self, field: &Type, def: i16, rep: i16) -> Walked {
        let first = self.leaf;
        if field.is_primitive() {
            self.leaf += 1;
            return Ok(self.node(first, def, Shape::Leaf(Kind::of(field))));
        }
        if self.depth == DEEPEST {
            return Err(format!("it has more than {DEEPEST} types within types"));
        }
        self.depth += 1;
        let shape = match annotation(field) {
            Group::List(repeated) => self.list(field, repeated, def, rep)?,
            Group::Map(key, value) => {
                let keys = Box::new(self.field(key, def + 1, rep + 1)?);
                let value = Box::new(self.field(value, def + 1, rep + 1)?);
                Shape::Map(Items { def: def + 1, rep: rep + 1, item: keys }, value)
            }
            Group::Struct => {
                let fields = field.get_fields().iter();
                let fields =
                    fields.map(|field| Ok((field.name().to_owned(), self.field(field, def, rep)?)));
                Shape::Struct(fields.collect::<std::result::Result<_, String>>()?)
            }
        };
        self.depth -= 1;
        if self.leaf == first {
            return Err(format!("the group {} has no fields", field.name()));
        }
        Ok(self.node(first, def, shape))
    }

    fn list(
        &mut self,
        list: &Type,
        repeated: &Type,
        def: i16,
        rep: i16,
    ) -> std::result::Result<Shape, String> {
        let (def, rep) = (def + 1, rep + 1);
        let item = match wrapped(list, repeated) {
            Some(element) => self.field(element, def, rep)?,
            None => self.content(repeated, def, rep)?,
        };
        Ok(Shape::List(Items { def, rep, item: Box::new(item) }))
    }
}

/// What a group is.
enum Group<'a> {
    List(&'a Type),
    Map(&'a Type, &'a Type),
    Struct,
}

fn annotation(group: &Type) -> Group<'_> {
    let info = group.get_basic_info();
    let only = match group.get_fields() {
        [only] if repetition(only) == Repetition::REPEATED => only,
        _ => return Group::Struct,
    };
    let is = |logical: &LogicalType, converted: &[ConvertedType]| {
        info.logical_type_ref() == Some(logical) || converted.contains(&info.converted_type())
    };
    if is(&LogicalType::List, &[ConvertedType::LIST]) {
        return Group::List(only);
    }
    if is(&LogicalType::Map, &[ConvertedType::MAP, ConvertedType::MAP_KEY_VALUE]) && only.is_group()
    {
        if let [key, value] = only.get_fields() {
            return Group::Map(key, value);
        }
        return Group::List(only);
    }
    Group::Struct
}

/// The element within the repeated group, where that group is there only to repeat it. Old writers
/// repeat the element itself.
fn wrapped<'a>(list: &Type, repeated: &'a Type) -> Option<&'a Type> {
    if !repeated.is_group() {
        return None;
    }
    let name = repeated.name();
    match repeated.get_fields() {
        [_] if name == "array" || name.strip_suffix("_tuple") == Some(list.name()) => None,
        [only] => Some(only),
        _ => None,
    }
}

/// A type in words: `decimal(38,10)`, `timestamp(micros, utc)`, `struct<a integer64, b string>`.
fn describe(field: &Type, out: &mut String) {
    if field.is_group() {
        out.push_str(match annotation(field) {
            Group::List(_) => "list<",
            Group::Map(..) => "map<",
            Group::Struct => "struct<",
        });
        for (index, inner) in field.get_fields().iter().enumerate() {
            out.push_str(if index == 0 { "" } else { ", " });
            out.push_str(inner.name());
            out.push(' ');
            describe(inner, out);
        }
        out.push('>');
    } else {
        primitive(field, out);
    }
    if repetition(field) == Repetition::REPEATED {
        out.push_str("[]");
    }
}

/// What the text depends on: not how the number is stored, nor whether it may be NULL.
fn primitive(field: &Type, out: &mut String) {
    let kind = Kind::of(field);
    out.push_str(kind.name());
    // Writing to a string does not fail.
    let _ = match kind {
        Kind::Decimal { scale } => write!(out, "({},{scale})", field.get_precision()),
        Kind::Time { unit, utc } | Kind::Timestamp { unit, utc } => {
            write!(out, "({}{})", unit.name(), if utc { ", utc" } else { "" })
        }
        Kind::Unsigned => write!(out, "(unsigned)"),
        _ => Ok(()),
    };
}
