//! What PostgreSQL's clients mean by what they write when they fail, and what its server's
//! failures mean to whoever talks to it.

use std::os::unix::process::ExitStatusExt;

use autodump_core::{Error, ErrorClass};

use crate::child::Exit;

/// What a failure means: its class, and what to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meaning {
    pub(super) class: ErrorClass,
    pub(super) hint: &'static str,
}

const fn meaning(class: ErrorClass, hint: &'static str) -> Meaning {
    Meaning { class, hint }
}

pub(super) const TERMINATED: Meaning = meaning(ErrorClass::Interrupted, "Somebody sent it SIGTERM");
pub(super) const PG_HBA: Meaning = meaning(
    ErrorClass::Credentials,
    "Let the server accept this user from the dumper's network, and with TLS as \
               sslmode in the secret says",
);
pub(super) const PASSWORD: Meaning =
    meaning(ErrorClass::Credentials, "Check username and password in the secret");
pub(super) const ROLE: Meaning =
    meaning(ErrorClass::Credentials, "Check username in the secret: the server does not know it");
pub(super) const CONNECT: Meaning =
    meaning(ErrorClass::Credentials, "GRANT CONNECT ON DATABASE … TO the secret's user");
pub(super) const DATABASE: Meaning = meaning(
    ErrorClass::Configuration,
    "Check databasename in the secret: the server does not have it or does not \
               take connections to it",
);
pub(super) const CERTIFICATE: Meaning = meaning(
    ErrorClass::Configuration,
    "The server's certificate is not trusted for this host: use the host name that \
               is in it, store its authority as sslrootcert in the secret, or relax sslmode",
);
pub(super) const NO_TLS: Meaning = meaning(
    ErrorClass::Configuration,
    "The server has no TLS: switch it on there, or set sslmode in the secret to prefer",
);
pub(super) const ROOTS: Meaning = meaning(
    ErrorClass::Configuration,
    "Store the certificates in PEM as sslrootcert in the secret, or check \
               AUTODUMP_CA_BUNDLE in the image",
);
pub(super) const HOST: Meaning = meaning(
    ErrorClass::Configuration,
    "Check endpoint (or host) in the secret: no such name is known here",
);
pub(super) const VERSION: Meaning = meaning(
    ErrorClass::Configuration,
    "Use an image with the clients of the server's version or newer",
);
pub(super) const SNAPSHOT: Meaning = meaning(
    ErrorClass::Source,
    "The connection that held the dump's snapshot was lost: see the server's log for why",
);
pub(super) const PATTERN: Meaning = meaning(
    ErrorClass::Configuration,
    "Correct tables or schemas in the tags or the secret: this pattern fits nothing. Without \
     quotes, names are in lower case",
);
pub(super) const PERMISSION: Meaning = meaning(
    ErrorClass::Engine,
    "The secret's user must be able to read everything: GRANT pg_read_all_data TO it \
               (PostgreSQL 14 and newer), or USAGE on the schemas and SELECT on all tables, \
               sequences and large objects",
);
pub(super) const ROW_SECURITY: Meaning = meaning(
    ErrorClass::Engine,
    "Row-level security would hide rows from the secret's user: ALTER ROLE … BYPASSRLS",
);
pub(super) const RECOVERY: Meaning = meaning(
    ErrorClass::Source,
    "The replica cancelled the dump to keep up: raise max_standby_streaming_delay, \
               set hot_standby_feedback, or dump the primary",
);
pub(super) const LOCK: Meaning = meaning(
    ErrorClass::Source,
    "Another session holds an exclusive lock on this table: end it, or choose a \
               quieter start",
);
pub(super) const CONNECTIONS: Meaning = meaning(
    ErrorClass::Source,
    "The server has no free connection: raise the limit, or choose a quieter start",
);
pub(super) const GONE: Meaning =
    meaning(ErrorClass::Source, "The server went away or is not ready: see its log");
pub(super) const UNREACHABLE: Meaning = meaning(
    ErrorClass::Source,
    "Check that the server runs, endpoint and port in the secret, and that its \
               security group lets the dumper in",
);

