//! Which PostgreSQL clients are installed, and which one fits a server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use autodump_core::{Error, ErrorClass, Result};

use super::version::major;
use crate::child::Command;

/// Where Debian's packages put each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// One installed set of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) major: u32,
    pub(super) version: String,
    directory: PathBuf,
}

impl Client {
    pub(super) fn command(&self, program: &str) -> Command {
        // The text of messages is looked at, so it has to be English.
        Command::new(self.directory.join(program)).variable("LC_MESSAGES", "C")
    }
}

/// The directories that are given, or else Debian's.
pub(super) fn directories(given: Option<&str>) -> Vec<PathBuf> {
    if let Some(given) = given.filter(|given| !given.is_empty()) {
        return given.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    }
    let Ok(entries) = std::fs::read_dir(DEBIAN) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path().join("bin")).collect()
}

/// All clients in these directories, oldest first; at least one.
pub(super) async fn find(directories: &[PathBuf]) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for directory in directories {
        if let Some(client) = look(directory).await? {
            clients.push(client);
        }
    }
    clients.sort_by_key(|client| client.major);
    if clients.is_empty() {
        let looked: Vec<_> = directories.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::new(
            ErrorClass::Configuration,
            format!("no pg_dump and psql were found in {:?}", looked.join(":")),
            "Use an image with PostgreSQL's clients, or name their directories in \
             AUTODUMP_POSTGRES_BIN",
        ));
    }
    Ok(clients)
}

async fn look(directory: &Path) -> Result<Option<Client>> {
    let program = directory.join("pg_dump");
    if !program.is_file() || !directory.join("psql").is_file() {
        return Ok(None);
    }
    let command = Command::new(program).arguments(["--version"]);
    let (output, exit) = command.output(4096, Duration::from_secs(20)).await?;
    let text = String::from_utf8_lossy(&output);
    let Some((major, version)) = parsed(&text).filter(|_| exit.status.success()) else {
        tracing::warn!(
            directory = %directory.display(),
            what = text.trim(),
            "this pg_dump does not tell its version; it is not used"
        );
        return Ok(None);
    };
    Ok(Some(Client { major, version, directory: directory.to_owned() }))
}

/// `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → 15 and `15.18`.
fn parsed(text: &str) -> Option<(u32, String)> {
    let version = text.trim().strip_prefix("pg_dump (PostgreSQL) ")?.split(' ').next()?;
    Some((major(version)?, version.to_owned()))
}

/// The oldest client that is no older than the server: a newer one also works, but writes
/// archives that an older `pg_restore` may not read.
pub(super) fn choose<'a>(clients: &'a [Client], major: u32, version: &str) -> Result<&'a Client> {
    clients
        .iter()
        .filter(|client| client.major >= major)
        .min_by_key(|client| client.major)
        .ok_or_else(|| {
            let installed: Vec<_> = clients.iter().map(|client| client.version.as_str()).collect();
            Error::new(
                ErrorClass::Configuration,
                format!(
                    "the server is PostgreSQL {version}, and the newest pg_dump here is older: \
                     installed is {}",
                    installed.join(", ")
                ),
                format!(
                    "Use an image with the clients of PostgreSQL {major} or newer (build \
                     argument POSTGRES_MAJORS)"
                ),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(major: u32) -> Client {
        Client { major, version: format!("{major}.1"), directory: PathBuf::from("/x") }
    }

    #[test]
    fn versions_are_read() {
        for (text, expected) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some((15, "15.18"))),
            ("pg_dump (PostgreSQL) 17.10", Some((17, "17.10"))),
            ("pg_dump (PostgreSQL) 18beta1", Some((18, "18beta1"))),
            ("pg_dump (OtherSQL) 1", None),
            ("", None),
        ] {
            assert_eq!(parsed(text), expected.map(|(major, text)| (major, text.to_owned())));
        }
    }

    #[test]
    fn the_closest_client_that_is_not_older_is_chosen() {
        let clients = [client(13), client(15), client(17)];
        for (server, chosen) in [(9, 13), (13, 13), (14, 15), (15, 15), (16, 17), (17, 17)] {
            assert_eq!(choose(&clients, server, "").unwrap().major, chosen);
        }
    }

    #[test]
    fn a_server_newer_than_every_client_is_named_with_what_is_installed() {
        let error = choose(&[client(13), client(15)], 18, "18.4").unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        let text = error.to_string();
        for part in ["PostgreSQL 18.4", "13.1, 15.1", "PostgreSQL 18 or newer", "does not help"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[tokio::test]
    async fn clients_are_found_in_order_and_what_is_no_client_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        for (name, answer) in
            [("b", "pg_dump (PostgreSQL) 15.2"), ("a", "pg_dump (PostgreSQL) 17.1"), ("c", "hm")]
        {
            // A shell writes them: a file that this process wrote could still be open in a
            // child of another test, and then not be executed.
            let script = "mkdir $1; for p in pg_dump psql; do \
                printf '#!/bin/sh\\necho \"%s\"\\n' \"$2\" > $1/$p; chmod +x $1/$p; done";
            let made = std::process::Command::new("/bin/sh")
                .args(["-ec", script, "sh"])
                .arg(root.path().join(name))
                .arg(answer)
                .status();
            assert!(made.unwrap().success());
        }
        let given: Vec<_> =
            ["a", "b", "c", "missing"].map(|name| root.path().join(name)).into_iter().collect();
        let versions: Vec<_> =
            find(&given).await.unwrap().into_iter().map(|client| client.version).collect();
        assert_eq!(versions, ["15.2", "17.1"]);

        let error = find(&given[3..]).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("AUTODUMP_POSTGRES_BIN"));
    }
}
