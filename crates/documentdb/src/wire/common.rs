//! Commands that do not depend on what is behind the wire.

use bson::{DateTime, RawArrayBuf, RawDocumentBuf, cstr, rawdoc};

use super::backend::Version;
use super::message::{MAX_MESSAGE, Request};
use super::reply::{Failure, Reply};

/// How the server presents itself.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Host and port, as clients reach it.
    pub(crate) address: String,
    /// The replica set that it says to be the only member of.
    pub(crate) set_name: Option<String>,
    /// Whether it says to be a router to shards.
    pub(crate) router: bool,
    pub(crate) version: Version,
    /// Whether clients have to authenticate.
    pub(crate) closed: bool,
    /// Whether it tells of which version its users are.
    pub(crate) shows_users: bool,
}

/// The answer, or `None` where the command is for what is behind.
pub(crate) fn answer(
    identity: &Identity,
    user: Option<&str>,
    request: &Request,
) -> Option<Result<Reply, Failure>> {
    let reply = match request.name.to_lowercase().as_str() {
        "hello" | "ismaster" => hello(identity, request),
        "buildinfo" => build_info(identity.version),
        "ping" | "endsessions" | "killsessions" | "refreshsessions" | "logout" => {
            rawdoc! { "ok": 1.0 }
        }
        "startsession" => rawdoc! { "timeoutMinutes": 30, "ok": 1.0 },
        "connectionstatus" => connection_status(user),
        "whatsmyuri" => rawdoc! { "you": "127.0.0.1:1", "ok": 1.0 },
        "getlog" => rawdoc! { "totalLinesWritten": 0, "log": [], "ok": 1.0 },
        "getparameter" => return Some(parameters(identity, request)),
        _ => return None,
    };
    Some(Ok(reply.into()))
}

fn hello(identity: &Identity, request: &Request) -> RawDocumentBuf {
    let mut reply = rawdoc! {
        "helloOk": true,
        "maxBsonObjectSize": 16 * 1024 * 1024,
        "maxMessageSizeBytes": i32::try_from(MAX_MESSAGE).unwrap_or(i32::MAX),
        "maxWriteBatchSize": 100_000,
        "localTime": DateTime::now(),
        "logicalSessionTimeoutMinutes": 30,
        "connectionId": 1,
        "minWireVersion": 0,
        "maxWireVersion": identity.version.wire,
        "readOnly": false,
    };
    let first =
        if request.name == "hello" { cstr!("isWritablePrimary") } else { cstr!("ismaster") };
    reply.append(first, true);
    if identity.router {
        reply.append(cstr!("msg"), "isdbgrid");
    }
    if let Some(set) = &identity.set_name {
        let mut hosts = RawArrayBuf::new();
        hosts.push(identity.address.as_str());
        reply.append(cstr!("setName"), set.as_str());
        reply.append(cstr!("setVersion"), 1);
        reply.append(cstr!("secondary"), false);
        reply.append(cstr!("hosts"), hosts);
        reply.append(cstr!("primary"), identity.address.as_str());
        reply.append(cstr!("me"), identity.address.as_str());
    }
    if identity.closed && request.body.get("saslSupportedMechs").is_ok_and(|value| value.is_some())
    {
        let mut mechanisms = RawArrayBuf::new();
        mechanisms.push("SCRAM-SHA-256");
        reply.append(cstr!("saslSupportedMechs"), mechanisms);
    }
    reply.append(cstr!("ok"), 1.0);
    reply
}

fn build_info(version: Version) -> RawDocumentBuf {
    let mut numbers = RawArrayBuf::new();
    for part in version.number {
        numbers.push(part);
    }
    numbers.push(0);
    rawdoc! {
        "version": version.text(),
        "versionArray": numbers,
        "maxBsonObjectSize": 16 * 1024 * 1024,
        "ok": 1.0,
    }
}

fn connection_status(user: Option<&str>) -> RawDocumentBuf {
    let mut users = RawArrayBuf::new();
    if let Some(user) = user {
        users.push(rawdoc! { "user": user, "db": "admin" });
    }
    rawdoc! {
        "authInfo": { "authenticatedUsers": users, "authenticatedUserRoles": [] },
        "ok": 1.0,
    }
}

/// Of those parameters that clients ask for: the others are unknown, as on an older server.
fn parameters(identity: &Identity, request: &Request) -> Result<Reply, Failure> {
    let [major, minor, _] = identity.version.number;
    let mut reply = RawDocumentBuf::new();
    if asked(request, "featureCompatibilityVersion") {
        let version = rawdoc! { "version": format!("{major}.{minor}") };
        reply.append(cstr!("featureCompatibilityVersion"), version);
    }
    if identity.shows_users && asked(request, "authSchemaVersion") {
        reply.append(cstr!("authSchemaVersion"), 5);
    }
    if reply.is_empty() {
        return Err(Failure::new(72, "InvalidOptions", "no option found to get"));
    }
    reply.append(cstr!("ok"), 1.0);
    Ok(reply.into())
}

fn asked(request: &Request, parameter: &str) -> bool {
    request.body.get(parameter).is_ok_and(|value| value.is_some())
}
