//! Open cursors by their ids.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};

use super::message::Request;
use super::reply::{Failure, Reply};
use crate::faults::Faults;

/// Where each open cursor stands. Any connection may go on with it.
pub(crate) struct Cursors<T> {
    open: Mutex<HashMap<i64, T>>,
    faults: Faults,
}

impl<T> Cursors<T> {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { open: Mutex::default(), faults }
    }

    pub(crate) fn insert(&self, id: i64, state: T) {
        let mut open = self.lock();
        open.insert(id, state);
        self.faults.set_open_cursors(open.len());
    }

    /// Takes a cursor's state; it is put back with [`Self::insert`] where there is more.
    pub(crate) fn take(&self, id: i64) -> Result<T, Failure> {
        let mut open = self.lock();
        let found = open.remove(&id);
        self.faults.set_open_cursors(open.len());
        found.ok_or_else(|| Failure::no_cursor(id))
    }

    /// Answers `killCursors`.
    pub(crate) fn kill(&self, request: &Request) -> Result<Reply, Failure> {
        let (mut killed, mut unknown) = (RawArrayBuf::new(), RawArrayBuf::new());
        for id in request.body.get_array("cursors").map_err(bson_error)? {
            let id = id?.as_i64().ok_or_else(|| Failure::bad_value("a cursor's id is no long"))?;
            let list = if self.take(id).is_ok() { &mut killed } else { &mut unknown };
            list.push(id);
        }
        let reply: RawDocumentBuf = rawdoc! {
            "cursorsKilled": killed,
            "cursorsNotFound": unknown,
            "cursorsAlive": [],
            "cursorsUnknown": [],
            "ok": 1.0,
        };
        Ok(reply.into())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, T>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bson_error(error: impl std::fmt::Display) -> Failure {
    Failure::bad_value(error.to_string())
}
