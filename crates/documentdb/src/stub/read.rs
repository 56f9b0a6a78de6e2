//! The stub's commands that read.

use bson::spec::ElementType;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf, cstr, rawdoc};
use bytes::Bytes;

use super::catalog::{Collection, whole};
use super::documents::Selection;
use super::query::{count, inner, number, project, select, sort};
use super::{Reading, Stub, collection, pipeline};
use crate::wire::message::Request;
use crate::wire::reply::{Failure, Reply};

/// The documents in a first page, unless the client says how many.
const FIRST: usize = 101;
/// Views upon views, as many as MongoDB follows.
const DEEPEST: usize = 20;

impl Stub {
    pub(super) fn find(&self, request: &Request) -> Result<Reply, Failure> {
        let body = &request.body;
        let name = collection(request)?;
        let selection = select(self.source(&request.database, name, 0)?, inner(body, "filter")?)?;
        let selection = sort(selection, inner(body, "sort")?)?;
        let limit = body.get("limit")?.and_then(number).unwrap_or(0);
        let selection = part(selection, body)?;
        let selection = project(selection, inner(body, "projection")?)?;
        let batch = count(body, "batchSize")?.unwrap_or(FIRST);
        let single = limit < 0 || body.get_bool("singleBatch").unwrap_or(false);
        Ok(self.first_page(format!("{}.{name}", request.database), selection, batch, single))
    }

    pub(super) fn aggregate(&self, request: &Request) -> Result<Reply, Failure> {
        let name = collection(request)?;
        let namespace = format!("{}.{name}", request.database);
        let stages = request.body.get_array("pipeline").map_err(invalid)?;
        let statistics = stages.into_iter().next().transpose()?.and_then(|stage| statistics(stage));
        let selection = match statistics {
            Some(wanted) => {
                let sizes = self.sizes(&request.database, name, wanted)?;
                Selection::of([sizes])?
            }
            None => pipeline::run(self.source(&request.database, name, 0)?, stages)?,
        };
        let batch = count(inner(&request.body, "cursor")?, "batchSize")?.unwrap_or(FIRST);
        Ok(self.first_page(namespace, selection, batch, false))
    }

    pub(super) fn get_more(&self, request: &Request) -> Result<Reply, Failure> {
        let id = request.body.get_i64(&request.name).map_err(invalid)?;
        let mut reading = self.cursors.take(id)?;
        let batch = count(&request.body, "batchSize")?.filter(|batch| *batch > 0);
        let (page, size) = reading.selection.page(reading.at, batch.unwrap_or(usize::MAX));
        reading.at += size;
        let namespace = reading.namespace.clone();
        let more = reading.at < reading.selection.len();
        if more {
            self.cursors.insert(id, reading);
        }
        Ok(cursor("nextBatch", page, if more { id } else { 0 }, &namespace))
    }

    pub(super) fn count(&self, request: &Request) -> Result<Reply, Failure> {
        let source = self.source(&request.database, collection(request)?, 0)?;
        let selection = part(select(source, inner(&request.body, "query")?)?, &request.body)?;
        let number = whole(selection.len());
        let number = i32::try_from(number).map_or(RawBsonRef::Int64(number), RawBsonRef::Int32);
        let mut reply = RawDocumentBuf::new();
        reply.append(cstr!("n"), number);
        reply.append(cstr!("ok"), 1.0);
        Ok(reply.into())
    }

    pub(super) fn list_collections(&self, request: &Request) -> Result<Reply, Failure> {
        let entries: Vec<_> = {
            let catalog = self.catalog();
            let collections = catalog.0.get(&request.database).into_iter().flatten();
            collections.map(|(name, collection)| collection.entry(name)).collect()
        };
        let entries = select(Selection::of(entries)?, inner(&request.body, "filter")?)?;
        let names_only = request.body.get_bool("nameOnly").unwrap_or(false);
        let fields = if names_only {
            rawdoc! { "name": 1, "type": 1 }
        } else {
            rawdoc! {}
        };
        let namespace = format!("{}.$cmd.listCollections", request.database);
        Ok(self.first_page(namespace, project(entries, &fields)?, usize::MAX, false))
    }

    pub(super) fn list_indexes(&self, request: &Request) -> Result<Reply, Failure> {
        let name = collection(request)?;
        let namespace = format!("{}.{name}", request.database);
        let indexes = {
            let catalog = self.catalog();
            let found = catalog.get(&request.database, name);
            found.ok_or_else(|| Failure::no_collection(&namespace))?.indexes.clone()
        };
        Ok(self.first_page(namespace, Selection::of(indexes)?, usize::MAX, false))
    }

    pub(super) fn statistics(&self, request: &Request) -> Result<Reply, Failure> {
        let (database, name) = (&request.database, collection(request)?);
        let mut sizes = if let Some(collection) = self.catalog().get(database, name) {
            collection.statistics(&format!("{database}.{name}"))
        } else {
            rawdoc! { "ns": format!("{database}.{name}"), "size": 0, "count": 0 }
        };
        sizes.append(cstr!("ok"), 1.0);
        Ok(sizes.into())
    }

