//! Names of objects, quoted for SQL.

use crate::engine::postgres::sql::identifier;

/// Schema and name, quoted.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(qualified("a\"b", "c d"), "\"a\"\"b\".\"c d\"");
    }
}
