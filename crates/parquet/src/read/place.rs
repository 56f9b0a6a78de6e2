//! Where something is wrong, and the errors that say so.

use std::fmt;

use autodump_core::{Error, ErrorClass};
use parquet::errors::ParquetError;

/// A column chunk, as errors name it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// `s3://bucket/key`.
    pub(crate) uri: String,
    /// From 0.
    pub(crate) row_group: usize,
    /// The path of the column, with dots.
    pub(crate) column: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, row group {}, column {}", self.uri, self.row_group, self.column)
    }
}

impl Place {
    /// The chunk is not what Parquet is.
    pub(crate) fn damaged(&self, why: impl fmt::Display) -> Error {
        damaged(self, why)
    }

    /// It asks for more memory than there is for it.
    pub(crate) fn too_large(&self, what: impl fmt::Display, limit: u64) -> Error {
        Error::new(
            ErrorClass::Configuration,
            format!("{self}: {what}, and all pages together may take {limit} bytes"),
            "Write the file with smaller row groups or pages, or give the converter more memory for \
             pages (pageMemory)",
        )
    }

    /// An error of the Parquet decoder, or one of ours that passed through it.
    pub(crate) fn of(&self, error: ParquetError) -> Error {
        match error {
            ParquetError::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(other) => self.damaged(other),
            },
            other => self.damaged(other),
        }
    }
}

/// `place` is not what Parquet is.
pub(crate) fn damaged(place: impl fmt::Display, why: impl fmt::Display) -> Error {
    Error::new(
        ErrorClass::Verification,
        format!("{place} cannot be read: {why}"),
        "Export it again, and find out what changed or cut off this file",
    )
}

/// An error of ours, on its way through the Parquet decoder.
pub(crate) fn through(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
