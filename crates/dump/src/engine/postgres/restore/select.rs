//! Which entries of an archive a selection of tables and schemas means.
//!
//! Tables are chosen by their patterns, as are views, materialised views, foreign tables and
//! sequences. With a table goes what belongs to it (rows, defaults, its own sequences, indexes,
//! constraints, triggers, rules, policies, statistics, comments, grants), its partitions, and
//! what it cannot be made without: its schema, types, functions. That last is more than
//! `pg_dump --table` takes, so that the result can be restored into an empty database. A foreign
//! key to a table that is not chosen is left out, and so is the place of a partition in a table
//! that is not.

use std::collections::{BTreeMap, BTreeSet};

use autodump_core::pattern::Pattern;
use autodump_core::restore::RestoreOptions;
use autodump_core::{Error, ErrorClass, Result};
use regex_lite::Regex;

use super::contents::{Contents, Item};

/// What the patterns of tables look at.
const RELATIONS: [&str; 5] = ["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"];
/// What belongs to that which it depends on.
pub(super) const BELONGINGS: [&str; 23] = [
    "ACL",
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "DEFAULT",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "MATERIALIZED VIEW DATA",
    "POLICY",
    "ROW SECURITY",
    "RULE",
    "SECURITY LABEL",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "STATISTICS",
    "STATISTICS DATA",
    "EXTENDED STATISTICS DATA",
    "TABLE ATTACH",
    "TABLE DATA",
    "TRIGGER",
    "DEFAULT ACL",
];
/// What belongs to each of several things, all of which have to be there.
const BETWEEN: [&str; 3] = ["FK CONSTRAINT", "TABLE ATTACH", "INDEX ATTACH"];

/// Kinds whose rows a view may read.
const WITH_ROWS: [&str; 2] = ["TABLE", "MATERIALIZED VIEW"];

/// What of an archive is wanted.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// The entries; `None` when all are.
    pub(super) ids: Option<BTreeSet<i32>>,
    /// Those among them that were not asked for, but that others need.
    pub(super) needed: BTreeSet<i32>,
    /// What was left out that one might expect: sentences.
    pub(super) left_out: Vec<String>,
}

/// Finds out what is wanted. A pattern that nothing fits is an error.
pub(super) fn choose(contents: &Contents, options: &RestoreOptions) -> Result<Chosen> {
    if options.tables.is_empty() && options.schemas.is_empty() {
        return Ok(Chosen::default());
    }
    let tables = options.table_patterns()?;
    let tables = compiled(&tables)?;
    let schemas = compiled(&options.schemas)?;
    must_fit(contents, &tables, &schemas)?;
    let alone = alone(contents);
    let asked = |item: &&Item| {
        let in_schema = schemas.is_empty() || schemas.iter().any(|schema| schema.fits_schema(item));
        let is_table = if tables.is_empty() {
            !BELONGINGS.contains(&item.kind.as_str())
                || item.kind == "SEQUENCE"
                || alone.contains(&item.id)
        } else {
            (RELATIONS.contains(&item.kind.as_str()) || alone.contains(&item.id))
                && tables.iter().any(|table| table.fits(item))
        };
        in_schema && is_table
    };
    let mut graph = Graph::new(contents);
    let asked: Vec<i32> = contents.items.iter().filter(asked).map(|item| item.id).collect();
    for id in asked {
        graph.ask(id);
    }
    Ok(graph.chosen(&alone))
}

/// Data whose table or sequence is none of the archive: those of extensions.
pub(super) fn alone(contents: &Contents) -> BTreeSet<i32> {
    let is_relation =
        |id: &i32| contents.item(*id).is_some_and(|item| RELATIONS.contains(&item.kind.as_str()));
    let is_alone = |item: &&Item| {
        matches!(item.kind.as_str(), "TABLE DATA" | "SEQUENCE SET")
            && !item.needs.iter().any(is_relation)
    };
    contents.items.iter().filter(is_alone).map(|item| item.id).collect()
}

/// What is to be said of views that were asked for, among `ids`, where tables that they read are
/// only made because they are `needed`: without rows.
pub(super) fn hollow(
    contents: &Contents,
    ids: &BTreeSet<i32>,
    needed: &BTreeSet<i32>,
) -> Vec<String> {
    let mut sentences = Vec::new();
    for view in contents.chosen(Some(ids)).filter(|item| !needed.contains(&item.id)) {
        let effect = match view.kind.as_str() {
            "VIEW" => "shows nothing of them",
            "MATERIALIZED VIEW" => "is restored empty, or without what it takes from them",
            _ => continue,
        };
        let mut tables = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut waiting = view.needs.clone();
        while let Some(id) = waiting.pop() {
            let Some(item) = contents.item(id) else { continue };
            if !ids.contains(&item.id) || !needed.contains(&item.id) || !seen.insert(item.id) {
                continue;
            }
            if WITH_ROWS.contains(&item.kind.as_str()) {
                tables.insert(item.full_name());
            } else {
                waiting.extend(&item.needs);
            }
        }
        if !tables.is_empty() {
            sentences.push(format!(
                "{} {effect}, since these were not chosen and are made without rows: {}",
                view.shown(),
                tables.into_iter().collect::<Vec<_>>().join(", ")
            ));
        }
    }
    sentences
}

