//! How a PostgreSQL client is told where and as whom to connect.
//!
//! Nothing goes into the argument list, and the password not even into the environment: it
//! is a password file in memory, which only processes that inherit it can open.

use std::path::Path;

use autodump_core::secret::{SecretValue, SslMode};
use autodump_core::{Error, ErrorClass, Result};

use crate::child::Command;
use crate::memory_file::MemoryFile;

/// Seconds for one attempt to connect.
const CONNECT: &str = "15";

/// A server that vanished without a word is noticed after about two minutes instead of two
/// hours. libpq takes these settings from a service file, but not from variables.
const SERVICE: &str =
    "[autodump]\nkeepalives_idle=60\nkeepalives_interval=15\nkeepalives_count=4\n";

/// A connection's settings, ready to be given to clients.
#[derive(Debug)]
pub(super) struct Connection {
    variables: Vec<(&'static str, String)>,
    files: Vec<MemoryFile>,
}

impl Connection {
    /// From the secret. `ca_bundle` is used where a certificate is to be checked and the
    /// secret brings none.
    pub(super) fn new(secret: &SecretValue, ca_bundle: &Path) -> Result<Self> {
        let mut connection = Self { variables: Vec::new(), files: Vec::new() };
        for (name, value) in [
            ("PGHOST", secret.host.as_str()),
            ("PGPORT", &secret.port.to_string()),
            ("PGDATABASE", &secret.database),
            ("PGUSER", &secret.username),
            ("PGSSLMODE", secret.sslmode.as_str()),
            ("PGGSSENCMODE", "disable"),
            ("PGCONNECT_TIMEOUT", CONNECT),
            ("PGAPPNAME", "autodump"),
            ("PGSERVICE", "autodump"),
        ] {
            if value.contains('\0') {
                return Err(illegal(&format!("the value for {name}"), "a NUL character"));
            }
            connection.variables.push((name, value.to_owned()));
        }
        connection.add_file("PGSERVICEFILE", SERVICE)?;
        connection.add_file("PGPASSFILE", &password_file(secret.password.expose())?)?;
        // libpq checks certificates whenever it has some to check against, so the modes
        // that shall not check get none.
        match (&secret.sslrootcert, secret.sslmode) {
            (Some(certificates), _) => connection.add_file("PGSSLROOTCERT", certificates)?,
            (None, SslMode::VerifyCa | SslMode::VerifyFull) => {
                connection.variables.push(("PGSSLROOTCERT", ca_bundle.display().to_string()));
            }
            (None, SslMode::Disable | SslMode::Prefer | SslMode::Require) => {}
        }
        Ok(connection)
    }

    /// The command with these settings.
    pub(super) fn given_to(&self, command: Command) -> Command {
        let command = self
            .variables
            .iter()
            .fold(command, |command, (name, value)| command.variable(name, value));
        self.files.iter().fold(command, |command, file| file.given_to(command))
    }

    fn add_file(&mut self, variable: &'static str, content: &str) -> Result<()> {
        let file = MemoryFile::new(content)?;
        self.variables.push((variable, file.path()));
        self.files.push(file);
        Ok(())
    }
}

/// One line that fits every server. libpq ends a line at its end, and takes a carriage
/// return there for a part of it.
fn password_file(password: &str) -> Result<String> {
    if password.contains(['\n', '\r', '\0']) {
        return Err(illegal("the password", "a line break or a NUL character"));
    }
    let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
    Ok(format!("*:*:*:*:{escaped}\n"))
}

fn illegal(what: &str, character: &str) -> Error {
    Error::new(
        ErrorClass::Configuration,
        format!("{what} contains {character}, which PostgreSQL's clients cannot take"),
        "Correct the secret",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn secret(fields: &[(&str, &str)]) -> SecretValue {
        let mut value = json!({
            "engine": "postgres", "host": "h", "dbname": "d", "username": "u", "password": "p:\\ $x",
        });
        for (name, field) in fields {
            value[*name] = json!(field);
        }
        SecretValue::parse(&value.to_string()).unwrap()
    }

    fn variable(secret: &SecretValue, name: &str) -> Option<String> {
        let connection = Connection::new(secret, Path::new("/bundle.pem")).unwrap();
        connection.variables.into_iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    #[tokio::test]
    async fn the_password_is_in_neither_arguments_nor_environment_and_can_be_read() {
        let connection = Connection::new(&secret(&[]), Path::new("/bundle.pem")).unwrap();
        let script = "stat -L -c %a $PGPASSFILE; cat $PGPASSFILE; cat $PGPASSFILE";
        let command = connection.given_to(Command::new("/bin/sh").arguments(["-c", script]));
        assert!(!format!("{command:?}").contains("$x"));
        let (output, exit) = command.output(4096, Duration::from_secs(20)).await.unwrap();
        assert!(exit.status.success(), "{exit}");
        let line = "*:*:*:*:p\\:\\\\ $x\n";
        assert_eq!(String::from_utf8(output).unwrap(), format!("600\n{line}{line}"));
    }

    #[test]
    fn passwords_that_libpq_cannot_take_are_rejected_without_being_shown() {
        for password in ["geheim\n", "ge\rheim", "\0geheim"] {
            let secret = secret(&[("password", password)]);
            let error = Connection::new(&secret, Path::new("/b")).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(!format!("{error:?}").contains("heim"));
        }
    }

    #[test]
    fn certificates_are_checked_where_the_mode_says_so() {
        for (mode, bundle) in [
            ("verify-full", Some("/bundle.pem")),
            ("verify-ca", Some("/bundle.pem")),
            ("require", None),
            ("prefer", None),
            ("disable", None),
        ] {
            let secret = secret(&[("sslmode", mode)]);
            assert_eq!(variable(&secret, "PGSSLROOTCERT").as_deref(), bundle, "{mode}");
            assert_eq!(variable(&secret, "PGSSLMODE").as_deref(), Some(mode));
        }
        assert_eq!(variable(&secret(&[]), "PGSSLMODE").as_deref(), Some("verify-full"));
        let own = secret(&[("sslrootcert", "-----BEGIN CERTIFICATE-----")]);
        assert!(variable(&own, "PGSSLROOTCERT").unwrap().starts_with("/proc/self/fd/"));
    }
}
