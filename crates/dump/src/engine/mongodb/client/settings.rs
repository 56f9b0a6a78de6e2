//! How `mongodump` is called.
//!
//! User and password are in a file in memory that it inherits: neither in its arguments nor in
//! its environment. It never gets the connection string of the secret, but one that is made
//! anew of its parts: what it finds wrong with one, it quotes.

use std::collections::HashSet;
use std::path::Path;

use autodump_core::Result;
use autodump_core::options::ReadPreference;
use autodump_core::secret::uri::MongoUri;
use autodump_core::secret::{Hidden, SecretValue, SslMode};

use super::super::connection;
use crate::child::Command;
use crate::memory_file::MemoryFile;

/// The most collections that it reads at once, and so has begun and not ended in its archive.
const PARALLEL: u16 = 8;
/// The most that the names of what is left out may have together, in bytes; the kernel's limit
/// for all arguments is at least 2 MiB. The others are read, and left out later.
const ARGUMENTS: usize = 1 << 20;

/// What it dumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// Every database, and the oplog of that time.
    Everything,
    /// A database.
    Database {
        name: &'a str,
        /// Collections that are left out.
        without: &'a [String],
        /// Its users and roles too.
        with_users: bool,
    },
}

/// How it reaches the server. It would connect to the first host alone unless it is told that this
/// is of a replica set, `set`, whatever members are to be read.
pub(super) fn reached(
    secret: &SecretValue,
    preference: Option<ReadPreference>,
    set: Option<String>,
) -> Result<MongoUri> {
    let mut uri = connection::uri(secret, preference)?;
    let alone = ["directConnection", "loadBalanced"];
    let is_alone = alone.iter().any(|name| uri.option(name) == Some("true"));
    if !is_alone && uri.option("replicaSet").is_none() {
        uri.options.extend(set.map(|set| ("replicaSet", set)));
    }
    Ok(uri)
}

/// The command, with user, password and certificates. `uri` is that of [`reached`].
pub(super) fn given(
    command: Command,
    secret: &SecretValue,
    ca_bundle: &Path,
    uri: &MongoUri,
) -> Result<Command> {
    let config = MemoryFile::new(&config(&uri.rebuilt()))?;
    let command = config.given_to(command.arguments([format!("--config={}", config.path())]));
    Ok(match (secret.sslmode, &secret.sslrootcert) {
        (SslMode::Disable, _) => command,
        (SslMode::VerifyCa | SslMode::VerifyFull, Some(pem)) => {
            let file = MemoryFile::new(pem)?;
            file.given_to(command.arguments([format!("--sslCAFile={}", file.path())]))
        }
        // Found by DNS: of a public authority, which the machine knows.
        (SslMode::VerifyCa | SslMode::VerifyFull, None) if uri.srv => command,
        (SslMode::VerifyCa | SslMode::VerifyFull, None) => {
            command.arguments([format!("--sslCAFile={}", ca_bundle.display())])
        }
        (SslMode::Prefer | SslMode::Require, _) => command.arguments(["--tlsInsecure"]),
    })
}

/// The arguments that say what is dumped, to standard output and without compression. `jobs` is
/// how many collections are read at once, if that is not too much.
pub(super) fn arguments(what: What<'_>, jobs: u16) -> Vec<String> {
    let mut arguments =
        vec!["--archive".to_owned(), format!("--numParallelCollections={}", parallel(jobs))];
    match what {
        What::Everything => arguments.push("--oplog".to_owned()),
        What::Database { name, without, with_users } => {
            arguments.push(format!("--db={name}"));
            if with_users {
                arguments.push("--dumpDbUsersAndRoles".to_owned());
            }
            let mut room = ARGUMENTS;
            let without = without.iter().map(|name| format!("--excludeCollection={name}"));
            arguments.extend(without.take_while(|argument| {
                room = room.saturating_sub(argument.len() + 1);
                room > 0
            }));
        }
    }
    arguments
}

/// How many collections are read at once where `jobs` connections may read.
pub(super) fn parallel(jobs: u16) -> u16 {
    jobs.clamp(1, PARALLEL)
}

/// The password as it stands in the connection string.
pub(super) fn encoded(secret: &SecretValue) -> Hidden {
    let (user, password) = (Some("u".to_owned()), Some(secret.password.clone()));
    let (hosts, options) = (Vec::new(), Vec::new());
    let uri =
        MongoUri { srv: false, hosts, username: user, password, database: None, options }.rebuilt();
    let text = uri.expose().strip_prefix("mongodb://u:").and_then(|text| text.strip_suffix("@/"));
    Hidden::from(text.unwrap_or_default().to_owned())
}

/// What of `all` is not in `chosen`.
pub(super) fn left_out(all: Vec<String>, chosen: &HashSet<String>) -> Vec<String> {
    all.into_iter().filter(|name| !chosen.contains(name)).collect()
}

/// A setting in YAML, in which every text of JSON is one.
fn config(uri: &Hidden) -> String {
    format!("uri: {}\n", serde_json::Value::from(uri.expose()))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
