//! A server of its own that keeps documents in memory: prepared ones, and those that are inserted.

mod admin;
mod catalog;
mod content;
mod documents;
mod filter;
pub(crate) mod generate;
mod order;
mod pipeline;
mod query;
mod read;
mod write;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::faults::Faults;
use crate::wire::backend::{Backend, Version};
use crate::wire::cursors::Cursors;
use crate::wire::message::Request;
use crate::wire::reply::{Failure, Reply};
use catalog::Catalog;
pub use content::Content;
use documents::Selection;

/// The stub's databases and open cursors.
pub(crate) struct Stub {
    catalog: Mutex<Catalog>,
    oplog: bool,
    cursors: Cursors<Reading>,
    last_cursor: AtomicI64,
}

/// An open cursor: what it reads, and how far it is. It does not see what is inserted meanwhile.
struct Reading {
    selection: Selection,
    at: usize,
    namespace: String,
}

impl Stub {
    pub(crate) fn new(content: Content, faults: Faults) -> Self {
        Self {
            catalog: Mutex::new(content.catalog),
            oplog: content.oplog,
            cursors: Cursors::new(faults),
            last_cursor: AtomicI64::new(1000),
        }
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_cursor(&self) -> i64 {
        self.last_cursor.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn answer(&self, request: &Request) -> Result<Reply, Failure> {
        match request.name.to_lowercase().as_str() {
            "find" => self.find(request),
            "aggregate" => self.aggregate(request),
            "getmore" => self.get_more(request),
            "killcursors" => self.cursors.kill(request),
            "count" => self.count(request),
            "listdatabases" => Ok(self.catalog().databases().into()),
            "listcollections" => self.list_collections(request),
            "listindexes" => self.list_indexes(request),
            "collstats" => self.statistics(request),
            "dbstats" => Ok(self.catalog().database_statistics(&request.database).into()),
            "usersinfo" => self.accounts(request, true),
            "rolesinfo" => self.accounts(request, false),
            "insert" => self.insert(request),
            "create" => self.create(request),
            "createindexes" => self.create_indexes(request),
            "collmod" => self.change_collection(request),
            "drop" => self.drop_collection(request),
            "dropdatabase" => Ok(self.drop_database(request)),
            _ => Err(Failure::unknown_command(&request.name)),
        }
    }
}

impl Backend for Stub {
    type Session = ();

    fn version(&self) -> Version {
        Version { number: [7, 0, 0], wire: 21 }
    }

    fn shows_users(&self) -> bool {
        true
    }

    fn session(&self) {}

    async fn run(&self, _session: &mut (), request: &Request) -> Result<Reply, Failure> {
        self.answer(request)
    }

    fn forget(&self, cursor: i64) {
        let _ = self.cursors.take(cursor);
    }
}

/// The collection that a command is for.
fn collection(request: &Request) -> Result<&str, Failure> {
    let missing = || Failure::bad_value(format!("{} needs the name of a collection", request.name));
    request.subject().ok_or_else(missing)
}
