//! The secret of a database of MongoDB: fields of its own, or a connection string.

use super::fields::Fields;
use super::uri::{self, MongoUri};
use super::{Authentication, EngineName, Hidden, SecretValue, tls, wrong};
use crate::error::{Error, Result};
use crate::options::{ReadPreference, names};

const URI: &str = "uri";
/// The same by the name of an older system's setting.
const OLD_URI: &str = "MongoURI";
/// The names by which a secret may have it.
pub(super) const URIS: [&str; 2] = [URI, OLD_URI];

/// What MongoDB on Linux allows in no name of a database; and the star, which stands for all of
/// them.
const NOT_IN_NAMES: [char; 8] = ['/', '\\', '.', ' ', '"', '$', '*', '\0'];

/// What a connection string says, so that no field may say it too.
const SAID_BY_URI: [&str; 7] =
    ["endpoint", "host", "port", "username", "password", "authsource", "replicaset"];

/// Options of a connection string that fields of [`SecretValue`] say, or nobody needs.
const MOVED: [&str; 4] = ["compressors", "ssl", "tls", "tlsInsecure"];

/// Where it is, and as whom it is reached.
struct Place {
    /// With user, password and database.
    uri: MongoUri,
    host: String,
    port: u16,
    username: String,
    password: Hidden,
    /// Empty where none is named.
    database: String,
}

pub(super) fn read(fields: &Fields) -> Result<SecretValue> {
    if fields.has(URI) && fields.has(OLD_URI) {
        return Err(twice(OLD_URI));
    }
    read_named(fields).map_err(|error| {
        if !fields.has(OLD_URI) {
            return error;
        }
        let named = |text: &str| text.replace("field uri", &format!("field {OLD_URI}"));
        Error::new(error.class(), named(error.what()), named(error.hint()))
    })
}

fn read_named(fields: &Fields) -> Result<SecretValue> {
    if fields.authentication()? == Authentication::Iam {
        return Err(no_iam("the secret's field authentication is \"iam\""));
    }
    let Place { uri, host, port, username, password, database } = match fields.text(&URIS)? {
        Some(text) => of_uri(fields, &text)?,
        None => of_fields(fields)?,
    };
    check_name(&database)?;
    let sslmode = tls::mode(fields, &uri)?;
    let options = fields.options()?;
    check_read_preference(&uri, options.read_preference)?;
    let kept = |(name, _): &(&str, String)| !MOVED.contains(name);
    let mongodb = MongoUri {
        username: None,
        password: None,
        database: None,
        options: uri.options.into_iter().filter(kept).collect(),
        ..uri
    };
    Ok(SecretValue {
        engine: EngineName::Mongodb,
        host,
        port,
        database,
        username,
        authentication: Authentication::Password,
        password,
        bucket: fields.text(&["bucketname"])?,
        sslmode,
        sslrootcert: fields.text(&["sslrootcert"])?,
        mongodb: Some(mongodb),
        options,
    })
}

fn of_uri(fields: &Fields, text: &str) -> Result<Place> {
    if let Some(name) = SAID_BY_URI.into_iter().find(|name| fields.has(name)) {
        return Err(twice(name));
    }
    let mut uri = MongoUri::parse(text)?;
    check_mechanism(&uri)?;
    let (Some(username), Some(password)) = (uri.username.take(), uri.password.take()) else {
        return Err(wrong(
            "the secret's field uri names no user, or no password",
            "Write it as mongodb://user:password@host/database",
        ));
    };
    if password.expose().is_empty() {
        return Err(wrong("the secret's field uri has an empty password", "Name the password"));
    }
    let database = match (uri.database.take(), fields.named(&["databasename", "dbname"])?) {
        (Some(_), Some((name, _))) => return Err(twice(name)),
        (Some(database), None) => {
            // DNS may say another one, which this would hide.
            if !uri.srv && uri.option("authSource").is_none() {
                uri.options.push(("authSource", database.clone()));
            }
            database
        }
        (None, Some((_, database))) => database,
        (None, None) => String::new(),
    };
    let (host, port) = uri.hosts.first().cloned().unwrap_or_default();
    Ok(Place { uri, host, port, username, password, database })
}