/// A pattern with its regular expressions.
struct Compiled<'a> {
    pattern: &'a Pattern,
    schema: Option<Regex>,
    name: Regex,
}

impl Compiled<'_> {
    fn fits(&self, item: &Item) -> bool {
        self.schema.as_ref().is_none_or(|schema| schema.is_match(&item.schema))
            && self.name.is_match(&item.name)
    }

    /// Whether the item is a schema of that name, or in one.
    fn fits_schema(&self, item: &Item) -> bool {
        let schema = if item.kind == "SCHEMA" { &item.name } else { &item.schema };
        self.name.is_match(schema)
    }
}

fn compiled(patterns: &[Pattern]) -> Result<Vec<Compiled<'_>>> {
    let regex = |pattern: &Pattern, regex: &str| {
        // As in PostgreSQL, `.` is any character.
        Regex::new(&format!("(?s){regex}")).map_err(|error| {
            Error::new(
                ErrorClass::Configuration,
                format!("the pattern {pattern} is not understood: {error}"),
                "Write it in a simpler way",
            )
        })
    };
    let mut compiled = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        let schema = pattern.schema_regex().map(|text| regex(pattern, text)).transpose()?;
        compiled.push(Compiled { pattern, schema, name: regex(pattern, pattern.name_regex())? });
    }
    Ok(compiled)
}

fn must_fit(contents: &Contents, tables: &[Compiled<'_>], schemas: &[Compiled<'_>]) -> Result<()> {
    let alone = alone(contents);
    let relation =
        |item: &&Item| RELATIONS.contains(&item.kind.as_str()) || alone.contains(&item.id);
    let fitted =
        |table: &Compiled<'_>| contents.items.iter().filter(relation).any(|i| table.fits(i));
    let table = tables.iter().find(|table| !fitted(table)).map(|table| ("table", table.pattern));
    let fitted = |schema: &Compiled<'_>| contents.items.iter().any(|item| schema.fits_schema(item));
    let schema =
        schemas.iter().find(|schema| !fitted(schema)).map(|schema| ("schema", schema.pattern));
    let Some((what, pattern)) = table.or(schema) else { return Ok(()) };
    let names: BTreeSet<_> = contents
        .items
        .iter()
        .filter(relation)
        .map(|item| {
            if what == "table" {
                format!("{}.{}", item.schema, item.name)
            } else {
                item.schema.clone()
            }
        })
        .collect();
    let some: Vec<_> = names.iter().take(10).map(String::as_str).collect();
    let more = if names.len() > some.len() { ", …" } else { "" };
    Err(Error::new(
        ErrorClass::Configuration,
        format!("no {what} of the backup fits {pattern}"),
        format!(
            "Names are folded to lower case unless quoted; there are {}{more}",
            some.join(", ")
        ),
    ))
}

/// What belongs to what, and who needs whom.
struct Graph<'a> {
    items: BTreeMap<i32, &'a Item>,
    belongings: BTreeMap<i32, Vec<i32>>,
    asked: BTreeSet<i32>,
    needed: BTreeSet<i32>,
}

impl<'a> Graph<'a> {
    fn new(contents: &'a Contents) -> Self {
        let items = contents.by_id();
        let mut belongings: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        let whole = contents.items.iter().filter(|item| BELONGINGS.contains(&item.kind.as_str()));
        for item in whole {
            for owner in &item.needs {
                belongings.entry(*owner).or_default().push(item.id);
            }
        }
        Self { items, belongings, asked: BTreeSet::new(), needed: BTreeSet::new() }
    }

