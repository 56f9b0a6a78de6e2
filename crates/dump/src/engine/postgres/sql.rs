//! Texts and names in SQL.

/// A text as SQL literal. `standard_conforming_strings` must be on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as SQL identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_quotes() {
        assert_eq!(
            (literal("a'b\""), identifier("a'b\"")),
            ("'a''b\"'".into(), "\"a'b\"\"\"".into())
        );
    }
}
