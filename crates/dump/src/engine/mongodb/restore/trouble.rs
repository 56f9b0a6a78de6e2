//! What the server's refusals mean for a restore.

use autodump_core::{Error, ErrorClass, Result};
use bson::Document;
use mongodb::error::{Error as DriverError, ErrorKind};

use super::there::number;
use crate::engine::mongodb::connection::Connection;
use crate::engine::mongodb::trouble::is_gone;

/// Two documents have the same key in a unique index.
const DUPLICATE: i64 = 11_000;
/// A document is longer than the server takes.
const TOO_LONG: [i64; 2] = [10_334, 17_420];

const RIGHTS: &str = "Grant the secret's user the roles readWrite and dbAdmin in the database that \
                      is restored into; for a time series, the role restore in the database admin";

/// The error for what was not possible, with a hint that fits a restore. What documents hold, which
/// servers show, is not in it.
pub(super) fn explained(connection: &Connection, error: &DriverError, doing: &str) -> Error {
    of_restore(connection.explain(&bare_error(error), doing))
}

/// The error with a hint that fits a restore.
pub(super) fn of_restore(error: Error) -> Error {
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
    /// The number of the document in its command; none where all of them are meant.
    pub(super) index: Option<usize>,
    /// The key that is there already is that of `_id`, where the server tells.
    of_id: Option<bool>,
}

impl Refusal {
    /// The document was there already, by its `_id`.
    pub(super) fn is_there_already(&self) -> bool {
        let by_text = || [" _id_", "$_id_", "'_id_'"].iter().any(|n| self.message.ends_with(n));
        self.code == DUPLICATE && self.of_id.unwrap_or_else(by_text)
    }

    /// The server went away before a majority had the documents.
    pub(super) fn is_passing(&self) -> bool {
        is_gone(self.code)
    }

    /// The error for documents of `collection`.
    pub(super) fn error(&self, collection: &str) -> Error {
        let Self { code, message, .. } = self;
        if self.is_passing() {
            let what = format!("{collection}: documents may be undone: {message} ({code})");
            let hint = "See that the server's members run; then restore again";
            return Error::new(ErrorClass::Source, what, hint);
        }
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

/// That what was changed is on a majority of the server's members: where a reply does not say so,
/// the change may be undone. `doing` is what was not possible then.
pub(super) fn confirmed(reply: &Document, doing: &str) -> Result<()> {
    let (_, refusals) = taken(reply);
    let Some(Refusal { code, message, .. }) = refusals.first() else { return Ok(()) };
    let class = if is_gone(*code) { ErrorClass::Source } else { ErrorClass::Engine };
    let what =
        format!("{doing}: a majority of the server's members has it not: {message} ({code})");
    Err(Error::new(class, what, "See that the server's members run; then restore again"))
}

fn refusal(error: &Document) -> Refusal {
    let code = number(error, "code").and_then(|code| i64::try_from(code).ok()).unwrap_or(0);
    let message = bare(error.get_str("errmsg").unwrap_or("no reason given")).to_owned();
    let index = number(error, "index").and_then(|index| usize::try_from(index).ok());
    let pattern = error.get_document("keyPattern").ok();
    let of_id = pattern.map(|pattern| pattern.len() == 1 && pattern.contains_key("_id"));
    Refusal { code, message, index, of_id }
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
    fn a_change_that_a_majority_has_not_is_no_change() {
        for (code, class) in [(64, ErrorClass::Engine), (189, ErrorClass::Source)] {
            let concern = doc! { "code": code, "errmsg": "waiting { w: 2 }" };
            let reply = doc! { "ok": 1, "writeConcernError": concern };
            let error = confirmed(&reply, "shop.a cannot be made").unwrap_err();
            assert_eq!(error.class(), class);
            let says = format!(
                "shop.a cannot be made: a majority of the server's members has it not: waiting ({code})"
            );
            assert_eq!(error.what(), says);
        }
        assert!(confirmed(&doc! { "ok": 1 }, "shop.a cannot be made").is_ok());
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
        // A clustered collection has no index to be named.
        let keyed = |pattern: Document| {
            let message = "E11000 duplicate key error collection: a.b dup key: { x: 1 }";
            refusal(&doc! { "code": 11_000, "errmsg": message, "keyPattern": pattern })
        };
        assert!(keyed(doc! { "_id": 1 }).is_there_already());
        assert!(!keyed(doc! { "x": 1 }).is_there_already());
        assert!(!keyed(doc! { "_id": 1, "x": 1 }).is_there_already());
    }
}
