//! What of an archive only a superuser can restore.
//!
//! What is restored runs code of the archive: functions in indexes, checks, materialised views.
//! Whoever owned a table of the source could put it there. So nothing that such a person can
//! make by herself may be a reason to restore as superuser.

use std::collections::BTreeSet;

use autodump_core::Result;

use super::archive::shown;
use crate::engine::postgres::toc::{Entry, Toc};
use crate::engine::postgres::wire::Session;

/// Kinds of entries that only a superuser can make.
const KINDS: [&str; 10] = [
    "ACCESS METHOD",
    "EVENT TRIGGER",
    "FOREIGN DATA WRAPPER",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURAL LANGUAGE",
    "PUBLICATION TABLES IN SCHEMA",
    "SHELL TYPE",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
];

/// What a server lets everybody use.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Languages that cannot reach out of the database.
    trusted: BTreeSet<String>,
    /// Parameters that only a superuser sets.
    settings: BTreeSet<String>,
}

impl Server {
    /// Asks in the database where the extensions of the archive are.
    pub(super) async fn ask(session: &mut Session) -> Result<Self> {
        let mut first = async |sql: &str| {
            let rows = session.query(sql).await.map_err(autodump_core::Error::from)?;
            Ok::<_, autodump_core::Error>(rows.into_iter().flatten().flatten().collect())
        };
        Ok(Self {
            trusted: first(
                "SELECT lanname FROM pg_catalog.pg_language WHERE lanpltrusted OR lanname = 'sql'",
            )
            .await?,
            settings: first(
                "SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings \
                 WHERE context <> 'user' AND context <> 'backend'",
            )
            .await?,
        })
    }

    /// The entries that only a superuser can restore, for people. None for most archives.
    pub(super) fn superusers_entries(&self, toc: &Toc) -> Vec<String> {
        let entries = toc.entries.iter().filter(|entry| self.is_superusers(entry));
        let name = |entry: &Entry| {
            let kind = entry.desc.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            format!("{kind} {}", shown(&entry.schema(), &entry.name()))
        };
        entries.map(name).collect()
    }

    fn is_superusers(&self, entry: &Entry) -> bool {
        let kind = entry.desc.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        if KINDS.contains(&kind.as_ref()) {
            return true;
        }
        let statement = || {
            let statement = entry.defn.as_deref().map(String::from_utf8_lossy);
            without_quoted(&statement.unwrap_or_default())
        };
        match kind.as_ref() {
            "PUBLICATION" => statement().contains(" FOR ALL "),
            "AGGREGATE" => statement().contains("STYPE = internal"),
            // Files of the server; who may connect without a password.
            "SERVER" => statement().contains(" FOREIGN DATA WRAPPER file_fdw"),
            "USER MAPPING" => statement().contains("password_required"),
            // Between types that come with the server, or without asking what their bytes mean.
            "CAST" => {
                let statement = statement();
                let types = statement.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
                statement.contains(" WITHOUT FUNCTION")
                    || types.is_none_or(|(types, _)| !types.contains('.'))
            }
            "FUNCTION" | "PROCEDURE" => self.is_superusers_function(&statement()),
            _ => false,
        }
    }

    /// By the lines in which `pg_dump` writes language and options: they come before the body.
    fn is_superusers_function(&self, statement: &str) -> bool {
        let Some((_, rest)) = statement.split_once("\n    LANGUAGE ") else { return false };
        let mut lines = rest.lines();
        let options = lines.next().unwrap_or_default();
        let language = options.split([' ', ';']).next().unwrap_or_default();
        let mut options = options.split([' ', ';']);
        if !self.trusted.contains(language) || options.any(|o| o == "LEAKPROOF" || o == "SUPPORT") {
            return true;
        }
        let settings = lines.map_while(|line| line.strip_prefix("    SET "));
        let mut names = settings.filter_map(|line| line.split(' ').next());
        names.any(|name| self.settings.contains(&name.to_lowercase()))
    }
}

/// A statement with a question mark for each text and quoted name.
fn without_quoted(statement: &str) -> String {
    let mut bare = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some(next) = rest.chars().next() {
        let quoted = match next {
            '\'' => Some(quoted_length(rest, '\'', escapes(&bare))),
            '"' => Some(quoted_length(rest, '"', false)),
            '$' if !bare.ends_with(is_of_name) => dollar_quoted_length(rest),
            _ => None,
        };
        if quoted.is_some() {
            bare.push('?');
        } else {
            bare.push(next);
        }
        rest = &rest[quoted.unwrap_or(next.len_utf8()).min(rest.len())..];
    }
    bare
}

