//! The database that is restored into, as it is written on the command line: a secret, or a URL
//! as libpq has them, but without a password.

use std::fmt;
use std::str::FromStr;

use autodump_aws::database::Access;
use autodump_core::options::DumpOptions;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::{Authentication, EngineName, Hidden, SecretValue, SslMode};
use autodump_core::{Error, ErrorClass, Result};
use percent_encoding::percent_decode_str;

const PORT: u16 = 5432;
const MODES: [SslMode; 5] =
    [SslMode::Disable, SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull];

/// What `--to` says.
#[derive(Clone)]
pub(crate) enum Target {
    /// The ARN or name of a secret.
    Secret(String),
    /// A database; the password is not known yet.
    Url(Box<Url>),
}

/// The parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    host: String,
    port: u16,
    database: String,
    username: String,
    sslmode: SslMode,
    sslrootcert: Option<String>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(id) => f.debug_tuple("Secret").field(id).finish(),
            Self::Url(url) => f.debug_tuple("Url").field(url).finish(),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = ["postgres://", "postgresql://"].iter().find_map(|s| text.strip_prefix(s));
        if let Some(rest) = rest {
            return Ok(Self::Url(Box::new(url(rest)?)));
        }
        if text.trim().is_empty() || text.contains("://") {
            return Err("name a secret, or write postgres://USER@HOST:PORT/DATABASE".to_owned());
        }
        Ok(Self::Secret(text.to_owned()))
    }
}

/// Reads what follows the scheme. No error repeats the text: it may hold a password.
fn url(text: &str) -> Result<Url, String> {
    let (place, settings) = text.split_once('?').unwrap_or((text, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(':') {
        return Err("leave the password out of the URL, since everybody on this machine can read \
                    a command line: set PGPASSWORD instead"
            .to_owned());
    }
    let (host, port) = host_and_port(host)?;
    let (database, username) = (decoded(database)?, decoded(user)?);
    for (what, value) in [("user", &username), ("host", &host), ("database", &database)] {
        if value.is_empty() {
            return Err(format!("the URL has no {what}: write postgres://USER@HOST:PORT/DATABASE"));
        }
    }
    let mut url =
        Url { host, port, database, username, sslmode: SslMode::default(), sslrootcert: None };
    for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        let value = decoded(value)?;
        match name {
            "sslmode" => {
                let mode = MODES.into_iter().find(|mode| mode.as_str() == value);
                url.sslmode = mode.ok_or(
                    "sslmode in the URL is none of disable, prefer, require, verify-ca and \
                     verify-full",
                )?;
            }
            "sslrootcert" => url.sslrootcert = Some(value),
            "password" => {
                return Err("leave the password out of the URL: set PGPASSWORD instead".to_owned());
            }
            _ => {
                return Err(format!(
                    "the URL has the setting {name:?}; sslmode and sslrootcert are understood"
                ));
            }
        }
    }
    Ok(url)
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address.to_owned(), None),
        Some((address, rest)) => {
            let port = rest.strip_prefix(':').ok_or(
                "after the ] of an address there is something else than a colon and the port",
            )?;
            (address.to_owned(), Some(port))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (decoded(host)?, Some(port)),
            None => (decoded(text)?, None),
        },
    };
    if text.contains(',') || host.contains(',') {
        return Err("the URL names several hosts: name the one that can be written".to_owned());
    }
    let Some(port) = port else { return Ok((host, PORT)) };
    match port.parse() {
        Ok(0) => Err("the port in the URL is 0, which is none".to_owned()),
        Ok(port) => Ok((host, port)),
        Err(_) => Err("the port in the URL is no number from 1 to 65535".to_owned()),
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(std::borrow::Cow::into_owned).map_err(|_| "the URL is not in UTF-8".to_owned())
}

/// How the target is reached.
pub(crate) enum Reached {
    /// By a secret, which is read anew for each connection.
    Secret(Box<Access>),
    /// By what the command line and the environment say.
    Fixed(Box<SecretValue>),
}

impl DatabaseAccess for Reached {
    async fn secret(&self) -> Result<SecretValue> {
        match self {
            Self::Secret(access) => access.secret().await,
            Self::Fixed(value) => Ok(value.as_ref().clone()),
        }
    }
}

