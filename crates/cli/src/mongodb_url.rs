//! A database of MongoDB, as it is written on the command line: a connection string without a
//! password.

use autodump_core::secret::uri::MongoUri;
use autodump_core::secret::{Hidden, SecretValue};
use autodump_core::{Error, ErrorClass, Result};
use serde_json::json;

/// Where the password is.
pub(crate) const PASSWORD: &str = "MONGODB_PASSWORD";

/// How these URLs begin.
const SCHEMES: [&str; 2] = ["mongodb://", "mongodb+srv://"];

/// Reads one; nothing where the text is none. No error repeats the text: it may hold a password.
pub(crate) fn read(text: &str) -> Option<Result<MongoUri, String>> {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme)).then(|| {
        let uri = MongoUri::parse(text).map_err(|error| {
            // Its words are of the field that a secret has.
            error.to_string().replace("the secret's field uri", "the URL")
        })?;
        if uri.password.is_some() {
            return Err(format!(
                "leave the password out of the URL, since everybody on this machine can read a \
                 command line: set {PASSWORD} instead"
            ));
        }
        for (what, value) in [("user", &uri.username), ("database", &uri.database)] {
            if value.is_none() {
                return Err(format!(
                    "the URL has no {what}: write mongodb://USER@HOST:PORT/DATABASE"
                ));
            }
        }
        Ok(uri)
    })
}

/// What a secret with this connection string would say.
pub(crate) fn value(mut uri: MongoUri, password: Option<String>) -> Result<SecretValue> {
    let password = password.filter(|password| !password.is_empty()).ok_or_else(|| {
        Error::new(
            ErrorClass::Configuration,
            format!("there is no password for {}", uri.shown()),
            format!("Set {PASSWORD}"),
        )
    })?;
    uri.password = Some(Hidden::from(password));
    let fields = json!({ "engine": "mongodb", "uri": uri.rebuilt().expose() });
    SecretValue::parse(&fields.to_string()).map_err(|error| {
        let what = error.what().replace("the secret's field uri", "the URL");
        Error::new(error.class(), what, error.hint())
    })
}

#[cfg(test)]
mod tests {
    use autodump_core::secret::{EngineName, SslMode};

    use super::*;

    fn secret(text: &str) -> SecretValue {
        value(read(text).unwrap().unwrap(), Some("p@ss:w/rd".to_owned())).unwrap()
    }

    #[test]
    fn urls_are_read() {
        let value =
            secret("mongodb://ann%40x@db.example:6000/l%C3%A4den?authSource=admin&tls=false");
        assert_eq!(value.engine, EngineName::Mongodb);
        assert_eq!((value.username.as_str(), value.database.as_str()), ("ann@x", "läden"));
        assert_eq!((value.host.as_str(), value.port), ("db.example", 6000));
        assert_eq!((value.password.expose(), value.sslmode), ("p@ss:w/rd", SslMode::Disable));
        let value = secret("mongodb+srv://ann@cluster.example/d");
        assert!(value.mongodb.unwrap().srv);
        assert_eq!(secret("mongodb://ann@h1,h2:5/d").mongodb.unwrap().hosts.len(), 2);
        assert!(read("postgres://u@h/d").is_none() && read("staging/app").is_none());
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for text in ["mongodb://u:geheim@h/d", "mongodb+srv://u:geheim@h.example/d"] {
            let error = read(text).unwrap().unwrap_err();
            assert!(error.contains(PASSWORD) && !error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, says) in [
            ("mongodb://h/d", "no user"),
            ("mongodb://u@h", "no database"),
            ("mongodb://u@h:x/d", "the URL"),
            ("mongodb://u@h/d?tlsCAFile=/x", "tlsCAFile"),
        ] {
            let error = read(text).unwrap().unwrap_err();
            assert!(error.contains(says) && !error.contains("secret's"), "{text}: {error}");
        }
        let uri = read("mongodb://u@h/d").unwrap().unwrap();
        for password in [None, Some(String::new())] {
            let error = value(uri.clone(), password).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains("mongodb://h:27017/d"), "{error}");
            assert!(error.hint().contains(PASSWORD), "{error}");
        }
    }
}
