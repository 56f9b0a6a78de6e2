//! The connection string of MongoDB, `mongodb://` or `mongodb+srv://`, as a secret has it.
//!
//! It is read here rather than by the programs that use it: their errors quote the password.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use super::{Hidden, wrong};
use crate::error::{Error, Result};

/// The port of a host that names none.
pub(super) const PORT: u16 = 27017;

/// The options that are understood, as they are written. Their names' case does not matter.
const OPTIONS: [&str; 17] = [
    "appName",
    "authMechanism",
    "authSource",
    "compressors",
    "directConnection",
    "journal",
    "loadBalanced",
    "maxStalenessSeconds",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "ssl",
    "tls",
    "tlsInsecure",
    "w",
];

/// A connection string, taken apart. `Debug` leaves the password out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MongoUri {
    /// Hosts and options come from DNS: `mongodb+srv`.
    pub srv: bool,
    /// Hosts and their ports. One of `srv`, whose port is not used.
    pub hosts: Vec<(String, u16)>,
    /// The user.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Hidden>,
    /// The database.
    pub database: Option<String>,
    /// Options, by their names as MongoDB writes them, in their order.
    pub options: Vec<(&'static str, String)>,
}

impl MongoUri {
    /// Reads one. Errors are of class
    /// [`Configuration`](crate::error::ErrorClass::Configuration), and show no part of what may
    /// be the password.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (srv, rest) = scheme(text)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if rest.contains('@') {
            return Err(unencoded("/, ?, # or @", "%2F, %3F, %23 or %40"));
        }
        let (username, password, hosts) = user(authority)?;
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        if rest.contains('#') {
            return Err(faulty("has a #, and what follows one means nothing", "Remove it"));
        }
        let database = decoded(path.strip_prefix('/').unwrap_or(path), "the database")?;
        Ok(Self {
            srv,
            hosts: read_hosts(hosts, srv)?,
            username,
            password,
            database: Some(database).filter(|database| !database.is_empty()),
            options: read_options(options)?,
        })
    }

    /// The value of an option.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        let option = self.options.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        option.map(|(_, value)| value.as_str())
    }

    /// For people: where it leads, without user, password and options.
    #[must_use]
    pub fn shown(&self) -> String {
        let database = self.database.as_deref().unwrap_or_default();
        format!("{}{}/{database}", self.scheme(), self.host_list())
    }

    /// The whole of it, each part encoded again: for a program's file of settings.
    #[must_use]
    pub fn rebuilt(&self) -> Hidden {
        let mut text = self.scheme().to_owned();
        if let Some(username) = &self.username {
            text.push_str(&encoded(username));
            if let Some(password) = &self.password {
                text.push(':');
                text.push_str(&encoded(password.expose()));
            }
            text.push('@');
        }
        text.push_str(&self.host_list());
        text.push('/');
        text.push_str(&encoded(self.database.as_deref().unwrap_or_default()));
        for (number, (name, value)) in self.options.iter().enumerate() {
            text.push(if number == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.push_str(&encoded(value));
        }
        Hidden::from(text)
    }

    const fn scheme(&self) -> &'static str {
        if self.srv { "mongodb+srv://" } else { "mongodb://" }
    }

    fn host_list(&self) -> String {
        let one = |(host, port): &(String, u16)| {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            if self.srv { host } else { format!("{host}:{port}") }
        };
        self.hosts.iter().map(one).collect::<Vec<_>>().join(",")
    }
}

fn scheme(text: &str) -> Result<(bool, &str)> {
    if let Some(rest) = text.strip_prefix("mongodb://") {
        return Ok((false, rest));
    }
    let rest = text.strip_prefix("mongodb+srv://").ok_or_else(|| {
        faulty("begins with neither mongodb:// nor mongodb+srv://", "Write it as MongoDB does")
    })?;
    Ok((true, rest))
}

/// User, password, and what stands behind them.
fn user(authority: &str) -> Result<(Option<String>, Option<Hidden>, &str)> {
    let Some((user, hosts)) = authority.rsplit_once('@') else {
        return Ok((None, None, authority));
    };
    if user.contains('@') {
        return Err(unencoded("@", "%40"));
    }
    let (name, password) = match user.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (user, None),
    };
    if password.is_some_and(|password| password.contains(':')) {
        return Err(unencoded(":", "%3A"));
    }
    let name = decoded(name, "the user name")?;
    if name.is_empty() {
        return Err(faulty(
            "has an @ and no user name before it",
            "Name the user, or remove the @",
        ));
    }
    let password = password.map(|password| decoded(password, "the password")).transpose()?;
    Ok((Some(name), password.map(Hidden::from), hosts))
}

