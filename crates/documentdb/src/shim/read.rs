//! Commands that read.

use bson::RawDocumentBuf;

use super::sql::Sql;
use super::{collection, specification};
use crate::wire::cursors::Cursors;
use crate::wire::message::Request;
use crate::wire::reply::{Failure, Reply};

/// Starts a cursor by one of the functions that give a first page.
pub(super) async fn first_page(
    sql: &mut Sql,
    cursors: &Cursors<Vec<u8>>,
    request: &Request,
    function: &str,
) -> Result<Reply, Failure> {
    let query = format!(
        "select cursorpage::bytea, continuation::bytea, cursorid \
         from documentdb_api.{function}($1, $2::bytea::documentdb_core.bson)"
    );
    let specification = specification(request, &[])?;
    let row = sql.row(&query, &[&request.database, &specification.as_bytes()]).await?;
    let (page, more, id): (Vec<u8>, Option<Vec<u8>>, i64) = (row.get(0), row.get(1), row.get(2));
    if let Some(more) = more.filter(|_| id != 0) {
        cursors.insert(id, more);
    }
    Ok(page.into())
}

/// Gives a cursor's next page.
pub(super) async fn get_more(
    sql: &mut Sql,
    cursors: &Cursors<Vec<u8>>,
    request: &Request,
) -> Result<Reply, Failure> {
    let id = request
        .body
        .get_i64(&request.name)
        .map_err(|error| Failure::bad_value(error.to_string()))?;
    let state = cursors.take(id)?;
    let query = "select cursorpage::bytea, continuation::bytea \
                 from documentdb_api.cursor_get_more(\
                 $1, $2::bytea::documentdb_core.bson, $3::bytea::documentdb_core.bson)";
    let specification = specification(request, &[])?;
    let row = sql.row(query, &[&request.database, &specification.as_bytes(), &state]).await?;
    let (page, more): (Vec<u8>, Option<Vec<u8>>) = (row.get(0), row.get(1));
    if let Some(more) = more {
        cursors.insert(id, more);
    }
    Ok(page.into())
}

/// Answers by a function of database and command that gives one document.
pub(super) async fn query(
    sql: &mut Sql,
    request: &Request,
    function: &str,
) -> Result<Reply, Failure> {
    let query = format!(
        "select document::bytea from documentdb_api.{function}($1, $2::bytea::documentdb_core.bson)"
    );
    let specification = specification(request, &[])?;
    given(sql.document(&query, &[&request.database, &specification.as_bytes()]).await?)
}

pub(super) async fn databases(sql: &mut Sql, request: &Request) -> Result<Reply, Failure> {
    let query = "select documentdb_api.list_databases($1::bytea::documentdb_core.bson)::bytea";
    let specification = specification(request, &[])?;
    given(sql.document(query, &[&specification.as_bytes()]).await?)
}

pub(super) async fn collection_statistics(
    sql: &mut Sql,
    request: &Request,
) -> Result<Reply, Failure> {
    let query = "select documentdb_api.coll_stats($1, $2)::bytea";
    given(sql.document(query, &[&request.database, &collection(request)?]).await?)
}

pub(super) async fn database_statistics(
    sql: &mut Sql,
    request: &Request,
) -> Result<Reply, Failure> {
    let query = "select documentdb_api.db_stats($1)::bytea";
    given(sql.document(query, &[&request.database]).await?)
}

/// The document that a function gave, or else an empty success.
pub(super) fn given(document: Option<Vec<u8>>) -> Result<Reply, Failure> {
    Ok(match document {
        Some(document) => RawDocumentBuf::from_bytes(document)?.into(),
        None => Reply::ok(),
    })
}
