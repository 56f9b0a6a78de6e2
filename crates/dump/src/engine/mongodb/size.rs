//! How large collections are.

use autodump_core::Result;
use bson::Document;

use super::archive::Namespace;
use super::connection::{Connection, command};
use super::trouble::is_refusal;

/// What a server tells of a collection, which is only a guide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) documents: u64,
    /// Of all documents, in BSON.
    pub(super) bytes: u64,
}

/// The size of a collection; `None` where the server does not tell it, which is no obstacle.
pub(super) async fn size(connection: &Connection, of: &Namespace) -> Result<Option<Size>> {
    let command = command(|writer| writer.text("collStats", &of.collection))?;
    let error = match connection.run(&of.database, command).await {
        Ok(reply) => return Ok(told(&reply)),
        Err(error) => error,
    };
    let why = connection.explain(&error, &format!("the size of {of} cannot be asked"));
    if !is_refusal(&error) {
        return Err(why);
    }
    tracing::info!(what = why.what(), "its size is not known");
    Ok(None)
}

fn told(reply: &Document) -> Option<Size> {
    let (documents, bytes) = (number(reply, "count"), number(reply, "size"));
    reply.contains_key("size").then_some(Size { documents, bytes })
}

/// A number of whatever type; 0 where it is none.
fn number(document: &Document, name: &str) -> u64 {
    let value = document.get(name);
    let whole = value.and_then(|value| value.as_i64().or(value.as_i32().map(i64::from)));
    #[allow(clippy::cast_possible_truncation, reason = "it is a guide, and saturates")]
    let number = whole.or_else(|| Some(value?.as_f64()? as i64));
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

#[cfg(test)]
#[path = "size_tests.rs"]
mod tests;