impl Target {
    /// Reads what the command line says. clap would repeat the text, which may hold a password.
    pub(crate) fn read(text: &str) -> Result<Self> {
        text.parse().map_err(|reason: String| {
            Error::new(ErrorClass::Configuration, "the database is not named rightly", reason)
        })
    }

    /// How it is reached: by what `by_secret` makes of a secret's id, or by the URL and
    /// `PGPASSWORD`.
    pub(crate) fn reached(self, by_secret: impl FnOnce(String) -> Access) -> Result<Reached> {
        match self {
            Self::Secret(id) => Ok(Reached::Secret(Box::new(by_secret(id)))),
            Self::Url(url) => {
                let password = std::env::var("PGPASSWORD").ok();
                Ok(Reached::Fixed(Box::new(url.value(password)?)))
            }
        }
    }
}

impl Url {
    fn value(self, password: Option<String>) -> Result<SecretValue> {
        let certificates = self.sslrootcert.map(|file| {
            std::fs::read_to_string(&file).map_err(|error| {
                Error::new(
                    ErrorClass::Configuration,
                    format!("the certificates {file} cannot be read: {error}"),
                    "Correct sslrootcert in the URL",
                )
            })
        });
        Ok(SecretValue {
            engine: EngineName::Postgres,
            host: self.host,
            port: self.port,
            database: self.database,
            username: self.username,
            authentication: Authentication::Password,
            password: Hidden::from(password.unwrap_or_default()),
            bucket: None,
            sslmode: self.sslmode,
            sslrootcert: certificates.transpose()?,
            mongodb: None,
            options: DumpOptions::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Url, String> {
        match text.parse()? {
            Target::Url(url) => Ok(*url),
            Target::Secret(id) => Err(format!("secret {id}")),
        }
    }

    #[test]
    fn urls_are_read() {
        let url = read("postgres://app%40x@db.example:6000/my%20db?sslmode=require").unwrap();
        assert_eq!((url.username.as_str(), url.database.as_str()), ("app@x", "my db"));
        assert_eq!(
            (url.host.as_str(), url.port, url.sslmode),
            ("db.example", 6000, SslMode::Require)
        );
        let url = read("postgresql://u@[::1]/d").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.sslmode), ("::1", 5432, SslMode::VerifyFull));
        let url = read("postgresql://u@[::1]:6000/d").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 6000));
    }

    #[test]
    fn secrets_are_names_and_arns() {
        for text in ["staging/app", "arn:aws:secretsmanager:eu-central-1:1:secret:app-AbCdEf"] {
            assert_eq!(read(text).unwrap_err(), format!("secret {text}"));
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for text in ["postgres://u:geheim@h/d", "postgres://u@h/d?password=geheim"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("PGPASSWORD") && !error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, says) in [
            ("postgres://h/d", "no user"),
            ("postgres://u@h", "no database"),
            ("postgres://u@/d", "no host"),
            ("postgres://u@h:x/d", "port"),
            ("postgres://u@h:0/d", "port in the URL is 0"),
            ("postgres://u@h:65536/d", "port"),
            ("postgres://u@h:/d", "port"),
            ("postgres://u@[::1]5433/d", "after the ]"),
            ("postgres://u@h1,h2/d", "several hosts"),
            ("postgres://u@h1:5432,h2:5433/d", "several hosts"),
            ("postgres://u@h1%2Ch2/d", "several hosts"),
            ("postgres://u@h/d?sslmode=on", "sslmode"),
            ("postgres://u@h/d?options=-c", "options"),
            ("mysql://u@h/d", "name a secret"),
            ("", "name a secret"),
        ] {
            assert!(read(text).unwrap_err().contains(says), "{text}");
        }
    }

    #[test]
    fn the_password_comes_from_elsewhere_and_is_not_shown() {
        let url = read("postgres://u@h/d").unwrap();
        let value = url.value(Some("geheim".to_owned())).unwrap();
        assert_eq!(value.password.expose(), "geheim");
        assert!(!format!("{value:?}").contains("geheim"));
        let url = read("postgres://u@h/d?sslrootcert=/no/such.pem").unwrap();
        assert_eq!(url.value(None).unwrap_err().class(), ErrorClass::Configuration);
    }
}
