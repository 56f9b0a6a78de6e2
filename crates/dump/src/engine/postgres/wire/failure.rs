//! What can go wrong between us and a server, and what it means.

use std::fmt;
use std::io;

use autodump_core::{Error, ErrorClass};

use super::super::stderr::{self, Meaning};

/// How much of a field of the server's is repeated, in characters.
const LONGEST: usize = 2000;

const NONE_OF_POSTGRES: &str = "Only PostgreSQL and what speaks exactly like it can be dumped";

/// Why something did not work. It never holds a secret of ours.
#[derive(Debug)]
pub enum Failure {
    /// The server refused or failed, in its own words.
    Database(Box<DatabaseError>),
    /// The connection that was there is gone: what was being done, and the cause.
    Lost(String, io::Error),
    /// No connection came about: with whom, and the cause.
    Unreachable(String, io::Error),
    /// We refuse: the settings do not fit the server.
    Refused {
        /// Whose fault it is.
        class: ErrorClass,
        /// What does not fit, with the value.
        what: String,
        /// What to do.
        hint: &'static str,
    },
    /// The server does not speak as PostgreSQL does, or a session is used that was left in
    /// the middle of a command.
    Protocol(String),
}

/// An error as the server reports it (PostgreSQL's documentation, "Error and Notice Message
/// Fields"). Texts are in the server's language; bytes that are not UTF-8 are replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseError {
    /// `ERROR`, `FATAL` or `PANIC`; never translated.
    pub severity: String,
    /// The SQLSTATE.
    pub code: String,
    /// What happened.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What the server suggests.
    pub hint: Option<String>,
    /// Where it happened, such as the line of a COPY.
    pub context: Option<String>,
}

impl DatabaseError {
    /// Reads the body of an `ErrorResponse` or `NoticeResponse`. What is missing stays empty.
    pub(super) fn parse(body: &[u8]) -> Self {
        let mut error = Self::default();
        for field in body.split(|byte| *byte == 0) {
            let Some((kind, text)) = field.split_first() else { continue };
            let text = || String::from_utf8_lossy(text).chars().take(LONGEST).collect::<String>();
            match kind {
                b'S' if error.severity.is_empty() => error.severity = text(),
                b'V' => error.severity = text(),
                b'C' => error.code = text(),
                b'M' => error.message = text(),
                b'D' => error.detail = Some(text()),
                b'H' => error.hint = Some(text()),
                b'W' => error.context = Some(text()),
                _ => {}
            }
        }
        error
    }

    /// Whether the server ended the session with it.
    pub(super) fn ends_the_session(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
            || matches!(self.code.as_str(), "57P01" | "57P02" | "57P03")
    }

    fn meaning(&self) -> Meaning {
        let says = |text: &str| self.message.contains(text);
        match self.code.as_str() {
            "28000" if says("pg_hba.conf") => stderr::PG_HBA,
            "28000" if says("does not exist") => stderr::ROLE,
            code if code.starts_with("28") => stderr::PASSWORD,
            "3D000" => stderr::DATABASE,
            "55000" if self.ends_the_session() => stderr::DATABASE,
            "42501" if self.ends_the_session() || says("for database") => stderr::CONNECT,
            "42501" if says("row-level security") => stderr::ROW_SECURITY,
            "42501" => stderr::PERMISSION,
            "53300" => stderr::CONNECTIONS,
            "25P03" | "25P04" | "57P05" => IDLE,
            _ if says("conflict with recovery") => stderr::RECOVERY,
            "57014" => CANCELLED,
            "55P03" => stderr::LOCK,
            "40001" | "40P01" => GAVE_WAY,
            code if code.starts_with("53") => NO_ROOM,
            code if code.starts_with("57P") || code.starts_with("08") => stderr::GONE,
            "42P01" | "42703" | "3F000" | "42704" | "42883" => NOT_THERE,
            code if code.starts_with("XX") => DAMAGED,
            _ => stderr::meaning_of(&format!("{}:  {}", self.severity, self.message))
                .unwrap_or(BY_HAND),
        }
    }
}

const IDLE: Meaning = Meaning {
    class: ErrorClass::Source,
    hint: "The server ends transactions and sessions after a time: raise \
           idle_in_transaction_session_timeout, idle_session_timeout or transaction_timeout \
           for the secret's user",
};
const CANCELLED: Meaning = Meaning {
    class: ErrorClass::Source,
    hint: "Somebody cancelled the statement, or statement_timeout did: see the server's log",
};
const GAVE_WAY: Meaning = Meaning {
    class: ErrorClass::Source,
    hint: "The server ended it in favour of another transaction: choose a quieter start",
};
const NO_ROOM: Meaning =
    Meaning { class: ErrorClass::Source, hint: "The server lacks disk or memory: see its log" };
const NOT_THERE: Meaning = Meaning {
    class: ErrorClass::Engine,
    hint: "It was dropped, renamed or changed meanwhile, or the server is of an unknown kind",
};
const DAMAGED: Meaning = Meaning {
    class: ErrorClass::Engine,
    hint: "The server met damaged data or a fault of its own: see its log",
};
const BY_HAND: Meaning = Meaning {
    class: ErrorClass::Engine,
    hint: "Run the same by hand with psql against this database and see",
};

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (SQLSTATE {})", self.severity, self.message, self.code)?;
        for (name, text) in
            [("detail", &self.detail), ("hint", &self.hint), ("context", &self.context)]
        {
            if let Some(text) = text {
                write!(f, "; {name}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for DatabaseError {}

impl Failure {
    /// The server's SQLSTATE, if it is the server that failed.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Database(error) => Some(&error.code),
            _ => None,
        }
    }

    /// Whether there is no connection any more (or never was one): the socket failed, the
    /// server closed it, or said that it would (FATAL, 57P01, 57P02, 57P03).
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Database(error) => error.ends_the_session(),
            Self::Lost(..) | Self::Unreachable(..) => true,
            Self::Refused { .. } | Self::Protocol(_) => false,
        }
    }

    pub(super) fn database(body: &[u8]) -> Self {
        Self::Database(Box::new(DatabaseError::parse(body)))
    }

    pub(super) fn configuration(what: impl Into<String>, hint: &'static str) -> Self {
        Self::Refused { class: ErrorClass::Configuration, what: what.into(), hint }
    }

    pub(super) fn meant(meaning: Meaning, what: impl Into<String>) -> Self {
        Self::Refused { class: meaning.class, what: what.into(), hint: meaning.hint }
    }

    fn meaning(&self) -> Meaning {
        match self {
            Self::Database(error) => error.meaning(),
            Self::Lost(..) => stderr::GONE,
            Self::Unreachable(..) => stderr::UNREACHABLE,
            Self::Refused { class, hint, .. } => Meaning { class: *class, hint },
            Self::Protocol(_) => Meaning { class: ErrorClass::Engine, hint: NONE_OF_POSTGRES },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Lost(what, cause) | Self::Unreachable(what, cause) => {
                write!(f, "{what}: {cause}")
            }
            Self::Refused { what, .. } | Self::Protocol(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lost(_, cause) | Self::Unreachable(_, cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let Meaning { class, hint } = failure.meaning();
        Error::new(class, failure.to_string(), hint).caused_by(failure)
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
