//! The log: one JSON object a line on standard output, which Batch sends to CloudWatch.

use std::error::Error as _;

use autodump_core::Error;
use tracing_subscriber::EnvFilter;

/// Logs as JSON from now on. `RUST_LOG` may ask for more or less than `info`.
pub(crate) fn as_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).init();
}

/// Logs why the program ends: the dump, or whatever it does, failed.
pub(crate) fn error(noun: &str, error: &Error) {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(next) = cause {
        causes.push(next.to_string());
        cause = next.source();
    }
    tracing::error!(
        class = %error.class(),
        exit_code = error.class().exit_code(),
        retried = error.class().is_retried(),
        what = error.what(),
        hint = error.hint(),
        cause = causes.join(": "),
        "the {noun} failed"
    );
}
