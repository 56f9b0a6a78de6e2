//! What an archive needs of a server and does not bring along.

use std::collections::BTreeSet;

use crate::engine::postgres::toc::{Entry, Toc};

/// Roles that every server has, or that are no roles.
const KNOWN: [&str; 5] = ["public", "current_user", "current_role", "session_user", "postgres"];

/// What an archive needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) extensions: BTreeSet<String>,
    pub(super) tablespaces: BTreeSet<String>,
    /// Roles that definitions name. Owners and grants are not restored.
    pub(super) roles: BTreeSet<String>,
    /// Schemas of a backup of chosen tables.
    pub(super) schemas: BTreeSet<String>,
}

impl Needs {
    pub(super) fn of(toc: &Toc) -> Self {
        let mut needs = Self::default();
        for entry in &toc.entries {
            if entry.is("EXTENSION") {
                needs.extensions.insert(entry.name().into_owned());
            }
            needs.roles.extend(roles(entry).into_iter().filter(|role| !is_known(role)));
            let tablespace = entry.tablespace.as_deref().map(String::from_utf8_lossy);
            needs.tablespaces.extend(
                tablespace
                    .filter(|name| !name.is_empty() && !name.starts_with("pg_"))
                    .map(Into::into),
            );
        }
        // Only a backup of everything has extensions, and some of them make their schemas.
        if needs.extensions.is_empty() {
            needs.schemas = schemas(toc);
        }
        needs
    }
}

/// The schemas that entries are in and that neither an entry nor the server makes.
fn schemas(toc: &Toc) -> BTreeSet<String> {
    let mut schemas: BTreeSet<_> =
        toc.entries.iter().map(|entry| entry.schema().into_owned()).collect();
    schemas.retain(|name| {
        let is_there = ["", "public", "information_schema"].contains(&name.as_str());
        !is_there && !name.starts_with("pg_")
    });
    for entry in toc.entries.iter().filter(|entry| entry.is("SCHEMA")) {
        schemas.remove(entry.name().as_ref());
    }
    schemas
}

fn is_known(role: &str) -> bool {
    KNOWN.contains(&role.to_lowercase().as_str()) || role.starts_with("pg_")
}

fn roles(entry: &Entry) -> Vec<String> {
    let before = match entry.desc.as_deref() {
        Some(b"POLICY" | b"ROW SECURITY") => " TO ",
        Some(b"USER MAPPING") => " FOR ",
        _ => return Vec::new(),
    };
    let statement = entry.defn.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    unquoted(&statement, before).map(|at| names(&statement[at..])).unwrap_or_default()
}

/// Behind the first `text` that is not within a quoted name or before a parenthesis.
fn unquoted(statement: &str, text: &str) -> Option<usize> {
    let mut in_quotes = false;
    for (at, character) in statement.char_indices() {
        match character {
            '"' => in_quotes = !in_quotes,
            '(' if !in_quotes => return None,
            _ if !in_quotes && statement[at..].starts_with(text) => return Some(at + text.len()),
            _ => {}
        }
    }
    None
}

/// Names separated by commas, at the beginning of a text.
fn names(mut text: &str) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let (name, rest) = if let Some(quoted) = text.strip_prefix('"') {
            let mut end = quoted.len();
            let mut bytes = quoted.bytes().enumerate().peekable();
            while let Some((at, byte)) = bytes.next() {
                if byte == b'"' && bytes.next_if(|(_, next)| *next == b'"').is_none() {
                    end = at;
                    break;
                }
            }
            (quoted[..end].replace("\"\"", "\""), quoted.get(end + 1..).unwrap_or_default())
        } else {
            let end = text.find([',', ' ', ';', '\n', '(']).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        };
        if !name.is_empty() {
            names.push(name);
        }
        match rest.strip_prefix(", ") {
            Some(more) => text = more,
            None => return names,
        }
    }
}

/// The schema into which an extension is made.
pub(super) fn schema_of_extension(entry: &Entry) -> Option<String> {
    let statement = std::str::from_utf8(entry.defn.as_deref()?).ok()?;
    let at = unquoted(statement, " WITH SCHEMA ")?;
    names(&statement[at..]).into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::postgres::toc::samples::{self, bytes};
    use crate::engine::postgres::toc::{Section, Version};

    #[test]
    fn schemas_are_needed_that_nothing_makes() {
        let entry = |desc: &str, schema: &str, name: &str| Entry {
            namespace: bytes(schema),
            ..samples::entry(1, desc, name, Section::PreData)
        };
        let mut entries = vec![
            entry("TABLE", "app", "t"),
            entry("TABLE", "public", "t"),
            entry("TABLE", "own", "t"),
            entry("SCHEMA", "", "own"),
        ];
        let needs = |entries: &Vec<_>| Needs::of(&samples::toc(Version::V1_15, entries.clone()));
        assert_eq!(needs(&entries).schemas, BTreeSet::from(["app".to_owned()]));
        entries.push(entry("EXTENSION", "", "postgis"));
        assert!(needs(&entries).schemas.is_empty());
    }

    #[test]
    fn roles_are_found_in_policies_and_mappings() {
        for (statement, before, roles) in [
            (
                "CREATE POLICY p ON app.t FOR SELECT TO alice, \"Bob \"\"B\"\"\" USING (true);",
                " TO ",
                vec!["alice", "Bob \"B\""],
            ),
            ("CREATE POLICY \"a TO b\" ON app.t USING ((x TO y));\n", " TO ", vec![]),
            ("CREATE POLICY p ON t TO alice;\n", " TO ", vec!["alice"]),
            (
                "CREATE USER MAPPING FOR \"x y\" SERVER s OPTIONS (\n    a 'b'\n);\n",
                " FOR ",
                vec!["x y"],
            ),
        ] {
            let found = unquoted(statement, before).map(|at| names(&statement[at..]));
            assert_eq!(found.unwrap_or_default(), roles, "{statement}");
        }
        assert!(is_known("PUBLIC") && is_known("pg_monitor") && !is_known("alice"));
        assert_eq!(names("\"unclosed"), ["unclosed"]);
    }
}
