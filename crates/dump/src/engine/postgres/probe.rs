//! What the server says about itself, asked by `psql`: if that can connect, so can `pg_dump`,
//! and its refusals are in libpq's well-known words.

use std::time::Duration;

use autodump_core::{Error, ErrorClass, Result};

use super::clients::Client;
use super::connection::Connection;
use super::stderr;

/// How long the whole question to the server may take. One attempt to connect may take 15 s,
/// and a host name can have several addresses.
const PROBE: Duration = Duration::from_secs(90);

const QUESTION: &str = "SELECT pg_catalog.current_setting('server_version_num'), \
    pg_catalog.current_setting('server_version'), \
    pg_catalog.pg_database_size(pg_catalog.current_database()), \
    pg_catalog.pg_is_in_recovery()";

/// What the server said about itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) major: u32,
    pub(super) version: String,
    /// Of the database on disk.
    pub(super) bytes: u64,
    /// It replays what its primary writes.
    pub(super) is_replica: bool,
}

/// Asks the server for its version and the database's size.
pub(super) async fn ask(client: &Client, connection: &Connection) -> Result<Server> {
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
    let (number, version) = (fields.next()?, fields.next()?);
    let (bytes, is_replica) = (fields.next()?, fields.next()?);
    Some(Server {
        major: number.parse::<u32>().ok()? / 10_000,
        version: version.split(' ').next()?.to_owned(),
        bytes: bytes.parse().ok()?,
        is_replica: is_replica == "t",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_answer_is_understood() {
        let answer = "150018|15.18 (Debian 15.18-0+deb12u1)|7533359|t\n";
        let version = "15.18".to_owned();
        let server = Server { major: 15, version, bytes: 7_533_359, is_replica: true };
        assert_eq!(understood(answer), Some(server));
        assert_eq!(understood("90624|9.6.24|1|f").map(|server| server.major), Some(9));
        assert_eq!(understood("what?"), None);
    }
}
