//! What PostgreSQL's clients mean by what they write when they fail.

use std::os::unix::process::ExitStatusExt;

use autodump_core::{Error, ErrorClass};

use crate::child::Exit;

/// What a message says, the class it stands for, and what to do. The first that fits counts:
/// a refusal names its reason, while a broken connection may be the consequence of anything.
struct Rule {
    says: &'static [&'static str],
    class: ErrorClass,
    hint: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        says: &["terminated by user"],
        class: ErrorClass::Interrupted,
        hint: "Somebody sent it SIGTERM",
    },
    Rule {
        says: &["no pg_hba.conf entry", "pg_hba.conf rejects connection"],
        class: ErrorClass::Credentials,
        hint: "Let the server accept this user from the dumper's network, and with TLS as \
               sslmode in the secret says",
    },
    Rule {
        says: &["authentication failed", "no password supplied", "is not permitted to log in"],
        class: ErrorClass::Credentials,
        hint: "Check username and password in the secret",
    },
    Rule {
        says: &["FATAL:  role \""],
        class: ErrorClass::Credentials,
        hint: "Check username in the secret: the server does not know it",
    },
    Rule {
        says: &["permission denied for database"],
        class: ErrorClass::Credentials,
        hint: "GRANT CONNECT ON DATABASE … TO the secret's user",
    },
    Rule {
        says: &["FATAL:  database \""],
        class: ErrorClass::Configuration,
        hint: "Check databasename in the secret: the server does not have it or does not \
               take connections to it",
    },
    Rule {
        says: &["certificate verify failed", "does not match host name", "SSL error: certificate"],
        class: ErrorClass::Configuration,
        hint: "The server's certificate is not trusted for this host: use the host name that \
               is in it, store its authority as sslrootcert in the secret, or relax sslmode",
    },
    Rule {
        says: &["does not support SSL"],
        class: ErrorClass::Configuration,
        hint: "The server has no TLS: switch it on there, or set sslmode in the secret to prefer",
    },
    Rule {
        says: &["root certificate file", "could not read root certificate"],
        class: ErrorClass::Configuration,
        hint: "Store the certificates in PEM as sslrootcert in the secret, or check \
               AUTODUMP_CA_BUNDLE in the image",
    },
    Rule {
        says: &["Name or service not known", "No address associated with hostname"],
        class: ErrorClass::Configuration,
        hint: "Check endpoint (or host) in the secret: no such name is known here",
    },
    Rule {
        says: &["server version mismatch"],
        class: ErrorClass::Configuration,
        hint: "Use an image with the clients of the server's version or newer",
    },
    Rule {
        says: &["permission denied for", "must be owner of"],
        class: ErrorClass::Engine,
        hint: "The secret's user must be able to read everything: GRANT pg_read_all_data TO it \
               (PostgreSQL 14 and newer), or USAGE on the schemas and SELECT on all tables, \
               sequences and large objects",
    },
    Rule {
        says: &["row-level security"],
        class: ErrorClass::Engine,
        hint: "Row-level security would hide rows from the secret's user: ALTER ROLE … BYPASSRLS",
    },
    Rule {
        says: &["conflict with recovery"],
        class: ErrorClass::Source,
        hint: "The replica cancelled the dump to keep up: raise max_standby_streaming_delay, \
               set hot_standby_feedback, or dump the primary",
    },
    Rule {
        says: &["lock timeout", "could not obtain lock"],
        class: ErrorClass::Source,
        hint: "Another session holds an exclusive lock on this table: end it, or choose a \
               quieter start",
    },
    Rule {
        says: &["too many clients", "remaining connection slots", "too many connections"],
        class: ErrorClass::Source,
        hint: "The server has no free connection: raise the limit, or choose a quieter start",
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
        class: ErrorClass::Source,
        hint: "The server went away or is not ready: see its log",
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
        class: ErrorClass::Source,
        hint: "Check that the server runs, endpoint and port in the secret, and that its \
               security group lets the dumper in",
    },
];

/// `psql` could not connect, or lost the connection.
const PSQL_NO_CONNECTION: i32 = 2;
/// The kernel's way to end a process that takes too much memory.
const SIGKILL: i32 = 9;

/// The error that a failed client stands for.
pub(super) fn explain(exit: &Exit) -> Error {
    let text = exit.stderr.as_str();
    let (class, hint) = RULES
        .iter()
        .find(|rule| rule.says.iter().any(|says| text.contains(says)))
        .map_or_else(|| by_status(exit), |rule| (rule.class, rule.hint));
    Error::new(class, exit.to_string(), hint)
}

fn by_status(exit: &Exit) -> (ErrorClass, &'static str) {
    if exit.program == "psql" && exit.status.code() == Some(PSQL_NO_CONNECTION) {
        return (ErrorClass::Source, "Check that the server can be reached and is well");
    }
    if exit.status.signal() == Some(SIGKILL) {
        return (
            ErrorClass::Engine,
            "Somebody killed it, or memory ran out: choose a larger size by tag",
        );
    }
    (ErrorClass::Engine, "Run the same program by hand against this database and see")
}

#[cfg(test)]
#[path = "stderr_tests.rs"]
mod tests;