fn of_fields(fields: &Fields) -> Result<Place> {
    let names = ["endpoint", "host"];
    let (name, host) = fields.named(&names)?.ok_or_else(|| {
        wrong(
            "the secret has no field endpoint, host or uri",
            "Name the host in endpoint, or give MongoDB's connection string in uri",
        )
    })?;
    if !uri::is_host(&host) {
        return Err(wrong(
            format!("the secret's field {name} is neither a host's name nor an address"),
            "Name one host, without its port, which has a field of its own; a connection string \
             belongs into the field uri",
        ));
    }
    let port = fields.port()?.unwrap_or_else(|| EngineName::Mongodb.default_port());
    let source = fields.text(&["authsource"])?.unwrap_or_else(|| "admin".to_owned());
    let replica_set = fields.text(&["replicaset"])?;
    let options = [
        Some(("authSource", source)),
        replica_set.map(|name| ("replicaSet", name)),
        // Amazon DocumentDB knows no such writes.
        Some(("retryWrites", "false".to_owned())),
    ];
    Ok(Place {
        uri: MongoUri {
            srv: false,
            hosts: vec![(host.clone(), port)],
            username: None,
            password: None,
            database: None,
            options: options.into_iter().flatten().collect(),
        },
        host,
        port,
        username: fields.required(&["username"])?,
        password: Hidden(fields.raw_required("password")?),
        database: fields.text(&["databasename", "dbname"])?.unwrap_or_default(),
    })
}

/// That a database can have this name, or there is none.
fn check_name(database: &str) -> Result<()> {
    match database.chars().find(|character| NOT_IN_NAMES.contains(character)) {
        None => Ok(()),
        Some(character) => Err(wrong(
            format!("the database that the secret names has {character:?} in its name"),
            "No database of MongoDB has such a name: correct it, or dump every database by \
             databases = all and no name",
        )),
    }
}

fn check_mechanism(uri: &MongoUri) -> Result<()> {
    match uri.option("authMechanism") {
        None | Some("SCRAM-SHA-1" | "SCRAM-SHA-256") => Ok(()),
        Some("MONGODB-AWS") => {
            Err(no_iam("the secret's field uri has the option authMechanism=MONGODB-AWS"))
        }
        Some(_) => Err(wrong(
            "the secret's field uri has an option authMechanism that is not supported",
            "Use SCRAM-SHA-256 or SCRAM-SHA-1, or leave it out",
        )),
    }
}

/// That the connection string names one, if any, and no other than the field.
fn check_read_preference(uri: &MongoUri, field: Option<ReadPreference>) -> Result<()> {
    let Some(said) = uri.option("readPreference") else { return Ok(()) };
    let said: ReadPreference = said.parse().map_err(|reason| {
        wrong(
            format!("the secret's field uri has an option readPreference that {reason}"),
            "Correct the option, or leave it out",
        )
    })?;
    match field {
        Some(field) if field != said => Err(wrong(
            format!(
                "the secret's field {} is {:?}, and its field uri has the option \
                 readPreference={}",
                names::READ_PREFERENCE,
                field.as_str(),
                said.as_str()
            ),
            "Say it in one of them",
        )),
        _ => Ok(()),
    }
}

fn no_iam(what: &str) -> Error {
    wrong(format!("{what}, which is not supported for mongodb yet"), "Use a user and a password")
}

fn twice(name: &str) -> Error {
    wrong(
        format!("the secret has the field uri and the field {name}, which say the same thing"),
        format!("Remove the field {name}, or the field uri"),
    )
}

#[cfg(test)]
#[path = "mongodb_tests.rs"]
mod tests;
