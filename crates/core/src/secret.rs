//! The value of a database secret.

use std::fmt;

use serde_json::{Map, Value};

use crate::error::{Error, ErrorClass, Result};

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
}

impl EngineName {
    /// The name in the bucket's layout and the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
        }
    }
}

/// How TLS is used, by libpq's names.
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
}

/// How to reach a database, and as whom.
#[derive(Debug, Clone)]
pub struct SecretValue {
    /// The engine.
    pub engine: EngineName,
    /// Host name or address.
    pub host: String,
    /// Port; the engine's usual one when the secret names none.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role.
    pub username: String,
    /// Its password.
    pub password: Hidden,
    /// Another bucket than the construct's.
    pub bucket: Option<String>,
    /// How TLS is used.
    pub sslmode: SslMode,
    /// Certificates in PEM to trust instead of the RDS bundle.
    pub sslrootcert: Option<String>,
}

impl SecretValue {
    /// Reads the JSON text of a secret. Field names are those of the seed system
    /// (`username, password, databasename, endpoint, engine, bucketname`) or those that RDS
    /// writes (`host, dbname, port, engine`), case-sensitive; fields of others are ignored.
    ///
    /// Errors are [`ErrorClass::Configuration`], name the field, and never show the value of
    /// the password.
    pub fn parse(text: &str) -> Result<Self> {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            return Err(wrong("the secret's value is no JSON object", EXAMPLE));
        };
        let fields = Fields(fields);
        let engine = engine(&fields.required(&["engine"])?)?;
        Ok(Self {
            engine,
            host: fields.required(&["endpoint", "host"])?,
            port: fields.port()?.unwrap_or_else(|| engine.default_port()),
            database: fields.required(&["databasename", "dbname"])?,
            username: fields.required(&["username"])?,
            password: Hidden(fields.raw_required("password")?),
            bucket: fields.text(&["bucketname"])?,
            sslmode: fields.sslmode()?,
            sslrootcert: fields.text(&["sslrootcert"])?,
        })
    }
}

const EXAMPLE: &str = "Store it as key/value pairs: username, password, engine, \
    endpoint (or host), databasename (or dbname), and optionally port, sslmode, bucketname";

fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}

struct Fields(Map<String, Value>);

impl Fields {
    /// The first of `names` that is there and not empty, trimmed.
    fn text(&self, names: &[&str]) -> Result<Option<String>> {
        for name in names {
            match self.0.get(*name) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) if text.trim().is_empty() => {}
                Some(Value::String(text)) => return Ok(Some(text.trim().to_owned())),
                Some(_) => {
                    return Err(wrong(format!("the secret's field {name} is no text"), EXAMPLE));
                }
            }
        }
        Ok(None)
    }

    fn required(&self, names: &[&str]) -> Result<String> {
        self.text(names)?.ok_or_else(|| {
            wrong(format!("the secret has no field {}", names.join(" or ")), EXAMPLE)
        })
    }

    /// A password counts as it stands: spaces at its ends belong to it.
    fn raw_required(&self, name: &str) -> Result<String> {
        match self.0.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::String(_) | Value::Null) | None => {
                Err(wrong(format!("the secret has no field {name}"), EXAMPLE))
            }
            Some(_) => Err(wrong(format!("the secret's field {name} is no text"), EXAMPLE)),
        }
    }

    fn port(&self) -> Result<Option<u16>> {
        let port = match self.0.get("port") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(other) => other.to_string(),
        };
        match port.parse::<u16>() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(wrong(
                format!("the secret's field port is {port:?}"),
                "Use a number from 1 to 65535",
            )),
        }
    }

    fn sslmode(&self) -> Result<SslMode> {
        let Some(name) = self.text(&["sslmode", "tls"])? else { return Ok(SslMode::default()) };
        SslMode::ALL.into_iter().find(|mode| mode.as_str() == name).ok_or_else(|| {
            wrong(
                format!("the secret's field sslmode is {name:?}"),
                "Use disable, prefer, require, verify-ca or verify-full",
            )
        })
    }
}

fn engine(name: &str) -> Result<EngineName> {
    match name.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" | "aurora-postgresql" => Ok(EngineName::Postgres),
        _ => Err(wrong(
            format!("the secret's field engine is {name:?}"),
            "Use postgres (postgresql and aurora-postgresql mean the same)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<SecretValue> {
        SecretValue::parse(&value.to_string())
    }

    #[test]
    fn the_seeds_fields_are_read() {
        let secret = parse(&json!({
            "username": "app", "password": " p'w\"$*%\\ü ", "databasename": "shop",
            "endpoint": "db.internal", "engine": "postgres", "bucketname": "elsewhere",
        }))
        .unwrap();
        assert_eq!(secret.password.expose(), " p'w\"$*%\\ü ");
        assert_eq!((secret.host.as_str(), secret.port), ("db.internal", 5432));
        assert_eq!(secret.database, "shop");
        assert_eq!(secret.bucket.as_deref(), Some("elsewhere"));
        assert_eq!(secret.sslmode, SslMode::VerifyFull);
    }

    #[test]
    fn what_rds_writes_is_read() {
        for port in [json!(6432), json!("6432")] {
            let secret = parse(&json!({
                "username": "app", "password": "x", "dbname": "shop", "host": "db.internal",
                "engine": "aurora-postgresql", "port": port, "sslmode": "require",
                "dbInstanceIdentifier": "shop", "masterarn": null,
            }))
            .unwrap();
            assert_eq!((secret.port, secret.sslmode), (6432, SslMode::Require));
            assert_eq!(secret.bucket, None);
        }
    }

    #[test]
    fn errors_name_the_field_and_hide_the_password() {
        let good = json!({
            "username": "app", "password": "s3cr3t", "dbname": "shop", "host": "h", "engine": "postgres",
        });
        let with = |field: &str, value: Value| {
            let mut secret = good.clone();
            secret[field] = value;
            parse(&secret).unwrap_err().to_string()
        };
        for (error, says) in [
            (with("engine", json!("oracle")), "field engine is \"oracle\""),
            (with("engine", json!(null)), "no field engine"),
            (with("host", json!("")), "no field endpoint or host"),
            (with("password", json!(12)), "field password is no text"),
            (with("port", json!(70000)), "field port is \"70000\""),
            (with("sslmode", json!("maybe")), "field sslmode is \"maybe\""),
            (with("username", json!(["app"])), "field username is no text"),
        ] {
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("s3cr3t"), "{error}");
        }
        for text in ["s3cr3t", "{\"password\": \"s3cr3t\"", "[\"s3cr3t\"]", ""] {
            let error = SecretValue::parse(text).unwrap_err();
            assert!(error.to_string().contains("no JSON object"));
            assert!(!format!("{error:?}").contains("s3cr3t"));
        }
        let shown = format!("{:?}", parse(&good).unwrap());
        assert!(shown.contains("(hidden)") && !shown.contains("s3cr3t"), "{shown}");
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(text in "\\PC{0,60}") {
            let _ = SecretValue::parse(&text);
        }
    }
}
