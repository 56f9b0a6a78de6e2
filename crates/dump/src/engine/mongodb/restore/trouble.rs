//! What the server's refusals mean for a restore.

use autodump_core::{Error, ErrorClass};
use bson::Document;
use mongodb::error::{Error as DriverError, ErrorKind};

use super::there::number;
use crate::engine::mongodb::connection::Connection;

/// Two documents have the same key in a unique index.
const DUPLICATE: i64 = 11_000;
/// A document is longer than the server takes.
const TOO_LONG: [i64; 2] = [10_334, 17_420];

const RIGHTS: &str = "Grant the secret's user the roles readWrite and dbAdmin in the database that \
                      is restored into";

/// The error for what was not possible, with a hint that fits a restore. What documents hold, which
/// servers show, is not in it.
pub(super) fn explained(connection: &Connection, error: &DriverError, doing: &str) -> Error {
    of_restore(connection.explain(&bare_error(error), doing))
}

fn of_restore(error: Error) -> Error {
    if error.class() == ErrorClass::Credentials && error.what().contains("(Unauthorized, 13)") {
        return Error::new(error.class(), error.what(), RIGHTS).caused_by(error);
    }
    error
}

/// Why documents were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: i64,
    /// Without values of documents.
    message: String,
}

impl Refusal {
    /// The document was there already, by its `_id`.
    pub(super) fn is_there_already(&self) -> bool {
        let names = [" _id_", "$_id_", "'_id_'"];
        self.code == DUPLICATE && names.iter().any(|name| self.message.ends_with(name))
    }

    /// The error for documents of `collection`.
    pub(super) fn error(&self, collection: &str) -> Error {
        let Self { code, message } = self;
        let hint = if *code == DUPLICATE {
            "Restore into collections that are empty; if they were, documents changed while they \
             were dumped: make an own index unique after the restore"
        } else if TOO_LONG.contains(code) {
            "Restore into a server that takes documents of this length"
        } else {
            "See what this server does not take; restore into one like that which was dumped"
        };
        let what = format!("{collection}: the server refuses documents: {message} ({code})");
        Error::new(ErrorClass::Engine, what, hint)
    }
}

/// What the server says to an insert: how many documents it took, and why it did not take others.
pub(super) fn taken(reply: &Document) -> (u64, Vec<Refusal>) {
    let errors = reply.get_array("writeErrors").into_iter().flatten();
    let mut refusals: Vec<_> =
        errors.filter_map(|error| error.as_document()).map(refusal).collect();
    // The documents are there, on one member alone.
    if let Ok(error) = reply.get_document("writeConcernError") {
        refusals.push(refusal(error));
    }
    (number(reply, "n").unwrap_or(0), refusals)
}

fn refusal(error: &Document) -> Refusal {
    let code = number(error, "code").and_then(|code| i64::try_from(code).ok()).unwrap_or(0);
    let message = bare(error.get_str("errmsg").unwrap_or("no reason given")).to_owned();
    Refusal { code, message }
}

/// A server's text up to where it shows what documents hold.
fn bare(message: &str) -> &str {
    let end = ["dup key", "{", "\""].iter().filter_map(|before| message.find(before)).min();
    message[..end.unwrap_or(message.len())].trim_end_matches([' ', ':'])
}

fn bare_error(error: &DriverError) -> DriverError {
    let mut error = error.clone();
    if let ErrorKind::Command(command) = error.kind.as_mut() {
        command.message = bare(&command.message).to_owned();
    }
    error
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn a_reply_says_what_was_taken_and_why_not_all_and_shows_no_values() {
        let message = "E11000 duplicate key error collection: shop.a index: email_1 dup key: { \
                       email: \"ann@example.com\" }";
        let (taken_, refusals) = taken(&doc! {
            "ok": 1, "n": 3_i64,
            "writeErrors": [{ "index": 1, "code": 11_000, "errmsg": message }],
        });
        assert_eq!((taken_, refusals.len()), (3, 1));
        assert!(!refusals[0].is_there_already());
        let error = refusals[0].error("shop.a");
        assert_eq!(error.class(), ErrorClass::Engine);
        assert!(error.what().contains("index: email_1 (11000)"), "{error}");
        assert!(!error.to_string().contains("ann@"), "{error}");
        assert_eq!(taken(&doc! { "ok": 1, "n": 3 }), (3, Vec::new()));
        let concern = doc! { "n": 1, "writeConcernError": { "code": 64, "errmsg": "timed out" } };
        assert!(taken(&concern).1[0].error("a").what().contains("timed out (64)"));
    }

    #[test]
    fn what_documents_hold_is_cut_from_every_text_of_the_server() {
        for (message, says) in [
            (
                "Can't extract geo keys: { _id: 1, at: { type: \"Point\", who: \"ann\" } }",
                "Can't extract geo keys",
            ),
            (
                "Index build failed: E11000 dup key: { email: \"ann\" }",
                "Index build failed: E11000",
            ),
            (
                "not authorized on shop to execute command { insert: \"ann\" }",
                "not authorized on shop to execute command",
            ),
        ] {
            let reply = doc! { "code": 16_755, "codeName": "Location16755", "errmsg": message };
            let command = bson::deserialize_from_document(reply).unwrap();
            let error = bare_error(&DriverError::from(ErrorKind::Command(command)));
            let ErrorKind::Command(command) = error.kind.as_ref() else { panic!("{error}") };
            assert_eq!(command.message, says);
        }
    }

    #[test]
    fn only_the_same_document_is_there_already() {
        let refused = |message: &str| refusal(&doc! { "code": 11_000, "errmsg": message });
        for index in [
            "E11000 duplicate key error collection: a.b index: _id_ dup key: { _id: 1 }",
            "Duplicate key violation on the requested collection: Index '_id_'",
        ] {
            assert!(refused(index).is_there_already(), "{index}");
        }
        for index in ["x_1", "user_id_1", "user_id_"] {
            let message = format!("E11000 duplicate key error collection: a.b index: {index}");
            assert!(!refused(&message).is_there_already(), "{index}");
        }
    }
}
