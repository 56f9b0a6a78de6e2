//! A private server that speaks MongoDB's protocol: `DocumentDB` on `PostgreSQL`, behind a shim. It is not mongod.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use autodump_documentdb::{Faults, Server, Settings, User, given};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A file in memory with a password is its owner's alone, and the programs run as nobody where we are root.
const SHARE: &str =
    "for f in /proc/$$/fd/*; do case $(readlink $f) in /memfd:*) chown 65534 $f;; esac; done\n";
/// The user of each server.
const USER: &str = "app user";
/// Its password: whoever does not encode it in a connection string names other hosts or options.
pub const PASSWORD: &str = "p&a%s@s:w/o?r#d \"ö'";

/// A server on a loopback port of its own, with all that its clients need. It ends when it is dropped.
pub struct Mongodb {
    server: Server,
    directory: TempDir,
    tools: Option<given::Tools>,
    tls: bool,
}

impl std::fmt::Debug for Mongodb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mongodb").field("port", &self.port()).finish_non_exhaustive()
    }
}

impl Mongodb {
    /// Starts one, with TLS or without, which wants a user's password (SCRAM-SHA-256). `None` where `DocumentDB` is not given, which is said loudly:
    /// `scripts/lib/documentdb` prints what `AUTODUMP_TEST_DOCUMENTDB` has to name, `scripts/lib/mongodb-tools` what
    /// `AUTODUMP_TEST_MONGODB_TOOLS` has.
    pub fn start(tls: bool) -> Result<Option<Self>> {
        let user = User { name: USER.to_owned(), password: PASSWORD.to_owned() };
        let settings = Settings { tls, users: vec![user], ..Settings::default() };
        let Some(server) = Server::documentdb(&settings)? else { return Ok(None) };
        let directory = tempfile::Builder::new().prefix("autodump-mongodb-").tempdir()?;
        // MongoDB's tools do not run as root.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
        let made = Self { server, directory, tools: given::tools(), tls };
        if let Some(pem) = made.server.ca_pem() {
            std::fs::write(made.ca_file(), pem)?;
        }
        made.write_programs()?;
        Ok(Some(made))
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The certificate of the authority to trust, in PEM; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.server.ca_pem()
    }

    /// What can be made to go wrong, and what was seen.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Whether there are MongoDB's own tools.
    #[must_use]
    pub fn has_tools(&self) -> bool {
        self.tools.is_some()
    }

    /// A directory with `mongodump`, and with a `mongorestore` that restores into this server. Both run as nobody
    /// where we are root. Empty where there are no tools.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// A secret's value with a field for each thing.
    #[must_use]
    pub fn value(&self, database: &str) -> Value {
        let mut value = json!({
            "engine": "mongodb", "endpoint": "localhost", "port": self.port(), "databasename": database,
            "username": USER, "password": PASSWORD,
        });
        if !self.tls {
            value["sslmode"] = json!("disable");
        }
        value
    }

    /// A secret's value with a connection string.
    #[must_use]
    pub fn uri_value(&self, database: &str) -> Value {
        json!({"engine": "mongodb", "uri": self.uri(database)})
    }

    /// The connection string of a database, user and password in it.
    fn uri(&self, database: &str) -> String {
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let user = format!("{}:{}", encoded(USER), encoded(PASSWORD));
        let (port, database, tls) = (self.port(), encoded(database), self.tls);
        format!("mongodb://{user}@localhost:{port}/{database}?authSource=admin&tls={tls}")
    }

    /// Fills a database with `one`, `small`, `exotic` or `noise` content: see `python/mongodb_content.py`. `python` is the local
    /// cloud's.
    pub fn fill(&self, python: &Path, content: &str, database: &str) -> Result<()> {
        self.run(python, &[content, database]).map(drop)
    }

    /// Everything that a database holds, a line for each collection, index and document.
    pub fn fingerprint(&self, python: &Path, database: &str) -> Result<Vec<String>> {
        let lines = self.run(python, &["tell", database])?;
        Ok(lines.lines().map(str::to_owned).collect())
    }

    fn run(&self, python: &Path, arguments: &[&str]) -> Result<String> {
        let script = crate::python::shim_dir().join("mongodb_content.py");
        let mut command = Command::new(python);
        command.arg(script).args(arguments).env_clear().env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start Python")?;
        let input = child.stdin.take().context("Python has no input")?;
        std::io::Write::write_all(&mut &input, self.uri_for_clients().as_bytes())?;
        drop(input);
        let done = child.wait_with_output()?;
        if !done.status.success() {
            bail!("{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8(done.stdout)?)
    }

    /// With the certificate's file, as programs want it.
    fn uri_for_clients(&self) -> String {
        let file = self.ca_file().display().to_string();
        let uri = self.uri("");
        if self.tls { format!("{uri}&tlsCAFile={file}") } else { uri }
    }

    fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn write_programs(&self) -> Result<()> {
        std::fs::create_dir(self.programs())?;
        let Some(tools) = &self.tools else { return Ok(()) };
        let settings = self.directory.path().join("tools.yaml");
        std::fs::write(&settings, format!("uri: {}\n", json!(self.uri_for_clients())))?;
        let settings = format!(" --config={}", quoted(&settings.display().to_string()));
        for (name, more) in [("mongodump", ""), ("mongorestore", settings.as_str())] {
            let command = tools.command(name);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            let words: Vec<_> = words.map(|word| quoted(&word.to_string_lossy())).collect();
            let program = self.programs().join(name);
            std::fs::write(
                &program,
                format!("#!/bin/sh\n{SHARE}exec {}{more} \"$@\"\n", words.join(" ")),
            )?;
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
