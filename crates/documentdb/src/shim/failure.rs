//! Errors of `DocumentDB` as those of MongoDB.

use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use tokio_postgres::Error;

use crate::wire::reply::Failure;

/// SQL states of `DocumentDB`, with the codes of MongoDB that they stand for: those that were met.
const CODES: [(&str, i32, &str); 13] = [
    ("M0001", 2, "BadValue"),
    ("M0003", 9, "FailedToParse"),
    ("M0004", 14, "TypeMismatch"),
    ("M0008", 26, "NamespaceNotFound"),
    ("M000F", 48, "NamespaceExists"),
    ("M000R", 85, "IndexOptionsConflict"),
    ("M000S", 86, "IndexKeySpecsConflict"),
    ("M000U", 115, "CommandNotSupported"),
    ("M0015", 241, "ConversionFailure"),
    ("M001C", 11000, "DuplicateKey"),
    ("M007U", 40324, "Location40324"),
    ("28000", 18, "AuthenticationFailed"),
    ("54000", 10334, "BSONObjectTooLarge"),
];

/// The failure that an error of the server's means.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn of(error: Error) -> Failure {
    let Some(said) = error.as_db_error() else {
        return Failure::new(1, "InternalError", error.to_string());
    };
    let (code, name) = code(said.code().code());
    Failure::new(code, name, said.message())
}

fn code(state: &str) -> (i32, &'static str) {
    let found = CODES.iter().find(|(known, ..)| *known == state);
    found.map_or((1, "InternalError"), |(_, code, name)| (*code, *name))
}

/// The result of a write: in it, `DocumentDB` gives SQL states as numbers.
pub(crate) fn write_result(result: &[u8]) -> Result<RawDocumentBuf, Failure> {
    let mut reply = RawDocumentBuf::new();
    for element in RawDocument::from_bytes(result)? {
        let (key, value) = element?;
        match value {
            RawBsonRef::Array(errors) if key == "writeErrors" => {
                let mut translated = RawArrayBuf::new();
                for error in errors {
                    translated.push(write_error(error?)?);
                }
                reply.append(cstr!("writeErrors"), translated);
            }
            other => reply.append(key, other),
        }
    }
    Ok(reply)
}

fn write_error(error: RawBsonRef<'_>) -> Result<RawDocumentBuf, Failure> {
    let error =
        error.as_document().ok_or_else(|| Failure::bad_value("a write error is no document"))?;
    let mut translated = RawDocumentBuf::new();
    for element in error {
        match element? {
            (key, RawBsonRef::Int32(state)) if key == "code" => {
                translated.append(key, code(&unpacked(state)).0);
            }
            (key, value) => translated.append(key, value),
        }
    }
    Ok(translated)
}

/// Five characters of six bits each, the first one lowest, counted from `0`.
fn unpacked(state: i32) -> String {
    let part = |at: i32| u8::try_from((state >> (6 * at)) & 63).unwrap_or_default() + b'0';
    (0..5).map(|at| char::from(part(at))).collect()
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