fn read_hosts(text: &str, srv: bool) -> Result<Vec<(String, u16)>> {
    let hosts = text.split(',').map(|host| read_host(host, srv)).collect::<Result<Vec<_>>>()?;
    if srv && hosts.len() != 1 {
        return Err(faulty(
            "names several hosts, and mongodb+srv:// finds them by one name",
            "Name that one, or write mongodb://",
        ));
    }
    Ok(hosts)
}

fn read_host(text: &str, srv: bool) -> Result<(String, u16)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address.to_owned(), Some(rest).filter(|rest| !rest.is_empty())),
        None => match text.find(':') {
            Some(at) => (decoded(&text[..at], "a host")?, Some(&text[at..])),
            None => (decoded(text, "a host")?, None),
        },
    };
    if host.is_empty() {
        return Err(faulty("has an empty name for a host", "Name each host, with commas between"));
    }
    if host.starts_with('/') {
        return Err(faulty("names a socket of this machine", "Name a host"));
    }
    if !is_host(&host) {
        return Err(faulty(
            "has a host that is neither a name nor an address",
            "Names have letters, digits and - . _, and addresses with colons stand in brackets",
        ));
    }
    let Some(port) = port else { return Ok((host, PORT)) };
    if srv {
        return Err(faulty("is mongodb+srv:// with a port, which DNS tells", "Remove the port"));
    }
    let number = port.strip_prefix(':').and_then(|port| port.parse().ok()).filter(|port| *port > 0);
    let number = number.ok_or_else(|| {
        faulty(
            &format!("has a port of the host {host} that is none"),
            "Use a number from 1 to 65535",
        )
    })?;
    Ok((host, number))
}

/// Whether it is a host's name or address, and nothing besides: it is written as it stands.
pub(super) fn is_host(text: &str) -> bool {
    let is_plain = |character: char| character.is_alphanumeric() || "-._".contains(character);
    text.parse::<Ipv6Addr>().is_ok() || (!text.is_empty() && text.chars().all(is_plain))
}

fn read_options(text: &str) -> Result<Vec<(&'static str, String)>> {
    let mut options: Vec<(&'static str, String)> = Vec::new();
    for option in text.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let known = OPTIONS.into_iter().find(|known| known.eq_ignore_ascii_case(name));
        let known = known.ok_or_else(|| {
            let hint = format!(
                "Remove it: understood are {}. Certificates belong into the field sslrootcert",
                OPTIONS.join(", ")
            );
            // Whoever encodes too much may have made a password an option.
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let what =
                if is_name { format!("the option {name:?}") } else { "an option".to_owned() };
            faulty(&format!("has {what}, which is not understood"), &hint)
        })?;
        let repeats = options.iter().any(|(other, _)| *other == known);
        if repeats && known != "readPreferenceTags" {
            return Err(faulty(&format!("has the option {known} twice"), "Remove one of them"));
        }
        options.push((known, decoded(value, &format!("the option {known}"))?));
    }
    Ok(options)
}

/// Undoes percent encoding. The error names `what`, and nothing of it.
fn decoded(text: &str, what: &str) -> Result<String> {
    let fault = || {
        faulty(
            &format!("has a % in {what} that two hexadecimal digits do not follow"),
            "Write a percent sign itself as %25",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, more)) = rest.split_first() {
        rest = more;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2).ok_or_else(fault)?;
        let mut decoded = [0];
        hex::decode_to_slice(digits, &mut decoded).map_err(|_| fault())?;
        bytes.extend(decoded);
        rest = more;
    }
    String::from_utf8(bytes)
        .map_err(|_| faulty(&format!("has bytes in {what} that are no UTF-8"), "Correct them"))
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn unencoded(characters: &str, codes: &str) -> Error {
    faulty(
        &format!("has {characters} where only a user name or password could have it"),
        &format!("In user name and password write {codes} for it"),
    )
}

fn faulty(what: &str, hint: &str) -> Error {
    wrong(format!("the secret's field uri {what}"), hint)
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
