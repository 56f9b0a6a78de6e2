//! What the driver's errors mean.

use std::collections::BTreeSet;

use autodump_core::{Error, ErrorClass};
use mongodb::error::{CommandError, Error as DriverError, ErrorKind};

/// `Unauthorized`: what the user may do.
const UNAUTHORIZED: i32 = 13;
/// `AuthenticationFailed`: the user.
const AUTHENTICATION: i32 = 18;
/// The server goes away, or is another one's secondary now; what the driver's specification
/// calls recovering and not writable, and what a router says of its network, and of chunks that
/// move between shards.
const GONE: [i32; 19] = [
    6, 7, 50, 63, 89, 91, 133, 134, 150, 189, 202, 262, 9001, 10107, 11600, 11602, 13388, 13435,
    13436,
];
/// `CursorNotFound`, `CursorKilled`, `Interrupted`.
const CURSOR: [i32; 3] = [43, 237, 11601];
/// `CappedPositionLost`, `QueryPlanKilled`: what was read of the collection is no more, or it is
/// not the same one any more. Only another run helps.
const REPLACED: [i32; 2] = [136, 175];
/// `NamespaceNotFound`: it was there when it was listed.
const MISSING: i32 = 26;

const USER: &str = "Check username and password in the secret, and authSource: the name of the \
                    database in which the user was made";
const RIGHTS: &str = "Grant the secret's user the role backup in the database admin, or read in \
                      the database that is dumped";
const CERTIFICATE: &str = "The server's certificate is not trusted for this host: use the host \
                           name that is in it, store its authority as sslrootcert in the secret, \
                           or set sslmode to require";
const HOST: &str = "Check endpoint, host or uri in the secret: no such name is known here";
const NO_TLS: &str = "The server has no TLS, or another one: switch it on there, or set sslmode in \
                      the secret to disable";
const UNREACHABLE: &str = "Check that the server runs, its host and port in the secret, that its \
                           security group lets the dumper in, and that a server without TLS is \
                           not asked for it, nor one with TLS asked without";
const SETTINGS: &str = "Correct the secret: its uri, or the fields of the same meaning";
const WELL: &str = "See the server's log for why; start the run again";

/// What texts about a connection say, and what they mean: the first that fits counts. Any other is
/// of a server that is not reached.
const TEXTS: [(&[&str], ErrorClass, &str); 3] = [
    (&["invalid peer certificate", "bad certificate"], ErrorClass::Configuration, CERTIFICATE),
    (
        &["Name or service not known", "No address associated", "no records found", "NXDomain"],
        ErrorClass::Configuration,
        HOST,
    ),
    (&["received corrupt message", "InvalidContentType"], ErrorClass::Configuration, NO_TLS),
];

/// The error for what went wrong with the server `at`, which is shown; user and password are not
/// in it. `doing` is a sentence fragment: what was not possible.
pub(super) fn explain(error: &DriverError, at: &str, doing: &str) -> Error {
    let (class, why, hint) = meaning(error);
    Error::new(class, format!("{doing} at {at}: {why}"), hint)
}

/// Whether the same documents can be read again, over another connection.
pub(super) fn is_passing(error: &DriverError) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::Authentication { .. } => true,
        ErrorKind::Command(error) => {
            error.code == AUTHENTICATION
                || GONE.contains(&error.code)
                || CURSOR.contains(&error.code)
        }
        _ => false,
    }
}

/// Whether a code says that the server goes away or is a secondary now.
pub(super) fn is_gone(code: i64) -> bool {
    GONE.iter().any(|gone| i64::from(*gone) == code)
}

/// Whether no server was found for as long as one is waited for.
pub(super) fn is_absence(error: &DriverError) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::ServerSelection { .. })
}

/// Whether the server says that it does not know what was asked, or not so.
pub(super) fn is_refusal(error: &DriverError) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(error)
        if error.code != AUTHENTICATION
            && !GONE.contains(&error.code)
            && !REPLACED.contains(&error.code))
}

fn meaning(error: &DriverError) -> (ErrorClass, String, &'static str) {
    match error.kind.as_ref() {
        ErrorKind::Authentication { message, .. } => {
            (ErrorClass::Credentials, plain(message), USER)
        }
        ErrorKind::Command(command) => of_command(command),
        ErrorKind::Io(cause) => of_text(cause.to_string()),
        ErrorKind::ConnectionPoolCleared { message, .. } => {
            (ErrorClass::Source, causes(message), WELL)
        }
        ErrorKind::ServerSelection { message, .. } => of_text(causes(message)),
        ErrorKind::DnsResolve { message, .. } => of_text(plain(message)),
        ErrorKind::InvalidArgument { message, .. }
        | ErrorKind::InvalidTlsConfig { message, .. } => {
            (ErrorClass::Configuration, message.clone(), SETTINGS)
        }
        ErrorKind::IncompatibleServer { message, .. } => (
            ErrorClass::Configuration,
            message.clone(),
            "Use a server of MongoDB 4.2 or newer, or what speaks its protocol",
        ),
        other => (ErrorClass::Engine, plain(&other.to_string()), WELL),
    }
}

fn of_command(command: &CommandError) -> (ErrorClass, String, &'static str) {
    let CommandError { code, code_name, message, .. } = command;
    let why = format!("{message} ({code_name}, {code})");
    match *code {
        AUTHENTICATION => (ErrorClass::Credentials, why, USER),
        UNAUTHORIZED => (ErrorClass::Credentials, why, RIGHTS),
        MISSING => (ErrorClass::Source, why, WELL),
        code if [&GONE[..], &CURSOR, &REPLACED].iter().any(|codes| codes.contains(&code)) => {
            (ErrorClass::Source, why, WELL)
        }
        _ => {
            (ErrorClass::Engine, why, "Run the same command by hand against this database and see")
        }
    }
}

fn of_text(why: String) -> (ErrorClass, String, &'static str) {
    let fits = |(says, _, _): &&(&[&str], ErrorClass, &str)| says.iter().any(|s| why.contains(s));
    let found = TEXTS.iter().find(fits);
    let (class, hint) =
        found.map_or((ErrorClass::Source, UNREACHABLE), |(_, class, hint)| (*class, *hint));
    (class, why, hint)
}

/// Why each server could not be used: the driver writes all that it knows of them.
fn causes(message: &str) -> String {
    let each: BTreeSet<_> =
        message.split("Kind: ").skip(1).map(plain).filter(|cause| !cause.is_empty()).collect();
    if each.is_empty() { plain(message) } else { Vec::from_iter(each).join("; ") }
}

/// Without the labels and the reply that the driver puts behind each of its errors.
fn plain(text: &str) -> String {
    let end = text.find(", labels: ").unwrap_or(text.len());
    let text = text[..end].trim_start_matches("Kind: ");
    text.trim_start_matches("I/O error: ").to_owned()
}

#[cfg(test)]
#[path = "trouble_tests.rs"]
mod tests;
