//! The table of contents, as far as a restore looks into it.

use std::collections::{BTreeMap, BTreeSet};

use autodump_core::{Error, ErrorClass, Result};

use crate::engine::postgres::toc::{Entry, Section, Toc, Unreadable};
use crate::engine::postgres::version::major;

/// What is in the archive.
#[derive(Debug)]
pub(super) struct Contents {
    places: BTreeMap<i32, usize>,
    /// In the order of the archive.
    pub(super) items: Vec<Item>,
    /// Statements that set how texts of the archive are to be understood.
    pub(super) settings: Vec<String>,
    /// What the database was made by.
    pub(super) database: Option<String>,
    /// The server that was dumped: its major version.
    pub(super) server_major: Option<u32>,
}

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: i32,
    pub(super) kind: String,
    /// The one it is restored with.
    pub(super) section: Section,
    pub(super) schema: String,
    pub(super) name: String,
    /// What comes first.
    pub(super) needs: Vec<i32>,
    /// How its rows are loaded, where that is by a COPY that we can give.
    pub(super) copy: Option<String>,
    /// The file with its data, without the ending of its compression.
    pub(super) file: Option<String>,
    /// It can be dropped by itself.
    pub(super) drops: bool,
    /// The schema that an extension is made in, where its statement names one.
    pub(super) within: Option<String>,
}

impl Contents {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let toc = Toc::read(bytes).map_err(|unreadable| match unreadable {
            Unreadable::Unknown(_) => Error::new(
                ErrorClass::Configuration,
                format!("this archive cannot be read: {unreadable}"),
                "Use a newer version of AutoDump, or the commands in the manifest",
            ),
            // Its hash was right: it was written so.
            Unreadable::Damaged { .. } => Error::new(
                ErrorClass::Verification,
                format!("this archive cannot be read: {unreadable}"),
                "Use another backup, and report this",
            ),
        })?;
        let statement = |kind: &str| {
            let entry = toc.entries.iter().find(|entry| entry.is(kind))?;
            String::from_utf8(entry.defn.clone()?).ok()
        };
        let version = toc.header.server_version.as_deref().map(String::from_utf8_lossy);
        Ok(Self {
            places: toc.entries.iter().zip(0..).map(|(entry, at)| (entry.dump_id, at)).collect(),
            items: items(&toc),
            settings: ["ENCODING", "STDSTRINGS"].into_iter().filter_map(statement).collect(),
            database: statement("DATABASE"),
            server_major: version.and_then(|version| major(&version)),
        })
    }

    pub(super) fn item(&self, id: i32) -> Option<&Item> {
        self.places.get(&id).map(|place| &self.items[*place])
    }

    pub(super) fn by_id(&self) -> BTreeMap<i32, &Item> {
        self.items.iter().map(|item| (item.id, item)).collect()
    }

    /// The items that are wanted, in order.
    pub(super) fn chosen<'a>(
        &'a self,
        wanted: Option<&'a BTreeSet<i32>>,
    ) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(move |item| wanted.is_none_or(|ids| ids.contains(&item.id)))
    }
}

/// The entries. One without a section, such as a comment or a grant, belongs to that of the
/// entries before it, as for `pg_restore`.
fn items(toc: &Toc) -> Vec<Item> {
    let mut section = Section::PreData;
    let item = |entry: &Entry| {
        if entry.section != Section::None {
            section = entry.section;
        }
        Item { section, ..item(entry) }
    };
    toc.entries.iter().map(item).collect()
}

fn item(entry: &Entry) -> Item {
    let text = |text: &Option<Vec<u8>>| {
        text.as_deref().map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned())
    };
    let given = |text: &Option<Vec<u8>>| {
        String::from_utf8(text.clone()?).ok().filter(|text| !text.trim().is_empty())
    };
    Item {
        id: entry.dump_id,
        kind: text(&entry.desc),
        section: entry.section,
        schema: text(&entry.namespace),
        name: text(&entry.tag),
        needs: entry.dependencies.clone(),
        copy: given(&entry.copy_stmt),
        file: given(&entry.file_name),
        drops: given(&entry.drop_stmt).is_some(),
        within: given(&entry.defn).filter(|_| entry.is("EXTENSION")).and_then(|sql| within(&sql)),
    }
}

/// The schema in `CREATE EXTENSION … WITH SCHEMA …`.
fn within(sql: &str) -> Option<String> {
    let (_, name) = sql.rsplit_once(" WITH SCHEMA ")?;
    let name = name.trim().trim_end_matches(';');
    let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    Some(quoted.map_or_else(|| name.to_owned(), |name| name.replace("\"\"", "\"")))
}

impl Item {
    /// Whether it is the rows of a table.
    pub(super) fn is_rows(&self) -> bool {
        self.kind == "TABLE DATA"
    }

    /// Whether it is a large object, several of them, or what is said about them.
    pub(super) fn is_large_object(&self) -> bool {
        matches!(self.kind.as_str(), "BLOB" | "BLOBS" | "BLOB METADATA" | "BLOB COMMENTS")
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.kind, self.full_name())
    }

    /// Schema and name, for people.
    pub(super) fn full_name(&self) -> String {
        let dot = if self.schema.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.schema, self.name)
    }
}
