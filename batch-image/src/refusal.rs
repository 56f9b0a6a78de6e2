//! When the job's role may not read a secret.

use autodump_core::{Error, ErrorClass};

/// An error of credentials with this hint; any other as it is. The error is not kept as the cause:
/// its own hint would be shown too, and is about something else.
pub(crate) fn explained(error: Error, hint: &'static str) -> Error {
    if error.class() != ErrorClass::Credentials {
        return error;
    }
    Error::new(error.class(), error.what(), hint)
}