/// What a message says, and what it means. The first that fits counts: a refusal names its
/// reason, while a broken connection may be the consequence of anything.
struct Rule {
    says: &'static [&'static str],
    meaning: Meaning,
}

const RULES: &[Rule] = &[
    Rule { says: &["terminated by user"], meaning: TERMINATED },
    Rule { says: &["no pg_hba.conf entry", "pg_hba.conf rejects connection"], meaning: PG_HBA },
    Rule {
        says: &["authentication failed", "no password supplied", "is not permitted to log in"],
        meaning: PASSWORD,
    },
    Rule { says: &["FATAL:  role \""], meaning: ROLE },
    Rule { says: &["permission denied for database"], meaning: CONNECT },
    Rule { says: &["FATAL:  database \""], meaning: DATABASE },
    Rule {
        says: &["certificate verify failed", "does not match host name", "SSL error: certificate"],
        meaning: CERTIFICATE,
    },
    Rule { says: &["does not support SSL"], meaning: NO_TLS },
    Rule { says: &["root certificate file", "could not read root certificate"], meaning: ROOTS },
    Rule {
        says: &["Name or service not known", "No address associated with hostname"],
        meaning: HOST,
    },
    Rule { says: &["invalid snapshot identifier", "ERROR:  snapshot \""], meaning: SNAPSHOT },
    Rule { says: &["server version mismatch"], meaning: VERSION },
    Rule {
        says: &["no matching tables were found", "no matching schemas were found"],
        meaning: PATTERN,
    },
    Rule { says: &["permission denied for", "must be owner of"], meaning: PERMISSION },
    Rule { says: &["row-level security"], meaning: ROW_SECURITY },
    Rule { says: &["conflict with recovery"], meaning: RECOVERY },
    Rule { says: &["lock timeout", "could not obtain lock"], meaning: LOCK },
    Rule {
        says: &["too many clients", "remaining connection slots", "too many connections"],
        meaning: CONNECTIONS,
    },
    Rule {
        says: &[
            "the database system is",
            "terminating connection",
            "server closed the connection",
            "closed unexpectedly",
            "Connection reset",
            "Connection timed out",
            "could not receive data",
            "could not send data",
            "SSL SYSCALL error",
            "SSL error: unexpected eof while reading",
            "bad record mac",
            "SSL connection has been closed unexpectedly",
            "no connection to the server",
            "lost connection",
        ],
        meaning: GONE,
    },
    Rule {
        says: &[
            "Connection refused",
            "timeout expired",
            "No route to host",
            "Network is unreachable",
            "Temporary failure in name resolution",
            "No such file or directory\n\tIs the server running",
        ],
        meaning: UNREACHABLE,
    },
];

/// `psql` could not connect, or lost the connection.
const PSQL_NO_CONNECTION: i32 = 2;
/// The kernel's way to end a process that takes too much memory.
const SIGKILL: i32 = 9;

/// The error that a failed client stands for.
pub(super) fn explain(exit: &Exit) -> Error {
    let Meaning { class, hint } = meaning_of(&exit.stderr).unwrap_or_else(|| by_status(exit));
    Error::new(class, exit.to_string(), hint)
}

/// What a text of a client, or of the server as clients print it, means.
pub(super) fn meaning_of(text: &str) -> Option<Meaning> {
    let fits = |rule: &&Rule| rule.says.iter().any(|says| text.contains(says));
    RULES.iter().find(fits).map(|rule| rule.meaning)
}

fn by_status(exit: &Exit) -> Meaning {
    if exit.program == "psql" && exit.status.code() == Some(PSQL_NO_CONNECTION) {
        return meaning(ErrorClass::Source, "Check that the server can be reached and is well");
    }
    if exit.status.signal() == Some(SIGKILL) {
        return meaning(
            ErrorClass::Engine,
            "Somebody killed it, or memory ran out: choose a larger size by tag",
        );
    }
    meaning(ErrorClass::Engine, "Run the same program by hand against this database and see")
}

#[cfg(test)]
#[path = "stderr_tests.rs"]
mod tests;