    fn kind(&self, id: i32) -> &'a str {
        self.items.get(&id).map_or("", |item| item.kind.as_str())
    }

    /// Takes an item, what belongs to it, and the partitions of it.
    fn ask(&mut self, id: i32) {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            if !self.items.contains_key(&id) || !self.asked.insert(id) {
                continue;
            }
            for belonging in self.belongings.get(&id).into_iter().flatten().copied() {
                match self.kind(belonging) {
                    "TABLE ATTACH" => waiting.extend(self.partition(belonging, id)),
                    "DEFAULT" => waiting.extend(self.own_sequences(belonging)),
                    _ => {}
                }
                // A view's rule or a table's sequence never takes another relation along.
                waiting.push(belonging);
            }
        }
    }

    /// The partition that an entry attaches to `parent`. Of its two tables, `pg_dump` makes
    /// the entry bear the partition's name.
    fn partition(&self, attach: i32, parent: i32) -> Option<i32> {
        let attach = self.items.get(&attach)?;
        let tables = attach.needs.iter().filter_map(|id| self.items.get(id));
        let mut partitions =
            tables.filter(|item| item.name == attach.name && item.schema == attach.schema);
        partitions.find(|item| item.id != parent).map(|item| item.id)
    }

    /// The sequences that a default takes its values from and that a table owns.
    fn own_sequences(&self, default: i32) -> Vec<i32> {
        let needs = self.items.get(&default).map(|item| item.needs.as_slice()).unwrap_or_default();
        let owned = |id: &&i32| {
            let belongings = self.belongings.get(id).into_iter().flatten();
            self.kind(**id) == "SEQUENCE"
                && belongings.copied().any(|id| self.kind(id) == "SEQUENCE OWNED BY")
        };
        needs.iter().filter(owned).copied().collect()
    }

    /// Leaves out what hangs in the air, and adds what is needed.
    fn chosen(mut self, alone: &BTreeSet<i32>) -> Chosen {
        let mut left_out = Vec::new();
        let mut detached = BTreeSet::new();
        let between: Vec<_> =
            self.asked.iter().copied().filter(|id| BETWEEN.contains(&self.kind(*id))).collect();
        for id in between {
            let item = self.items[&id];
            let missing = item
                .needs
                .iter()
                .filter_map(|need| self.items.get(need))
                .find(|need| !self.asked.contains(&need.id));
            if let Some(missing) = missing {
                // A foreign key is named after its own table: without that nobody expects it.
                let own = format!("{} ", missing.name);
                if !(missing.schema == item.schema && item.name.starts_with(&own)) {
                    left_out.push(format!(
                        "{} is left out, since {} is not restored",
                        item.shown(),
                        missing.shown()
                    ));
                }
                if item.kind == "TABLE ATTACH" {
                    let partition = self.partition(id, missing.id);
                    detached.extend(partition.map(|partition| (partition, missing.id)));
                }
                self.asked.remove(&id);
            }
        }
        let mut waiting: Vec<i32> = self.asked.iter().copied().collect();
        while let Some(id) = waiting.pop() {
            let needs = self.items.get(&id).map(|item| item.needs.as_slice()).unwrap_or_default();
            for need in needs {
                // A partition can do without what it is a part of.
                let known = self.items.contains_key(need)
                    && !self.asked.contains(need)
                    && !detached.contains(&(id, *need));
                if known && self.needed.insert(*need) {
                    waiting.push(*need);
                    self.needed.extend(self.position(*need));
                }
            }
        }
        self.add_schemas();
        self.add_extensions(alone);
        let ids = self.asked.iter().chain(&self.needed).copied().collect();
        Chosen { ids: Some(ids), needed: self.needed, left_out }
    }

    /// Where a sequence stands that is needed.
    fn position(&self, id: i32) -> Option<i32> {
        let belongings = self.belongings.get(&id).into_iter().flatten().copied();
        let mut positions = belongings.filter(|id| self.kind(*id) == "SEQUENCE SET");
        positions.next().filter(|_| self.kind(id) == "SEQUENCE")
    }

    /// The schemas of everything: not every entry says that it depends on its schema.
    fn add_schemas(&mut self) {
        let names: BTreeSet<&str> = self
            .asked
            .iter()
            .chain(&self.needed)
            .filter_map(|id| self.items.get(id))
            .map(|item| item.schema.as_str())
            .collect();
        for item in self.items.values() {
            if item.kind == "SCHEMA"
                && names.contains(item.name.as_str())
                && !self.asked.contains(&item.id)
            {
                self.needed.insert(item.id);
            }
        }
    }

    /// The extensions whose tables' data are wanted: nothing says which one a table is of, but
    /// most name the schema that they are made in.
    fn add_extensions(&mut self, alone: &BTreeSet<i32>) {
        let data = alone.iter().filter(|id| self.asked.contains(id) || self.needed.contains(id));
        let schemas: BTreeSet<&str> =
            data.filter_map(|id| self.items.get(id)).map(|item| item.schema.as_str()).collect();
        for item in self.items.values() {
            let of_these = item.within.as_deref().is_some_and(|schema| schemas.contains(schema));
            if of_these && !self.asked.contains(&item.id) {
                self.needed.insert(item.id);
            }
        }
    }
}
