//! Names of objects, quoted for SQL and counted for people.

use crate::engine::postgres::sql::identifier;

/// How many are named.
const NAMED: usize = 5;

/// Schema and name, quoted.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// The first few, for people.
pub(super) fn few(names: &[String]) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(qualified("a\"b", "c d"), "\"a\"\"b\".\"c d\"");
    }
}
