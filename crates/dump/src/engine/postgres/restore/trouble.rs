//! Failures while rows are loaded, told without the rows.
//!
//! The server names values in details and contexts (`Key (email)=(…) already exists`,
//! `COPY t, line 3: "…"`), and in messages about data that it cannot read. They belong to
//! customers, and logs are kept and read by many.

use autodump_core::{Error, ErrorClass};

use crate::engine::postgres::wire::{DatabaseError, Failure};

/// The class of SQLSTATEs of data that do not fit their type.
const DATA: &str = "22";
/// Of these, the one about the form of a COPY, whose quoted words are columns.
const FORM: &str = "22P04";
/// The class of SQLSTATEs of constraints.
const CONSTRAINT: &str = "23";

/// What it says, without values of rows.
pub(super) fn told(failure: &Failure) -> String {
    let Failure::Database(error) = failure else { return failure.to_string() };
    let line = error.context.as_deref().and_then(line).map_or_else(String::new, |line| {
        format!("; line {line} of those that were sent in this piece")
    });
    format!("{}: {} (SQLSTATE {}){line}", error.severity, message(error), error.code)
}

fn message(error: &DatabaseError) -> String {
    if error.code.starts_with(DATA) && error.code != FORM {
        return without_quoted(&error.message);
    }
    error.message.clone()
}

/// The text with everything from the first to the last quotation mark left out.
pub(super) fn without_quoted(text: &str) -> String {
    match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}\"…\"{}", &text[..first], &text[last + 1..])
        }
        (Some(first), _) => format!("{}\"…", &text[..first]),
        _ => text.to_owned(),
    }
}

/// The number of a line in a context such as `COPY t, line 3, column c: "…"`.
fn line(context: &str) -> Option<u64> {
    let (_, rest) = context.split_once(", line ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The error that it is. Its cause is not kept, since causes are logged.
pub(super) fn without_rows(failure: Failure) -> Error {
    let what = told(&failure);
    let of_constraint = failure.code().is_some_and(|code| code.starts_with(CONSTRAINT));
    let error = Error::from(failure);
    if of_constraint {
        let hint = "The rows do not fit what is there: empty the tables first, or restore into \
                    an empty database";
        return Error::new(ErrorClass::Engine, what, hint);
    }
    Error::new(error.class(), what, error.hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: &str, message: &str, context: &str) -> Failure {
        Failure::Database(Box::new(DatabaseError {
            severity: "ERROR".to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
            detail: Some("Key (email)=(geheim) already exists.".to_owned()),
            hint: None,
            context: Some(context.to_owned()),
        }))
    }

    #[test]
    fn values_of_rows_are_not_told() {
        for (code, message, context, told) in [
            (
                "23505",
                "duplicate key value violates unique constraint \"t_pkey\"",
                "COPY t, line 7",
                "ERROR: duplicate key value violates unique constraint \"t_pkey\" (SQLSTATE 23505); \
                 line 7 of those that were sent in this piece",
            ),
            (
                "22P02",
                "invalid input syntax for type integer: \"geh\"eim\"",
                "COPY t, line 3, column i: \"geheim\"",
                "ERROR: invalid input syntax for type integer: \"…\" (SQLSTATE 22P02); line 3 of \
                 those that were sent in this piece",
            ),
            (
                "22P04",
                "missing data for column \"b\"",
                "COPY t: \"geheim\"",
                "ERROR: missing data for column \"b\" (SQLSTATE 22P04)",
            ),
        ] {
            let error = without_rows(failure(code, message, context));
            assert_eq!(error.what(), told);
            assert!(std::error::Error::source(&error).is_none());
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
    }

    #[test]
    fn a_quotation_that_was_cut_off_is_left_out_too() {
        assert_eq!(without_quoted("a: \"bcd"), "a: \"…");
        assert_eq!(without_quoted("no quotes"), "no quotes");
    }
}