/// Whether a text is begun by `E`, so that backslashes mean something within.
fn escapes(before: &str) -> bool {
    let word = before.strip_suffix(['E', 'e']);
    word.is_some_and(|before| !before.ends_with(is_of_name))
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

/// The length with both quotes; one that is doubled does not end it, which for our purpose is
/// the same as two texts side by side.
fn quoted_length(text: &str, quote: char, with_escapes: bool) -> usize {
    let mut inside = text.char_indices().skip(1);
    while let Some((at, character)) = inside.next() {
        if with_escapes && character == '\\' {
            inside.next();
        } else if character == quote {
            let doubled = text[at + 1..].starts_with(quote);
            if !doubled {
                return at + 1;
            }
            inside.next();
        }
    }
    text.len()
}

fn dollar_quoted_length(text: &str) -> Option<usize> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[..end];
    let name = &tag[1..end - 1];
    if name.starts_with(|first: char| first.is_ascii_digit()) || !name.chars().all(is_of_name) {
        return None;
    }
    Some(text[end..].find(tag).map_or(text.len(), |at| end + at + end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::postgres::toc::Section;
    use crate::engine::postgres::toc::samples::{self, bytes};

    fn entry(kind: &str, statement: &str) -> Entry {
        Entry { defn: bytes(statement), ..samples::entry(1, kind, "x", Section::PreData) }
    }

    #[test]
    fn what_anybody_can_make_is_never_a_reason() {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let server =
            Server { trusted: set(&["sql", "plpgsql"]), settings: set(&["log_statement"]) };
        for (kind, statement) in [
            ("EVENT TRIGGER", ""),
            ("FOREIGN DATA WRAPPER", ""),
            ("OPERATOR CLASS", ""),
            ("PUBLICATION", "CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert');"),
            ("CAST", "CREATE CAST (text AS integer) WITH FUNCTION app.f(text);"),
            ("CAST", "CREATE CAST (app.a AS app.b) WITHOUT FUNCTION;"),
            ("FUNCTION", "CREATE FUNCTION f() RETURNS int\n    LANGUAGE c\n    AS 'l', 'f';"),
            ("FUNCTION", "CREATE FUNCTION f() RETURNS int\n    LANGUAGE plpython3u\n    AS '';"),
            (
                "FUNCTION",
                "CREATE FUNCTION f() RETURNS int\n    LANGUAGE sql LEAKPROOF\n    AS 'SELECT 1';",
            ),
            (
                "PROCEDURE",
                "CREATE PROCEDURE f()\n    LANGUAGE sql\n    SET x TO 'y'\n    SET log_statement TO \
                 'all'\n    AS '';",
            ),
            ("SERVER", "CREATE SERVER s FOREIGN DATA WRAPPER file_fdw;"),
        ] {
            assert!(server.is_superusers(&entry(kind, statement)), "{kind} {statement}");
        }
        for (kind, statement) in [
            ("PUBLICATION", "CREATE PUBLICATION \"x FOR ALL TABLES\" WITH (publish = 'insert');"),
            ("CAST", "CREATE CAST (app.mood AS integer) WITH FUNCTION app.level(app.mood);"),
            (
                "FUNCTION",
                "CREATE FUNCTION f(a text DEFAULT E'\\'\n    LANGUAGE c'::text) RETURNS int\n    \
                 LANGUAGE sql IMMUTABLE\n    AS $x$ SELECT 1 $$\n    LANGUAGE c LEAKPROOF $x$;",
            ),
            (
                "FUNCTION",
                "CREATE FUNCTION f(\"a\"\"\n    LANGUAGE c\" text) RETURNS int\n    LANGUAGE \
                 plpgsql\n    SET search_path TO 'a'\n    AS $$\n    SET log_statement TO 1 $$;",
            ),
            ("TABLE", "CREATE TABLE t ();"),
            ("SERVER", "CREATE SERVER \" FOREIGN DATA WRAPPER file_fdw\" FOREIGN DATA WRAPPER x;"),
        ] {
            assert!(!server.is_superusers(&entry(kind, statement)), "{kind} {statement}");
        }
    }

    #[test]
    fn quoted_parts_are_left_out() {
        for (statement, bare) in [
            ("a 'b''c' d", "a ? d"),
            (r"E'\'' x", "E? x"),
            (r"'\' x", "? x"),
            ("\"a\"\"b\".c", "?.c"),
            ("$$a$b$$ c", "? c"),
            ("$1 + $2", "$1 + $2"),
            ("$ü$ 'x' $ü$,a$b", "?,a$b"),
            ("'open", "?"),
            ("$$open", "?"),
            ("$", "$"),
        ] {
            assert_eq!(without_quoted(statement), bare, "{statement}");
        }
    }
}
