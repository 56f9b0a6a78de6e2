//! The one error type of AutoDump.
//!
//! Rules: an error says *what* happened with *which value*, what to *do* about it, and
//! whether trying *again* helps. It never carries a secret. An error raised while cleaning
//! up never replaces the one that made the cleaning necessary.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of thing went wrong. Each class has its own exit code of the dumper
/// (`contract/exit-codes.json`) and its own way to fail in the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// A tag, a secret's value or a setting is wrong. A person has to change it.
    Configuration,
    /// AWS or the database refused who we are.
    Credentials,
    /// The database cannot be reached, or went away.
    Source,
    /// The bucket cannot be written or read.
    Destination,
    /// The engine's own dump program failed on the data it met.
    Engine,
    /// AutoDump itself is at fault.
    Internal,
    /// A backup is not what its manifest says.
    Verification,
    /// Somebody asked the process to stop (SIGTERM).
    Interrupted,
}

impl ErrorClass {
    /// All classes, in the order of their exit codes.
    pub const ALL: [Self; 8] = [
        Self::Configuration,
        Self::Credentials,
        Self::Source,
        Self::Destination,
        Self::Engine,
        Self::Internal,
        Self::Verification,
        Self::Interrupted,
    ];

    /// The exit code of a dumper that ended with this class.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Configuration => 10,
            Self::Credentials => 11,
            Self::Source => 12,
            Self::Destination => 13,
            Self::Engine => 14,
            Self::Internal => 15,
            Self::Verification => 16,
            Self::Interrupted => 143,
        }
    }

    /// Whether Batch starts the job again after this class: only where waiting can help.
    #[must_use]
    pub const fn is_retried(self) -> bool {
        matches!(self, Self::Source | Self::Destination | Self::Interrupted)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "configuration",
            Self::Credentials => "credentials",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Engine => "engine",
            Self::Internal => "internal",
            Self::Verification => "verification",
            Self::Interrupted => "interrupted",
        })
    }
}

/// Shorthand for results with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What happened, what to do, and whether a retry helps.
#[derive(Debug, thiserror::Error)]
#[error("{what}. {hint}. {}", .class.retry_sentence())]
pub struct Error {
    class: ErrorClass,
    what: String,
    hint: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ErrorClass {
    const fn retry_sentence(self) -> &'static str {
        if self.is_retried() { "A retry may help." } else { "A retry does not help." }
    }
}

impl Error {
    /// An error of `class`: `what` happened (with the value), and the `hint` what to do.
    /// Both are written without a closing full stop.
    pub fn new(class: ErrorClass, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { class, what: what.into(), hint: hint.into(), source: None }
    }

    /// Keeps the error that led here, for the log.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The class, which decides the exit code and whether Batch retries.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.class
    }

    /// What happened, without hint.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_what_to_do_and_whether_a_retry_helps() {
        let error = Error::new(
            ErrorClass::Configuration,
            "autodump:size is \"huge\"",
            "Use small, medium, large or xlarge",
        );
        assert_eq!(
            error.to_string(),
            "autodump:size is \"huge\". Use small, medium, large or xlarge. A retry does not help."
        );
        let error = Error::new(ErrorClass::Source, "no answer from db:5432", "Check the network");
        assert!(error.to_string().ends_with("A retry may help."));
    }

    /// `contract/exit-codes.json` is also read by the construct's tests, which build
    /// Batch's retry strategy and the state machine's causes from it.
    #[test]
    fn exit_codes_are_the_contract() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../contract/exit-codes.json")).unwrap();
        let ours: Vec<_> = ErrorClass::ALL
            .iter()
            .map(|class| {
                serde_json::json!({"class": class, "code": class.exit_code(), "retried": class.is_retried()})
            })
            .collect();
        assert_eq!(golden["exitCodes"], serde_json::Value::Array(ours));
    }
}
