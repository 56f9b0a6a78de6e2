//! PostgreSQL, dumped by its own `pg_dump` in custom format.
//!
//! The archive keeps owners and grants; whoever restores decides about them (`pg_restore
//! --no-owner --no-privileges`). It is compressed with gzip at level 1, which every version
//! of `pg_dump` can do: higher levels cost far more time than they save space.

mod clients;
mod connection;
mod stderr;

use std::path::PathBuf;
use std::time::Duration;

use autodump_core::manifest::Object;
use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass, Result};

use self::clients::{Client, choose, find};
use self::connection::Connection;
use super::{Engine, Prepared, shell_quoted};
use crate::child::Exit;

/// How long the whole question to the server may take. One attempt to connect may take 15 s,
/// and a host name can have several addresses.
const PROBE: Duration = Duration::from_secs(90);

/// How long `pg_dump` waits for a lock. Without a limit one forgotten `ALTER TABLE` holds up
/// the dump for days, and the dump everything that queues behind it.
const LOCK_WAIT: Duration = Duration::from_mins(15);

const QUESTION: &str = "SELECT pg_catalog.current_setting('server_version_num'), \
    pg_catalog.current_setting('server_version'), \
    pg_catalog.pg_database_size(pg_catalog.current_database())";

/// The engine.
#[derive(Debug, Clone)]
pub struct Postgres {
    directories: Vec<PathBuf>,
    ca_bundle: PathBuf,
}

impl Postgres {
    /// `directories` (colon separated) hold `pg_dump` and `psql` each; without it those of
    /// Debian's packages, `/usr/lib/postgresql/*/bin`, are used. `ca_bundle` is the file of
    /// certificates that servers are checked against unless the secret brings its own.
    #[must_use]
    pub fn new(directories: Option<&str>, ca_bundle: impl Into<PathBuf>) -> Self {
        Self { directories: clients::directories(directories), ca_bundle: ca_bundle.into() }
    }
}

/// What the server said about itself.
#[derive(Debug, PartialEq, Eq)]
struct Server {
    major: u32,
    version: String,
    bytes: u64,
}

impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn prepare(&self, secret: &SecretValue) -> Result<Prepared> {
        let connection = Connection::new(secret, &self.ca_bundle)?;
        let clients = find(&self.directories).await?;
        let server = ask(&clients[clients.len() - 1], &connection).await?;
        let client = choose(&clients, server.major, &server.version)?;
        let command = client.command("pg_dump").arguments([
            "--format=custom".to_owned(),
            "--compress=1".to_owned(),
            "--no-password".to_owned(),
            format!("--lock-wait-timeout={}", LOCK_WAIT.as_millis()),
        ]);
        Ok(Prepared {
            server_version: server.version,
            client: format!("pg_dump {}", client.version),
            extension: "dump",
            // Indexes are not dumped, and the rest is compressed.
            expected_bytes: server.bytes / 2,
            command: connection.given_to(command),
        })
    }

    fn explain(&self, exit: &Exit) -> Error {
        stderr::explain(exit)
    }

    fn restore_commands(&self, database: &str, objects: &[Object]) -> Vec<String> {
        let file =
            |object: &Object| shell_quoted(object.key.rsplit('/').next().unwrap_or(&object.key));
        let mut commands: Vec<_> = objects
            .iter()
            .map(|object| {
                let from = shell_quoted(&format!("s3://{}/{}", object.bucket, object.key));
                format!("aws s3 cp {from} {}", file(object))
            })
            .collect();
        let Some((first, more)) = objects.split_first() else { return commands };
        if !more.is_empty() {
            let more: Vec<_> = more.iter().map(file).collect();
            commands.push(format!("cat {} >> {}", more.join(" "), file(first)));
        }
        let name = shell_quoted(database);
        commands.push(format!("createdb {name}"));
        commands
            .push(format!("pg_restore --exit-on-error --no-owner --dbname={name} {}", file(first)));
        commands
    }
}

/// Asks the server for its version and the database's size.
async fn ask(client: &Client, connection: &Connection) -> Result<Server> {
    let arguments =
        ["--no-psqlrc", "--no-password", "--quiet", "--no-align", "--tuples-only", "--command"];
    let command = client.command("psql").arguments(arguments).arguments([QUESTION]);
    let (answer, exit) = connection.given_to(command).output(4096, PROBE).await?;
    if !exit.status.success() {
        return Err(stderr::explain(&exit));
    }
    let answer = String::from_utf8_lossy(&answer);
    understood(&answer).ok_or_else(|| {
        Error::new(
            ErrorClass::Engine,
            format!("the server's version and size are not to be understood: {:?}", answer.trim()),
            "Only PostgreSQL and what speaks exactly like it can be dumped",
        )
    })
}

fn understood(answer: &str) -> Option<Server> {
    let mut fields = answer.trim().split('|');
    let (number, version, bytes) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Server {
        major: number.parse::<u32>().ok()? / 10_000,
        version: version.split(' ').next()?.to_owned(),
        bytes: bytes.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_answer_is_understood() {
        let answer = "150018|15.18 (Debian 15.18-0+deb12u1)|7533359\n";
        let server = Server { major: 15, version: "15.18".to_owned(), bytes: 7_533_359 };
        assert_eq!(understood(answer), Some(server));
        assert_eq!(understood("90624|9.6.24|1").map(|server| server.major), Some(9));
        assert_eq!(understood("what?"), None);
    }

    #[test]
    fn the_restore_commands_are_those_of_the_golden_manifest() {
        let golden: autodump_core::manifest::Manifest =
            serde_json::from_str(include_str!("../../../../../contract/manifest.json")).unwrap();
        let engine = Postgres::new(Some("/nowhere"), "/nowhere");
        assert_eq!(engine.restore_commands(&golden.database, &golden.objects), golden.restore);

        let mut second = golden.objects[0].clone();
        second.key.push_str(".2");
        let commands = engine.restore_commands("a b", &[golden.objects[0].clone(), second]);
        assert_eq!(commands[2], "cat app.dump.2 >> app.dump");
        assert_eq!(commands[3], "createdb 'a b'");
    }
}
