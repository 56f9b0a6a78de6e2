//! The value of a database secret.

use std::fmt;

use crate::error::{Error, ErrorClass, Result};
use crate::options::DumpOptions;

mod fields;
mod mongodb;
mod tls;
pub mod uri;

use self::fields::Fields;
use self::uri::MongoUri;

/// Text that must not be shown. `Debug` and any error leave it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The database engines that a secret may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineName {
    /// `postgres`, also written `postgresql` and `aurora-postgresql`.
    Postgres,
    /// `mongodb`, also written `mongo`, `documentdb` and `docdb`.
    Mongodb,
}

impl EngineName {
    /// Every engine.
    pub const ALL: [Self; 2] = [Self::Postgres, Self::Mongodb];

    /// The name in the bucket's layout and the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mongodb => "mongodb",
        }
    }

    /// The engine with this name in the bucket's layout and the manifest; `None` where there is
    /// none. What a secret may say is more: [`SecretValue::parse`].
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.as_str() == name)
    }

    /// The port that its servers listen on unless told otherwise.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Mongodb => uri::PORT,
        }
    }
}

/// How TLS is used, by libpq's names. MongoDB has no [`SslMode::Prefer`] and no
/// [`SslMode::VerifyCa`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server has it, unchecked.
    Prefer,
    /// TLS, unchecked.
    Require,
    /// TLS, and the certificate is signed by a known authority.
    VerifyCa,
    /// TLS, signed, and for this very host. The default.
    #[default]
    VerifyFull,
}

impl SslMode {
    const ALL: [Self; 5] =
        [Self::Disable, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// libpq's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Whether a connection without TLS is refused.
    #[must_use]
    pub const fn is_always_tls(self) -> bool {
        matches!(self, Self::Require | Self::VerifyCa | Self::VerifyFull)
    }
}

/// How a role proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// By its password.
    #[default]
    Password,
    /// By a token that RDS takes for a password, made with the rights of whoever connects.
    Iam,
}

/// How to reach a database, and as whom; and, as far as the secret says, what of it is dumped.
#[derive(Debug, Clone)]
pub struct SecretValue {
    /// The engine.
    pub engine: EngineName,
    /// Host name or address.
    pub host: String,
    /// Port; the engine's usual one when the secret names none.
    pub port: u16,
    /// The database. Of MongoDB empty where the secret names none:
    /// [`SecretValue::named_database`].
    pub database: String,
    /// The role.
    pub username: String,
    /// How the role proves who it is.
    pub authentication: Authentication,
    /// Its password. With [`Authentication::Iam`] a token; empty until one is put in its
    /// place by [`SecretValue::with_password`].
    pub password: Hidden,
    /// Another bucket than the construct's.
    pub bucket: Option<String>,
    /// How TLS is used.
    pub sslmode: SslMode,
    /// Certificates in PEM to trust instead of the RDS bundle.
    pub sslrootcert: Option<String>,
    /// How MongoDB is reached; `None` for other engines. What has a field of its own is not in
    /// it: user, password, database and TLS. Without a database it is `authSource` that says
    /// against which one the user is checked. Its read preference is for what
    /// [`DumpOptions::read_preference`] leaves open.
    pub mongodb: Option<MongoUri>,
    /// What is dumped, and how. Tags win over it: [`DumpOptions::or`].
    pub options: DumpOptions,
}

impl SecretValue {
    /// Reads the JSON text of a secret. Field names are those of the seed system
    /// (`username, password, databasename, endpoint, engine, bucketname`) or those that RDS
    /// writes (`host, dbname, port, engine`), case-sensitive; options have the names of their
    /// tags. Fields of others are ignored. For MongoDB `uri`, also written `MongoURI`, stands for
    /// hosts, user, password and, where it names one, database.
    ///
    /// Errors are [`ErrorClass::Configuration`], name the field, and never show the value of
    /// the password.
    pub fn parse(text: &str) -> Result<Self> {
        let fields = Fields::of(text)?;
        match engine(&fields.required(&["engine"])?)? {
            EngineName::Postgres => Self::of_postgres(&fields),
            EngineName::Mongodb => mongodb::read(&fields),
        }
    }

    fn of_postgres(fields: &Fields) -> Result<Self> {
        if let Some(name) = mongodb::URIS.into_iter().find(|name| fields.has(name)) {
            return Err(wrong(
                format!("the secret has the field {name}, which the engine postgres has not"),
                "Use the fields endpoint, port, databasename, username and password",
            ));
        }
        let engine = EngineName::Postgres;
        let sslmode = fields.sslmode()?;
        let authentication = fields.authentication()?;
        let password = match authentication {
            Authentication::Password => Hidden(fields.raw_required("password")?),
            Authentication::Iam => Hidden(String::new()),
        };
        if authentication == Authentication::Iam && !sslmode.is_always_tls() {
            return Err(wrong(
                format!(
                    "the secret's field sslmode is {:?} and authentication is \"iam\"",
                    sslmode.as_str()
                ),
                "RDS takes IAM tokens over TLS alone: use sslmode verify-full, verify-ca or \
                 require",
            ));
        }
        Ok(Self {
            engine,
            host: fields.required(&["endpoint", "host"])?,
            port: fields.port()?.unwrap_or_else(|| engine.default_port()),
            database: fields.required(&["databasename", "dbname"])?,
            username: fields.required(&["username"])?,
            authentication,
            password,
            bucket: fields.text(&["bucketname"])?,
            sslmode,
            sslrootcert: fields.text(&["sslrootcert"])?,
            mongodb: None,
            options: fields.options()?,
        })
    }

    /// The database, for what needs one. The error, of class [`ErrorClass::Configuration`], says
    /// that the secret names none.
    pub fn named_database(&self) -> Result<&str> {
        if self.database.is_empty() {
            return Err(wrong(
                "the secret names no database",
                "Add the field databasename, or dump every database by databases = all",
            ));
        }
        Ok(&self.database)
    }

    /// The same with another password, or with a token.
    #[must_use]
    pub fn with_password(self, password: Hidden) -> Self {
        Self { password, ..self }
    }
}

fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}

fn engine(name: &str) -> Result<EngineName> {
    match name.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" | "aurora-postgresql" => Ok(EngineName::Postgres),
        "mongodb" | "mongo" | "documentdb" | "docdb" => Ok(EngineName::Mongodb),
        _ => Err(wrong(
            format!("the secret's field engine is {name:?}"),
            "Use postgres (postgresql and aurora-postgresql mean the same) or mongodb (mongo, \
             documentdb and docdb mean the same)",
        )),
    }
}

#[cfg(test)]
mod tests;
