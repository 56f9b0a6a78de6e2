//! MongoDB's commands as calls of `DocumentDB`'s SQL functions.

pub(crate) mod failure;
mod read;
pub(crate) mod sql;
mod write;

use std::path::PathBuf;

use bson::RawDocumentBuf;

use crate::faults::Faults;
use crate::wire::backend::{Backend, Version};
use crate::wire::cursors::Cursors;
use crate::wire::message::Request;
use crate::wire::reply::{Failure, Reply};
use sql::Sql;

/// The way to a server with `DocumentDB`.
pub(crate) struct Shim {
    socket: PathBuf,
    /// What the server wants back for the next page.
    cursors: Cursors<Vec<u8>>,
}

impl Shim {
    pub(crate) fn new(socket: PathBuf, faults: Faults) -> Self {
        Self { socket, cursors: Cursors::new(faults) }
    }
}

/// A connection's own session of the server's: begun by the first command that needs it.
#[derive(Default)]
pub(crate) struct Session(Option<Sql>);

impl Session {
    async fn sql(&mut self, shim: &Shim) -> Result<&mut Sql, Failure> {
        if self.0.is_none() {
            self.0 = Some(Sql::connect(&shim.socket).await?);
        }
        self.0.as_mut().ok_or_else(|| Failure::new(1, "InternalError", "no session"))
    }
}

impl Backend for Shim {
    type Session = Session;

    /// What most that `DocumentDB` knows came with.
    fn version(&self) -> Version {
        Version { number: [6, 0, 0], wire: 17 }
    }

    fn shows_users(&self) -> bool {
        false
    }

    fn session(&self) -> Session {
        Session::default()
    }

    async fn run(&self, session: &mut Session, request: &Request) -> Result<Reply, Failure> {
        let sql = session.sql(self).await?;
        let cursors = &self.cursors;
        match request.name.to_lowercase().as_str() {
            "find" => read::first_page(sql, cursors, request, "find_cursor_first_page").await,
            "aggregate" => {
                read::first_page(sql, cursors, request, "aggregate_cursor_first_page").await
            }
            "listcollections" => {
                read::first_page(sql, cursors, request, "list_collections_cursor_first_page").await
            }
            "listindexes" => {
                read::first_page(sql, cursors, request, "list_indexes_cursor_first_page").await
            }
            "getmore" => read::get_more(sql, cursors, request).await,
            "killcursors" => cursors.kill(request),
            "count" => read::query(sql, request, "count_query").await,
            "distinct" => read::query(sql, request, "distinct_query").await,
            "listdatabases" => read::databases(sql, request).await,
            "collstats" => read::collection_statistics(sql, request).await,
            "dbstats" => read::database_statistics(sql, request).await,
            "insert" => write::documents(sql, request, "insert", "documents").await,
            "update" => write::documents(sql, request, "update", "updates").await,
            "delete" => write::documents(sql, request, "delete", "deletes").await,
            "findandmodify" => write::find_and_modify(sql, request).await,
            "create" => write::create(sql, request).await,
            "createindexes" => write::create_indexes(sql, request).await,
            "dropindexes" | "deleteindexes" => write::drop_indexes(sql, request).await,
            "collmod" => write::change_collection(sql, request).await,
            "renamecollection" => write::rename(sql, request).await,
            "drop" => write::drop_collection(sql, request).await,
            "dropdatabase" => write::drop_database(sql, request).await,
            _ => Err(Failure::unknown_command(&request.name)),
        }
    }

    fn forget(&self, cursor: i64) {
        let _ = self.cursors.take(cursor);
    }
}

/// What belongs to the session or to the way of reading, and is not part of a command for SQL.
const NOT_PART: [&str; 13] = [
    "lsid",
    "$clusterTime",
    "$readPreference",
    "$db",
    "txnNumber",
    "writeConcern",
    "readConcern",
    "apiVersion",
    "apiStrict",
    "comment",
    "snapshot",
    "noCursorTimeout",
    "maxTimeMS",
];

/// The command without those fields, and without some more.
fn specification(request: &Request, without: &[&str]) -> Result<RawDocumentBuf, Failure> {
    let mut kept = RawDocumentBuf::new();
    for element in &request.body {
        let (key, value) = element?;
        let name = key.as_str();
        if !NOT_PART.contains(&name) && !without.contains(&name) {
            kept.append(key, value);
        }
    }
    Ok(kept)
}

/// The collection that a command is for.
fn collection(request: &Request) -> Result<&str, Failure> {
    let missing = || Failure::bad_value(format!("{} needs the name of a collection", request.name));
    request.subject().ok_or_else(missing)
}
