//! What of an archive only a superuser can restore.
//!
//! What is restored runs code of the archive: functions in indexes, checks, materialised views.
//! Whoever owned a table of the source could put it there. So nothing that such a person can
//! make by herself may be a reason to restore as superuser.

use std::collections::BTreeSet;

use autodump_core::Result;

use crate::engine::postgres::toc::{Entry, Toc};
use crate::engine::postgres::wire::Session;
use crate::verify::compare::shown;

/// Kinds of entries that only a superuser can make.
const KINDS: [&str; 8] = [
    "ACCESS METHOD",
    "FOREIGN DATA WRAPPER",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURAL LANGUAGE",
    "PUBLICATION TABLES IN SCHEMA",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
];

/// What `postgres_fdw` takes for false, in any case. Only a superuser can say it there; other
/// spellings are of other wrappers, which may take them from anybody.
const FALSE: [&str; 2] = ["'false'", "'off'"];

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
        let written = || entry.defn.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let statement = || Bare::of(&written()).text;
        match kind.as_ref() {
            "PUBLICATION" => statement().contains(" FOR ALL "),
            "AGGREGATE" => statement().contains("STYPE = internal"),
            // Files of the server; who may connect without a password.
            "SERVER" => statement().contains(" FOREIGN DATA WRAPPER file_fdw"),
            "USER MAPPING" => needs_no_password(&written()),
            // Base types, and ranges with a function of their own. A shell type alone says
            // nothing: any range gets one whose functions name it in their body.
            "TYPE" => {
                let statement = statement();
                statement.contains(" INPUT = ") || statement.contains(" canonical = ")
            }
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

/// Whether a user mapping lets people in without a password.
fn needs_no_password(statement: &str) -> bool {
    let bare = Bare::of(statement);
    let mut values = bare.quoted.iter().filter_map(|(at, quoted)| {
        bare.text[..*at].ends_with(" password_required ").then_some(*quoted)
    });
    values.any(|value| FALSE.iter().any(|says| value.eq_ignore_ascii_case(says)))
}

/// A statement without what is quoted.
#[derive(Debug, Default)]
struct Bare<'a> {
    /// The statement with a question mark for each text and quoted name.
    text: String,
    /// The quoted parts with their quotes, and where in `text` their question marks are.
    quoted: Vec<(usize, &'a str)>,
}

impl<'a> Bare<'a> {
    fn of(statement: &'a str) -> Self {
        let mut bare = Self::default();
        let mut rest = statement;
        while let Some(next) = rest.chars().next() {
            let quoted = match next {
                '\'' => Some(quoted_length(rest, '\'', escapes(&bare.text))),
                '"' => Some(quoted_length(rest, '"', false)),
                '$' if !bare.text.ends_with(is_of_name) => dollar_quoted_length(rest),
                _ => None,
            };
            let (part, after) = rest.split_at(quoted.unwrap_or(next.len_utf8()).min(rest.len()));
            if quoted.is_some() {
                bare.quoted.push((bare.text.len(), part));
                bare.text.push('?');
            } else {
                bare.text.push(next);
            }
            rest = after;
        }
        bare
    }
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
    use crate::engine::postgres::toc::samples::{self, bytes};
    use crate::engine::postgres::toc::{Section, Version};

    fn entry(kind: &str, statement: &str) -> Entry {
        Entry { defn: bytes(statement), ..samples::entry(1, kind, "x", Section::PreData) }
    }

    #[test]
    fn what_anybody_can_make_is_never_a_reason() {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let server =
            Server { trusted: set(&["sql", "plpgsql"]), settings: set(&["log_statement"]) };
        for (kind, statement) in [
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
    fn only_a_mapping_without_a_password_is_a_superusers() {
        let mapping = |options: &str| {
            let statement =
                format!("CREATE USER MAPPING FOR x SERVER s OPTIONS (\n    {options}\n);\n");
            Server::default().is_superusers(&entry("USER MAPPING", &statement))
        };
        for options in [
            "password_required 'false'",
            "password_required 'OFF'",
            "\"user\" 'it''s',\n    password_required 'False',\n    password E'\\\\'",
        ] {
            assert!(mapping(options), "{options}");
        }
        for options in [
            "password_required 'true'",
            "password_required 'ON'",
            "password_required 'no'",
            "password_required '0'",
            "password_required 'f'",
            "password_required ''",
            "password 'x'",
            "password ' password_required ''false'''",
            "\" password_required \" 'false'",
            "not_password_required 'false'",
        ] {
            assert!(!mapping(options), "{options}");
        }
        let named = "CREATE USER MAPPING FOR \"( password_required 'false'\" SERVER s;";
        assert!(!needs_no_password(named));
    }

    #[test]
    fn a_shell_type_is_a_reason_only_by_what_becomes_of_it() {
        let shell = "CREATE TYPE app.x;";
        let becomes = |statement: &str| {
            let server = Server::default();
            let entries = vec![entry("SHELL TYPE", shell), entry("TYPE", statement)];
            !server.superusers_entries(&samples::toc(Version::V1_15, entries)).is_empty()
        };
        for statement in [
            "CREATE TYPE app.x (\n    INTERNALLENGTH = 4,\n    INPUT = app.i,\n    OUTPUT = app.o\n);",
            "CREATE TYPE app.x AS RANGE (\n    subtype = integer,\n    canonical = app.c\n);",
        ] {
            assert!(becomes(statement), "{statement}");
        }
        for statement in [
            "CREATE TYPE app.x AS RANGE (\n    subtype = integer,\n    subtype_diff = app.d\n);",
            "CREATE TYPE app.x AS RANGE (\n    subtype = app.\"x, canonical = y\"\n);",
            "CREATE TYPE app.x AS ENUM (\n    ' INPUT = '\n);",
            "CREATE TYPE app.x AS (\n\tinput text\n);",
        ] {
            assert!(!becomes(statement), "{statement}");
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
            assert_eq!(Bare::of(statement).text, bare, "{statement}");
        }
    }
}
