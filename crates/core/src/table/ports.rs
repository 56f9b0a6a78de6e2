//! What backups and restores of tables need from the world.

use std::future::Future;

use bytes::Bytes;
use serde_json::Value;

use crate::error::Result;

/// One page of a parallel scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// From 0.
    pub segment: u32,
    /// 1 to 1,000,000.
    pub total_segments: u32,
    /// Where to go on: the JSON text of the last page's `LastEvaluatedKey`.
    pub from: Option<String>,
    /// Read what was written last, at twice the price.
    pub consistent: bool,
    /// The most items of the page; else as many as make 1 MiB.
    pub limit: Option<u32>,
}

/// What became of a request that may be throttled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// It was answered.
    Done(T),
    /// The table has no capacity left for it now: to be asked again, later.
    Throttled,
}

/// Reads one table. An error of class [`ErrorClass::Configuration`] means that the table is
/// not there any more.
///
/// [`ErrorClass::Configuration`]: crate::ErrorClass::Configuration
pub trait TableReader: Send + Sync {
    /// The body of `Scan`'s answer, whole and as it came: its CRC-32 has been checked.
    fn page(&self, request: &PageRequest) -> impl Future<Output = Result<Answer<Bytes>>> + Send;

    /// The table's `TableId`: one that was made again under the same name has another. `None` where
    /// the table is not there, or the service does not tell. Throttling is waited out within.
    fn id(&self) -> impl Future<Output = Result<Option<String>>> + Send;
}

/// Writes one table.
pub trait TableWriter: Send + Sync {
    /// `BatchWriteItem` for these items, 1 to 25, each the JSON text of an item. Gives the body
    /// of its answer, whole and as it came.
    fn write(&self, items: &[Bytes]) -> impl Future<Output = Result<Answer<Bytes>>> + Send;

    /// `BatchWriteItem` that deletes the items with these keys, 1 to 25, each the JSON text of a
    /// key. A key that no item has is no error. Gives the body of its answer, whole and as it
    /// came.
    fn delete(&self, keys: &[Bytes]) -> impl Future<Output = Result<Answer<Bytes>>> + Send;
}

/// What a service says to a call of its control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// The JSON of its answer.
    Answered(Value),
    /// It understood, and refuses.
    Refused {
        /// Such as `ResourceNotFoundException`.
        code: String,
        /// In words.
        message: String,
    },
}

/// Calls operations on tables by their names, with input and output in the service's own JSON: what a
/// newer version of the service adds is not lost on its way from a table's description to another
/// table.
pub trait TableService: Send + Sync {
    /// Calls an operation of DynamoDB (`DescribeTable`, `CreateTable`, …). Throttling and faults of
    /// the service are waited out within; they, and missing rights, are errors.
    fn dynamodb(
        &self,
        operation: &str,
        input: Value,
    ) -> impl Future<Output = Result<Called>> + Send;

    /// Calls an operation of Application Auto Scaling (`DescribeScalableTargets`, …).
    fn auto_scaling(
        &self,
        operation: &str,
        input: Value,
    ) -> impl Future<Output = Result<Called>> + Send;
}
