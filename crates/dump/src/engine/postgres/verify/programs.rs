//! The programs of a server, and as whom they run.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use autodump_core::{Error, ErrorClass, Result};
use rustix::process::geteuid;

use crate::child::Command;
use crate::engine::postgres::version::major;

/// Where accounts are.
const ACCOUNTS: &str = "/etc/passwd";
/// It runs a program as somebody else, and ends it when we end. Debian always has it.
const SETPRIV: &str = "setpriv";
const LIBRARIES: &str = "LD_LIBRARY_PATH";
/// Where programs are that have no path.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The programs of a server of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) version: String,
    major: u32,
    directory: PathBuf,
}

impl Programs {
    /// The oldest server in these directories that is no older than `major`.
    pub(super) async fn find(directories: &[PathBuf], major: u32) -> Result<Self> {
        let mut all = Vec::new();
        for directory in directories {
            all.extend(Self::look(directory).await);
        }
        let installed: Vec<_> = all.iter().map(|found| found.version.clone()).collect();
        let fits = all.into_iter().filter(|found| found.major >= major);
        fits.min_by_key(|found| found.major).ok_or_else(|| {
            let installed = match installed.join(", ") {
                none if none.is_empty() => "none is installed".to_owned(),
                some => format!("installed is {some}"),
            };
            Error::new(
                ErrorClass::Configuration,
                format!("there is no PostgreSQL server {major} or newer here; {installed}"),
                "Use the verifier's image with that version (build argument POSTGRES_MAJORS), or \
                 give a server to restore into",
            )
        })
    }

    async fn look(directory: &Path) -> Option<Self> {
        let program = directory.join("postgres");
        if !program.is_file() || !directory.join("initdb").is_file() {
            return None;
        }
        let command = Command::new(program).arguments(["--version"]);
        let (output, exit) = command.output(4096, Duration::from_secs(20)).await.ok()?;
        let text = String::from_utf8_lossy(&output);
        let (major, version) = parsed(&text).filter(|_| exit.status.success())?;
        Some(Self { version, major, directory: directory.to_owned() })
    }

    /// A program of the server's that ends when this process ends.
    pub(super) fn command(&self, program: &str, user: Option<User>) -> Command {
        let command = Command::new(SETPRIV).variable("LC_ALL", "C");
        let libraries = self.libraries();
        let command = match &libraries {
            Some(path) => command.variable(LIBRARIES, path),
            None => command,
        };
        command
            .arguments(["--pdeathsig=TERM"])
            .arguments(user.map(User::arguments).into_iter().flatten())
            .arguments(["--"])
            .arguments([self.directory.join(program)])
    }

    /// The server, which ends at once when this process ends.
    pub(super) fn server(&self, user: Option<User>) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(SETPRIV);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()))
            .env("LC_ALL", "C.UTF-8")
            .arg("--pdeathsig=QUIT")
            .args(user.map(User::arguments).into_iter().flatten())
            .arg("--")
            .arg(self.directory.join("postgres"));
        if let Some(path) = self.libraries().or_else(|| std::env::var_os(LIBRARIES)) {
            command.env(LIBRARIES, path);
        }
        command
    }

    /// Libraries that lie beside the programs: the system's may be of another version.
    fn libraries(&self) -> Option<OsString> {
        let path = self.directory.join("../lib");
        path.join("libpq.so.5").exists().then(|| path.into())
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → 15 and `15.18`.
fn parsed(text: &str) -> Option<(u32, String)> {
    let version = text.trim().strip_prefix("postgres (PostgreSQL) ")?.split(' ').next()?;
    Some((major(version)?, version.to_owned()))
}

/// Somebody without rights: PostgreSQL does not run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Who runs the server: we do, which is `None`, unless we are root.
    pub(super) fn unprivileged() -> Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let accounts = std::fs::read_to_string(ACCOUNTS).unwrap_or_default();
        let user = ["postgres", "nobody"].iter().find_map(|name| Self::of(&accounts, name));
        user.map(Some).ok_or_else(|| {
            Error::new(
                ErrorClass::Configuration,
                format!("{ACCOUNTS} has neither a user postgres nor nobody to run a server as"),
                "Run it as somebody else than root: PostgreSQL does not run as root",
            )
        })
    }

    fn of(accounts: &str, name: &str) -> Option<Self> {
        accounts.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let [account, _, uid, gid, ..] = fields.as_slice() else { return None };
            let found = *account == name;
            found.then(|| Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? }))?
        })
    }

    /// Makes a file or directory theirs.
    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    fn arguments(self) -> [String; 3] {
        [
            format!("--reuid={}", self.uid),
            format!("--regid={}", self.gid),
            "--clear-groups".to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::random;

    #[test]
    fn versions_and_accounts_are_read() {
        let text = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(parsed(text), Some((15, "15.18".to_owned())));
        assert_eq!(parsed("postgres (PostgreSQL) 18beta1\n").map(|found| found.0), Some(18));
        assert_eq!(parsed("initdb (PostgreSQL) 15.18"), None);
        let accounts =
            "root:x:0:0::/root:/bin/sh\npostgres2:x:7:7::/:/x\npostgres:x:101:104::/v:/x\n";
        assert_eq!(User::of(accounts, "postgres"), Some(User { uid: 101, gid: 104 }));
        assert_eq!(User::of(accounts, "nobody"), None);
        let (a, b) = (random(16).unwrap(), random(16).unwrap());
        assert!(a.len() == 32 && a != b);
    }

    #[tokio::test]
    async fn no_server_that_is_new_enough_is_an_error_that_names_those_there_are() {
        let root = tempfile::tempdir().unwrap();
        let script = "for v in 14 16; do mkdir $1/$v; for p in initdb postgres; do printf \
             '#!/bin/sh\\necho \"postgres (PostgreSQL) %s.1\"\\n' $v > $1/$v/$p; \
             chmod +x $1/$v/$p; done; done";
        let made = std::process::Command::new("/bin/sh")
            .args(["-ec", script, "sh"])
            .arg(root.path())
            .status();
        assert!(made.unwrap().success());
        let given: Vec<_> = ["16", "none", "14"].map(|name| root.path().join(name)).into();
        for (major, version) in [(13, "14.1"), (14, "14.1"), (15, "16.1"), (16, "16.1")] {
            assert_eq!(Programs::find(&given, major).await.unwrap().version, version);
        }
        let error = Programs::find(&given, 17).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().ends_with("17 or newer here; installed is 16.1, 14.1"), "{error}");
        let error = Programs::find(&[], 17).await.unwrap_err();
        assert!(error.what().ends_with("none is installed"), "{error}");
    }
}
