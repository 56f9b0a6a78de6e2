//! The content of one table.

use autodump_core::table::planner::table_id;
use autodump_core::table::ports::{Answer, PageRequest, TableReader, TableWriter};
use autodump_core::{Error, ErrorClass, Result};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

use super::exchange::Reply;
use super::{Failure, ask, call, for_content};
use crate::failure::failure;

/// The most items that `BatchWriteItem` takes.
const BATCH: usize = 25;

const READING_REFUSED: &str =
    "Let the job's role do dynamodb:Scan on the table, and use the table's KMS key";
const DESCRIBING_REFUSED: &str = "Let the job's role do dynamodb:DescribeTable on the table";
const WRITING_REFUSED: &str =
    "Let the job's role do dynamodb:BatchWriteItem on the table, and use the table's KMS key";
const REJECTED: &str = "Look at the table's state and at its KMS key";
const UNFIT: &str = "The table's key has to be that of the table that was backed up. A key attribute of an index \
     may be of another type in an item, empty or too long, where the index was added after the \
     item: make the table without that index, restore into it (--into-existing), and add the \
     index then";

/// What stands before an item that is written, and before a key whose item is deleted.
const PUT: &[u8] = b"{\"PutRequest\":{\"Item\":";
const DELETE: &[u8] = b"{\"DeleteRequest\":{\"Key\":";

/// One table.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// The table of this name in the region and account of `config`.
    #[must_use]
    pub fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        Self { client: for_content(config), name: name.into() }
    }

    async fn batch(&self, start: &[u8], texts: &[Bytes]) -> Result<Answer<Bytes>> {
        if texts.is_empty() || texts.len() > BATCH {
            let (count, name) = (texts.len(), &self.name);
            return Err(Error::new(
                ErrorClass::Internal,
                format!("{count} items of table {name} were to be written or deleted at once"),
                "Report this: it is a fault of AutoDump",
            ));
        }
        self.ask("BatchWriteItem", batch(&self.name, start, texts), WRITING_REFUSED).await
    }

    async fn ask(&self, operation: &str, body: Bytes, refused: &str) -> Result<Answer<Bytes>> {
        let Self { client, name } = self;
        match ask(client, operation, body).await {
            Ok(Some(Reply::Body(body))) => Ok(Answer::Done(body)),
            Ok(Some(Reply::GivenUp)) => Ok(Answer::Throttled),
            Ok(None) => Err(lost(operation, name)),
            Err(error) => Err(explained(operation, name, error, refused)),
        }
    }
}

impl TableReader for Table {
    async fn page(&self, request: &PageRequest) -> Result<Answer<Bytes>> {
        self.ask("Scan", scan(&self.name, request), READING_REFUSED).await
    }

    async fn id(&self) -> Result<Option<String>> {
        const OPERATION: &str = "DescribeTable";
        let Self { client, name } = self;
        let body = format!("{{\"TableName\":{}}}", quoted(name));
        let body = match call(client, OPERATION, body.into()).await {
            Ok(Some(Reply::Body(body))) => body,
            Ok(_) => return Err(lost(OPERATION, name)),
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(explained(OPERATION, name, error, DESCRIBING_REFUSED)),
        };
        let described = serde_json::from_slice(&body).map_err(|error| {
            let what = format!("{OPERATION} on table {name}: the answer is no JSON: {error}");
            Error::new(ErrorClass::Source, what, "Look at what stands between here and AWS")
        })?;
        Ok(table_id(&described))
    }
}

impl TableWriter for Table {
    async fn write(&self, items: &[Bytes]) -> Result<Answer<Bytes>> {
        self.batch(PUT, items).await
    }

    async fn delete(&self, keys: &[Bytes]) -> Result<Answer<Bytes>> {
        self.batch(DELETE, keys).await
    }
}

fn scan(table: &str, request: &PageRequest) -> Bytes {
    let PageRequest { segment, total_segments, from, consistent, limit } = request;
    let table = quoted(table);
    let limit = limit.map(|limit| format!(",\"Limit\":{limit}")).unwrap_or_default();
    let from = from.as_ref().map(|key| format!(",\"ExclusiveStartKey\":{key}"));
    let from = from.unwrap_or_default();
    let body = format!(
        "{{\"TableName\":{table},\"Segment\":{segment},\"TotalSegments\":{total_segments},\
         \"ConsistentRead\":{consistent},\"ReturnConsumedCapacity\":\"TOTAL\"{limit}{from}}}"
    );
    body.into()
}

fn batch(table: &str, start: &[u8], texts: &[Bytes]) -> Bytes {
    let length: usize = texts.iter().map(|text| text.len() + start.len() + 3).sum();
    let mut body = BytesMut::with_capacity(length + table.len() + 100);
    let table = quoted(table);
    let head = format!("{{\"ReturnConsumedCapacity\":\"TOTAL\",\"RequestItems\":{{{table}:[");
    body.put_slice(head.as_bytes());
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            body.put_u8(b',');
        }
        body.put_slice(start);
        body.put_slice(text);
        body.put_slice(b"}}");
    }
    body.put_slice(b"]}}");
    body.freeze()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Of class configuration is only what a person has to change before the table can be read or
/// written at all: that it is not there, or does not take such items.
fn explained(operation: &str, table: &str, error: Failure, refused: &str) -> Error {
    let gone = is_gone(&error);
    let unfit = code(&error) == "ValidationException" && operation == "BatchWriteItem";
    let error = failure(&format!("{operation} on table {table}"), error, refused, REJECTED);
    let (class, hint) = match error.class() {
        _ if gone => (ErrorClass::Configuration, "The table is not there any more"),
        _ if unfit => (ErrorClass::Configuration, UNFIT),
        ErrorClass::Configuration => (ErrorClass::Engine, REJECTED),
        _ => return error,
    };
    Error::new(class, error.what(), hint)
}

fn is_gone(error: &Failure) -> bool {
    code(error) == "ResourceNotFoundException"
}

fn code(error: &Failure) -> &str {
    error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default()
}

fn lost(operation: &str, table: &str) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("{operation} on table {table}: the answer was lost on its way through the SDK"),
        "Report this: it is a fault of AutoDump",
    )
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
