//! What a command is answered with.

use bson::{RawDocumentBuf, rawdoc};
use bytes::Bytes;

/// A document in pieces, so that what is prepared need not be copied.
pub(crate) struct Reply(Vec<Bytes>);

impl Reply {
    /// The pieces are one document when they are put together.
    pub(crate) fn of(parts: Vec<Bytes>) -> Self {
        Self(parts)
    }

    /// `{ok: 1}`.
    pub(crate) fn ok() -> Self {
        rawdoc! { "ok": 1.0 }.into()
    }

    pub(crate) fn parts(&self) -> &[Bytes] {
        &self.0
    }

    /// Its size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }
}

impl From<RawDocumentBuf> for Reply {
    fn from(document: RawDocumentBuf) -> Self {
        Self(vec![document.into_bytes().into()])
    }
}

impl From<Vec<u8>> for Reply {
    fn from(document: Vec<u8>) -> Self {
        Self(vec![document.into()])
    }
}

/// Why a command fails, as MongoDB says it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    code: i32,
    name: &'static str,
    message: String,
}

impl Failure {
    pub(crate) fn new(code: i32, name: &'static str, message: impl Into<String>) -> Self {
        Self { code, name, message: message.into() }
    }

    pub(crate) fn bad_value(message: impl Into<String>) -> Self {
        Self::new(2, "BadValue", message)
    }

    pub(crate) fn unknown_command(name: &str) -> Self {
        Self::new(59, "CommandNotFound", format!("no such command: '{name}'"))
    }

    pub(crate) fn no_cursor(id: i64) -> Self {
        Self::new(43, "CursorNotFound", format!("cursor id {id} not found"))
    }

    pub(crate) fn no_collection(namespace: &str) -> Self {
        Self::new(26, "NamespaceNotFound", format!("ns not found: {namespace}"))
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        rawdoc! {
            "ok": 0.0,
            "errmsg": failure.message,
            "code": failure.code,
            "codeName": failure.name,
        }
        .into()
    }
}

/// What cannot be understood is the client's fault here: there is nobody else.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(1, "InternalError", format!("{error:#}"))
    }
}

impl From<bson::error::Error> for Failure {
    fn from(error: bson::error::Error) -> Self {
        Self::bad_value(error.to_string())
    }
}
