//! Commands that write.

use super::failure::write_result;
use super::read::given;
use super::sql::Sql;
use super::{collection, specification};
use crate::wire::message::Request;
use crate::wire::reply::{Failure, Reply};

/// Answers `insert`, `update` and `delete`, whose documents may come beside the command.
pub(super) async fn documents(
    sql: &mut Sql,
    request: &Request,
    function: &str,
    sequence: &str,
) -> Result<Reply, Failure> {
    let query = format!(
        "select p_result::bytea from documentdb_api.{function}(\
         $1, $2::bytea::documentdb_core.bson, $3::bytea::documentdb_core.bsonsequence)"
    );
    let specification = specification(request, &["bypassDocumentValidation"])?;
    let beside = request.sequence(sequence);
    let result =
        sql.document(&query, &[&request.database, &specification.as_bytes(), &beside]).await?;
    match result {
        Some(result) => Ok(write_result(&result)?.into()),
        None => Ok(Reply::ok()),
    }
}

pub(super) async fn find_and_modify(sql: &mut Sql, request: &Request) -> Result<Reply, Failure> {
    let query = "select p_result::bytea \
                 from documentdb_api.find_and_modify($1, $2::bytea::documentdb_core.bson)";
    let specification = specification(request, &[])?;
    given(sql.document(query, &[&request.database, &specification.as_bytes()]).await?)
}

/// Makes a collection or a view. `idIndex` is what every collection has anyway.
pub(super) async fn create(sql: &mut Sql, request: &Request) -> Result<Reply, Failure> {
    let query = "select documentdb_api.create_collection_view(\
                 $1, $2::bytea::documentdb_core.bson)::bytea";
    let specification = specification(request, &["idIndex"])?;
    given(sql.document(query, &[&request.database, &specification.as_bytes()]).await?)
}

pub(super) async fn create_indexes(sql: &mut Sql, request: &Request) -> Result<Reply, Failure> {
    let query = "select documentdb_api_internal.create_indexes_non_concurrently(\
                 $1, $2::bytea::documentdb_core.bson, true)::bytea";
    let specification = specification(request, &["ignoreUnknownIndexOptions", "commitQuorum"])?;
    given(sql.document(query, &[&request.database, &specification.as_bytes()]).await?)
}

pub(super) async fn drop_indexes(sql: &mut Sql, request: &Request) -> Result<Reply, Failure> {
    let query = "select documentdb_api_internal.drop_indexes_non_concurrently(\
                 $1, $2::bytea::documentdb_core.bson)::bytea";
    let specification = specification(request, &[])?;
    given(sql.document(query, &[&request.database, &specification.as_bytes()]).await?)
}

pub(super) async fn change_collection(sql: &mut Sql, request: &Request) -> Result<Reply, Failure> {
    let query = "select documentdb_api.coll_mod($1, $2, $3::bytea::documentdb_core.bson)::bytea";
    let specification = specification(request, &[])?;
    let values = (&request.database, collection(request)?, specification.as_bytes());
    given(sql.document(query, &[values.0, &values.1, &values.2]).await?)
}

pub(super) async fn rename(sql: &mut Sql, request: &Request) -> Result<Reply, Failure> {
    let query = "select documentdb_api.rename_collection($1::bytea::documentdb_core.bson)::bytea";
    let specification = specification(request, &[])?;
    given(sql.document(query, &[&specification.as_bytes()]).await?)
}

pub(super) async fn drop_collection(sql: &mut Sql, request: &Request) -> Result<Reply, Failure> {
    let collection = collection(request)?;
    let query = "select documentdb_api.drop_collection($1, $2)";
    let dropped: bool = sql.row(query, &[&request.database, &collection]).await?.get(0);
    if !dropped {
        return Err(Failure::no_collection(&format!("{}.{collection}", request.database)));
    }
    Ok(Reply::ok())
}

pub(super) async fn drop_database(sql: &mut Sql, request: &Request) -> Result<Reply, Failure> {
    sql.row("select documentdb_api.drop_database($1)", &[&request.database]).await?;
    Ok(Reply::ok())
}
