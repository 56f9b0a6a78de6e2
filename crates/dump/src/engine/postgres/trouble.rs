//! How an attempt to dump can end otherwise than well.

use autodump_core::Error;

use super::wire::Failure;

/// `lock_not_available`: somebody holds a lock, or waits for one before us.
const LOCKED: &str = "55P03";

/// `character_not_in_repertoire`, `untranslatable_character`, and what the server says to an
/// encoding that it cannot convert (`feature_not_supported`, `undefined_function`).
const ENCODINGS: [&str; 3] = ["22021", "22P05", "0A000"];

/// Why an attempt did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A lock is in the way. Nothing was waited for while holding anything; the attempt may
    /// be made again.
    Locked(Error),
    /// The server, or this client of it, cannot do what is needed; `pg_dump` alone may.
    Impossible(String),
    /// As before, and `pg_dump` alone cannot read over several connections either.
    NoSnapshot(String),
    /// It failed.
    Failed(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            // libpq may get along with what this client does not understand.
            Failure::Protocol(what) => Self::Impossible(what),
            failure if failure.code() == Some(LOCKED) => Self::Locked(failure.into()),
            // In some encodings there is more than UTF-8 has.
            failure if failure.code().is_some_and(|code| ENCODINGS.contains(&code)) => {
                Self::Impossible(failure.to_string())
            }
            failure => Self::Failed(failure.into()),
        }
    }
}