    /// What `$collStats` gives: the parts that are asked for.
    fn sizes(
        &self,
        database: &str,
        name: &str,
        wanted: &RawDocument,
    ) -> Result<RawDocumentBuf, Failure> {
        let namespace = format!("{database}.{name}");
        let catalog = self.catalog();
        let found =
            catalog.get(database, name).ok_or_else(|| Failure::no_collection(&namespace))?;
        let mut sizes = rawdoc! { "ns": namespace.as_str() };
        if wanted.get("count")?.is_some() {
            sizes.append(cstr!("count"), whole(found.documents.len()));
        }
        if wanted.get("storageStats")?.is_some() {
            sizes.append(cstr!("storageStats"), found.statistics(&namespace));
        }
        Ok(sizes)
    }

    /// The documents of a collection, or those that a view shows. What is not there is empty.
    fn source(&self, database: &str, name: &str, depth: usize) -> Result<Selection, Failure> {
        let view = {
            let catalog = self.catalog();
            let Some(found) = catalog.get(database, name) else { return Ok(Selection::of([])?) };
            match view(found) {
                None => return Ok(Selection::all(found.documents.clone())),
                Some((on, _)) if depth == DEEPEST => {
                    let message = format!("{name} is a view upon too many others, as is {on}");
                    return Err(Failure::new(165, "ViewDepthLimitExceeded", message));
                }
                Some((on, stages)) => (on.to_owned(), stages.to_owned()),
            }
        };
        pipeline::run(self.source(database, &view.0, depth + 1)?, &view.1)
    }

    /// Answers with the beginning, and keeps a cursor for what is left.
    fn first_page(
        &self,
        namespace: String,
        selection: Selection,
        batch: usize,
        single: bool,
    ) -> Reply {
        let (page, at) = selection.page(0, batch);
        let id = if single || at == selection.len() { 0 } else { self.next_cursor() };
        let reply = cursor("firstBatch", page, id, &namespace);
        if id != 0 {
            self.cursors.insert(id, Reading { selection, at, namespace });
        }
        reply
    }
}

/// The operand of a `$collStats`.
fn statistics(stage: RawBsonRef<'_>) -> Option<&RawDocument> {
    stage.as_document()?.get_document("$collStats").ok()
}

fn view(collection: &Collection) -> Option<(&str, &bson::RawArray)> {
    let on = collection.options.get_str("viewOn").ok()?;
    Some((on, collection.options.get_array("pipeline").ok()?))
}

/// What `skip` and `limit` leave.
fn part(selection: Selection, body: &RawDocument) -> Result<Selection, Failure> {
    let skip = count(body, "skip")?.unwrap_or(0);
    let limit = count(body, "limit")?.filter(|limit| *limit > 0);
    Ok(match (skip, limit) {
        (0, None) => selection,
        (skip, limit) => selection.part(skip..limit.map_or(usize::MAX, |limit| skip + limit)),
    })
}

/// `{cursor: {firstBatch: […], id, ns}, ok: 1}`, in pieces: the batch is not copied.
fn cursor(name: &str, batch: Bytes, id: i64, namespace: &str) -> Reply {
    // What follows the batch: the rest of the inner document, and that of the outer one.
    let inner_rest = rawdoc! { "id": id, "ns": namespace }.into_bytes().split_off(4);
    let outer_rest = rawdoc! { "ok": 1.0 }.into_bytes().split_off(4);
    let mut inner = vec![ElementType::Array as u8];
    inner.extend_from_slice(name.as_bytes());
    inner.push(0);
    let inner_size = 4 + inner.len() + batch.len() + inner_rest.len();
    let mut outer = vec![ElementType::EmbeddedDocument as u8];
    outer.extend_from_slice(b"cursor\0");
    let outer_size = 4 + outer.len() + inner_size + outer_rest.len();
    let head = [&sized(outer_size), outer.as_slice(), &sized(inner_size), &inner].concat();
    let tail = [inner_rest, outer_rest].concat();
    Reply::of(vec![head.into(), batch, tail.into()])
}

fn sized(size: usize) -> [u8; 4] {
    u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes()
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn invalid(error: bson::error::Error) -> Failure {
    Failure::bad_value(error.to_string())
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};

    use super::cursor;
    use crate::stub::documents::Selection;

    #[test]
    fn a_page_is_put_together_as_a_document() {
        let selection = Selection::of([rawdoc! { "_id": 1 }, rawdoc! { "_id": 2 }]).unwrap();
        let (page, _) = selection.page(0, 9);
        let reply = cursor("nextBatch", page, 7, "a.b");
        let bytes: Vec<u8> = reply.parts().concat();
        assert_eq!(bytes.len(), reply.len());
        let expected = rawdoc! {
            "cursor": { "nextBatch": [{ "_id": 1 }, { "_id": 2 }], "id": 7_i64, "ns": "a.b" },
            "ok": 1.0,
        };
        assert_eq!(RawDocumentBuf::from_bytes(bytes).unwrap(), expected);
    }
}
