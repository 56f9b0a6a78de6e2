//! What `mongodump` means by what it writes when it fails.
//!
//! What it cannot read of its settings it quotes, and the password is one of these: then nothing
//! of it is shown.

use std::os::unix::process::ExitStatusExt;

use autodump_core::{Error, ErrorClass};

use crate::child::Exit;

/// What a message says, and what it means. The first that fits counts.
struct Rule {
    says: &'static [&'static str],
    class: ErrorClass,
    hint: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        says: &["no such host", "server misbehaving"],
        class: ErrorClass::Source,
        hint: "DNS does not find it: see that the host in the secret is right, and that it can be \
               found from the job's network",
    },
    Rule {
        says: &["received termination signal", "received signal", "user-initiated interrupt"],
        class: ErrorClass::Interrupted,
        hint: "Somebody sent it SIGTERM",
    },
    Rule {
        says: &["auth error", "AuthenticationFailed", "Authentication failed"],
        class: ErrorClass::Credentials,
        hint: "Check username and password in the secret, and authSource: the name of the \
               database in which the user was made",
    },
    Rule {
        says: &["Unauthorized", "not authorized"],
        class: ErrorClass::Credentials,
        hint: "Grant the secret's user the role backup in the database admin, or read in the \
               database that is dumped",
    },
    Rule {
        says: &["x509:", "certificate"],
        class: ErrorClass::Configuration,
        hint: "The server's certificate is not trusted for this host: use the host name that is \
               in it, store its authority as sslrootcert in the secret, or set sslmode to require",
    },
    Rule {
        says: &["can't load CA file"],
        class: ErrorClass::Configuration,
        hint: "Store the certificates in PEM as sslrootcert in the secret, or check \
               AUTODUMP_CA_BUNDLE in the image",
    },
    Rule {
        says: &["with oplog while renames occur"],
        class: ErrorClass::Source,
        hint: "A collection was renamed meanwhile: choose a quieter start",
    },
    Rule {
        says: &["oplog overflow"],
        class: ErrorClass::Source,
        hint: "The server's oplog is too small for what was written meanwhile: enlarge it, or \
               choose a quieter start",
    },
    Rule {
        says: &["error getting oplog", "error finding oplog", "error checking oplog"],
        class: ErrorClass::Configuration,
        hint: "Only a member of a replica set has an oplog, and the secret's user must be able to \
               read the database local; else remove the option oplog",
    },
    Rule {
        says: &["auth schema version", "auth version"],
        class: ErrorClass::Configuration,
        hint: "This server shows no users and roles: remove the option globals",
    },
    Rule {
        says: &[
            "server selection error",
            "CursorNotFound",
            "CursorKilled",
            "connection was unexpectedly closed",
            "socket was unexpectedly closed",
            "connection reset",
            "connection pool",
            "incomplete read",
            "broken pipe",
            "i/o timeout",
            "deadline exceeded",
            "NotPrimary",
            "NotWritablePrimary",
            "PrimarySteppedDown",
            "InterruptedAtShutdown",
            "InterruptedDueToReplStateChange",
            "ShutdownInProgress",
        ],
        class: ErrorClass::Source,
        hint: GONE,
    },
];
const GONE: &str = "The server went away, or cannot be reached: see its log";

/// What it says of settings that it cannot read.
const SETTINGS: [&str; 5] =
    ["error parsing", "invalid URL escape", "invalid username", "invalid password", "SASLprep"];
/// It asks DNS for what a `mongodb+srv` stands for while it reads its settings. What follows is a
/// host's name.
const LOOKUP: &str = "error parsing uri: lookup ";
/// How connection strings begin.
const SCHEMES: [&str; 2] = ["mongodb://", "mongodb+srv://"];
/// The kernel's way to end a process that takes too much memory.
const SIGKILL: i32 = 9;

/// The error that a failed `mongodump` stands for. Connection strings in what it writes become
/// `place`, and `secrets` are not shown.
pub(super) fn explain(exit: &Exit, place: &str, secrets: &[&str]) -> Error {
    let words = without_uris(&last_words(&exit.stderr), place);
    if !words.contains(LOOKUP) && SETTINGS.iter().any(|says| words.contains(says)) {
        let silent = Exit { stderr: String::new(), ..exit.clone() };
        return Error::new(
            ErrorClass::Internal,
            format!("{silent} that may be shown: it does not understand its settings"),
            "Report this, with the version of mongodump and the options in the secret's uri",
        );
    }
    let stderr = hidden(words, secrets);
    let shown = Exit { stderr, ..exit.clone() };
    let rule = RULES.iter().find(|rule| rule.says.iter().any(|says| shown.stderr.contains(says)));
    let (class, hint) = match rule {
        Some(rule) => (rule.class, rule.hint),
        None if was_cut_off(&shown.stderr) => (ErrorClass::Source, GONE),
        None => by_status(exit),
    };
    Error::new(class, shown.to_string(), hint)
}

/// That a connection ended too early; a name may have these letters too.
fn was_cut_off(text: &str) -> bool {
    text.lines().any(|line| line.contains(": EOF") || line.ends_with(" EOF") || line == "EOF")
}

/// Each connection string, up to white space, becomes `place`.
fn without_uris(text: &str, place: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = SCHEMES.iter().filter_map(|scheme| rest.find(scheme)).min() {
        out.push_str(&rest[..at]);
        out.push_str(place);
        let uri = &rest[at..];
        rest = &uri[uri.find(char::is_whitespace).unwrap_or(uri.len())..];
    }
    out + rest
}

/// Why it failed; what it says of its progress is no reason.
fn last_words(stderr: &str) -> String {
    let says = |line: &str, what: &[&str]| {
        let text = line.split_once('\t').map_or(line, |(_, text)| text);
        what.iter().any(|what| text.starts_with(what))
    };
    let failures: Vec<_> = stderr.lines().filter(|line| says(line, &["Failed: "])).collect();
    if !failures.is_empty() {
        return failures.join("\n");
    }
    let progress = ["writing ", "done dumping ", "[", "try '"];
    let is_reason = |line: &&str| !line.trim().is_empty() && !says(line, &progress);
    stderr.lines().rev().find(is_reason).unwrap_or_default().to_owned()
}

fn hidden(text: String, secrets: &[&str]) -> String {
    let worth_it = |secret: &&&str| !secret.is_empty();
    secrets.iter().filter(worth_it).fold(text, |text, secret| text.replace(secret, "***"))
}

fn by_status(exit: &Exit) -> (ErrorClass, &'static str) {
    if exit.status.signal() == Some(SIGKILL) {
        let hint = "Somebody killed it, or memory ran out: choose a larger size by tag";
        return (ErrorClass::Engine, hint);
    }
    (ErrorClass::Engine, "Run mongodump by hand against this database and see")
}

#[cfg(test)]
#[path = "stderr_tests.rs"]
mod tests;
