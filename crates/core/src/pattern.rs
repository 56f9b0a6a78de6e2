//! Patterns of names, as `psql` and `pg_dump` have them.
//!
//! `[schema.]name`; the letters `A` to `Z` are folded to lower case, and no others, as
//! PostgreSQL does it in UTF-8; `*` stands for any characters and `?` for any one, and within
//! double quotes everything stands for itself (`""` for a quote).
//! Other special characters of regular expressions, which PostgreSQL would also take, are
//! not allowed outside of quotes.
//!
//! Patterns of MongoDB's collections are written in the same way, but letters stand for
//! themselves, and so do dots: they are a part of the name.

use std::fmt;

/// A pattern that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    schema: Option<Part>,
    name: Part,
    text: String,
}

/// Whose names they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Their letters are folded, and a dot ends one.
    Postgres,
    /// They stand as they are.
    Mongodb,
}

/// One name's pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Part {
    /// A regular expression for all of the name, anchored at both ends.
    regex: String,
}

impl Pattern {
    /// Reads a pattern of a table: `[schema.]name`. The error is a sentence fragment.
    pub fn table(text: &str) -> Result<Self, String> {
        let mut parts = parts(text, Names::Postgres)?;
        let (schema, name) = match parts.len() {
            1 => (None, parts.remove(0)),
            2 => (Some(parts.remove(0)), parts.remove(0)),
            _ => return Err(format!("has the pattern {text:?} with more than one dot")),
        };
        Ok(Self { schema, name, text: text.to_owned() })
    }

    /// Reads a pattern of a schema: one name. The error is a sentence fragment.
    pub fn schema(text: &str) -> Result<Self, String> {
        let pattern = Self::table(text)?;
        if pattern.schema.is_some() {
            return Err(format!("has the pattern {text:?}, but the name of a schema has no dot"));
        }
        Ok(pattern)
    }

    /// Reads a pattern of a collection of MongoDB: one name. The error is a sentence fragment.
    pub fn collection(text: &str) -> Result<Self, String> {
        let name = parts(text, Names::Mongodb)?.into_iter().next().unwrap_or_default();
        // A name may have line ends, which `.` would not stand for.
        let regex = format!("(?s){}", name.regex);
        Ok(Self { schema: None, name: Part { regex }, text: text.to_owned() })
    }

    /// The regular expression that a schema's name has to fit (PostgreSQL's and Rust's mean
    /// the same by it); `None` when every visible schema does.
    #[must_use]
    pub fn schema_regex(&self) -> Option<&str> {
        self.schema.as_ref().map(|part| part.regex.as_str())
    }

    /// The regular expression that the name has to fit. That of a collection is for Rust alone.
    #[must_use]
    pub fn name_regex(&self) -> &str {
        &self.name.regex
    }
}

impl fmt::Display for Pattern {
    /// As it was written, which is what `pg_dump` takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The words of a text: what is between white space that is outside of double quotes.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        quoted ^= character == '"';
        if character.is_whitespace() && !quoted {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A word of a tag's value, which may not hold `*`: outside of double quotes `+` is `*`.
pub(crate) fn of_tag(word: &str) -> String {
    let mut quoted = false;
    let star = |character| {
        quoted ^= character == '"';
        if character == '+' && !quoted { '*' } else { character }
    };
    word.chars().map(star).collect()
}

/// The parts between dots that are outside of quotes; one for a collection.
fn parts(text: &str, names: Names) -> Result<Vec<Part>, String> {
    let folds = names == Names::Postgres;
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let regex = parts.last_mut().map_or_else(String::new, std::mem::take);
        let regex = match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                regex + "\""
            }
            '"' => {
                quoted = !quoted;
                regex
            }
            '.' if !quoted && folds => {
                if let Some(last) = parts.last_mut() {
                    *last = regex;
                }
                parts.push(String::new());
                continue;
            }
            '*' if !quoted => regex + ".*",
            '?' if !quoted => regex + ".",
            _ if quoted => regex + &literal(character),
            _ if !folds && (character == '.' || is_plain(character)) => regex + &literal(character),
            _ if is_plain(character) => regex + &literal(character.to_ascii_lowercase()),
            _ => {
                return Err(format!(
                    "has the pattern {text:?} with {character:?}, which has to be within double \
                     quotes"
                ));
            }
        };
        if let Some(last) = parts.last_mut() {
            *last = regex;
        }
    }
    if quoted {
        return Err(format!("has the pattern {text:?} with a quote that does not end"));
    }
    if parts.iter().any(String::is_empty) {
        return Err(format!("has the pattern {text:?} with an empty name"));
    }
    Ok(parts.into_iter().map(|regex| Part { regex: format!("^({regex})$") }).collect())
}

fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || "_$-@#%/:=~".contains(character)
}

fn literal(character: char) -> String {
    if character.is_alphanumeric() || character == '_' || !character.is_ascii() {
        character.to_string()
    } else {
        format!("\\{character}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stars_and_quotes_become_regular_expressions() {
        for (text, schema, name) in [
            ("orders", None, "^(orders)$"),
            ("App.Log_*", Some("^(app)$"), "^(log_.*)$"),
            ("\"App\".\"a.b*\"", Some("^(App)$"), "^(a\\.b\\*)$"),
            ("t?", None, "^(t.)$"),
            ("\"say \"\"hi\"\"\"", None, "^(say\\ \"hi\")$"),
            ("größe", None, "^(größe)$"),
            ("GRÖSSE", None, "^(grÖsse)$"),
        ] {
            let pattern = Pattern::table(text).unwrap();
            assert_eq!((pattern.schema_regex(), pattern.name_regex()), (schema, name), "{text}");
            assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn a_collections_name_stands_as_it_is_written() {
        for (text, name) in [
            ("orders.2026", "(?s)^(orders\\.2026)$"),
            ("App.Log_*", "(?s)^(App\\.Log_.*)$"),
            ("\"a b*\".?", "(?s)^(a\\ b\\*\\..)$"),
            (".", "(?s)^(\\.)$"),
        ] {
            let pattern = Pattern::collection(text).unwrap();
            assert_eq!((pattern.schema_regex(), pattern.name_regex()), (None, name), "{text}");
            assert_eq!(pattern.to_string(), text);
        }
        for text in ["", "\"\"", "a|b", "(a)", "\"a", "a b", "a+"] {
            assert!(Pattern::collection(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_split_and_tags_have_their_own_star() {
        assert_eq!(words(" app.* \t \"a \"\"b\".c\nd "), ["app.*", "\"a \"\"b\".c", "d"]);
        assert!(words("  ").is_empty());
        assert_eq!(of_tag("app.log_+"), "app.log_*");
        assert_eq!(of_tag("\"a+b\".+"), "\"a+b\".*");
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for text in ["", ".", "a.", "a.b.c", "a|b", "(a)", "\"a", "a b", "[a]", "a+"] {
            assert!(Pattern::table(text).is_err(), "{text}");
        }
        assert!(Pattern::schema("a.b").is_err());
        assert!(Pattern::schema("audit_*").is_ok());
    }
}
