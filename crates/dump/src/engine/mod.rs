//! The database engines. Each is one file (or folder) beside this one.

use autodump_core::manifest::Object;
use autodump_core::secret::SecretValue;
use autodump_core::{Error, Result};

use crate::child::{Command, Exit};

pub mod postgres;

pub use postgres::Postgres;

/// What AutoDump has to know about an engine: how to ask its server, which program dumps
/// it to standard output, and what that program's failures mean.
pub trait Engine: Sync {
    /// The engine's name in the bucket's layout and the manifest.
    fn name(&self) -> &'static str;

    /// Asks the server who it is and chooses the program that can dump it. Changes nothing,
    /// and reads no data. Errors say whether the secret, the network or the image is to
    /// blame.
    fn prepare(&self, secret: &SecretValue) -> impl Future<Output = Result<Prepared>> + Send;

    /// What it means that the dump program ended as it did, not well.
    fn explain(&self, exit: &Exit) -> Error;

    /// Shell commands that restore the objects, in this order, without AutoDump.
    fn restore_commands(&self, database: &str, objects: &[Object]) -> Vec<String>;
}

/// A dump that is ready to start.
#[derive(Debug)]
pub struct Prepared {
    /// The server's version, such as `15.18`.
    pub server_version: String,
    /// The dump program and its version, such as `pg_dump 15.18`.
    pub client: String,
    /// How the data file's name ends, without dot.
    pub extension: &'static str,
    /// How many bytes the dump will probably have; a guess that only tunes part sizes.
    pub expected_bytes: u64,
    /// What to run. The dump is its standard output, complete when it exits with 0.
    pub command: Command,
}

/// Quotes a text for a POSIX shell where that is needed.
#[must_use]
pub fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_quoted;

    #[test]
    fn quotes_only_where_the_shell_would_meddle() {
        for (text, quoted) in
            [("app", "app"), ("my db", "'my db'"), ("it's $1", r"'it'\''s $1'"), ("", "''")]
        {
            assert_eq!(shell_quoted(text), quoted);
        }
    }
}
