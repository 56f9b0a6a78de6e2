//! Who may do what: everybody everything, unless users are given. Then only who proves a password may.

mod scram;

use anyhow::Result;
use bson::{Binary, RawDocument, rawdoc, spec::BinarySubtype};

use crate::wire::message::Request;
use crate::wire::reply::{Failure, Reply};
use scram::{Account, Exchange};

/// A user of the database `admin`, who may do everything.
#[derive(Clone, Debug)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// All users that a server knows.
pub(crate) struct Users(Vec<Account>);

/// How far a connection has come.
#[derive(Default)]
pub(crate) struct Login {
    exchange: Option<Exchange>,
    /// Who it is.
    pub(crate) user: Option<String>,
}

/// What is answered before it is known who asks.
const OPEN: [&str; 6] = ["ping", "hello", "ismaster", "buildinfo", "logout", "endsessions"];

impl Users {
    pub(crate) fn new(users: &[User]) -> Self {
        Self(users.iter().map(|user| Account::new(&user.name, &user.password)).collect())
    }

    /// Whether clients have to authenticate.
    pub(crate) fn required(&self) -> bool {
        !self.0.is_empty()
    }

    /// Answers the commands of authentication, and refuses all others before it is done.
    /// `None` is for commands that may go on.
    pub(crate) fn answer(
        &self,
        login: &mut Login,
        request: &Request,
    ) -> Option<Result<Reply, Failure>> {
        match request.name.as_str() {
            "saslStart" => Some(self.start(login, request)),
            "saslContinue" => Some(proceed(login, &request.body)),
            name if self.required() && login.user.is_none() => {
                let open = OPEN.contains(&name.to_lowercase().as_str());
                (!open).then(|| Err(unauthorized(name)))
            }
            _ => None,
        }
    }

    fn start(&self, login: &mut Login, request: &Request) -> Result<Reply, Failure> {
        *login = Login::default();
        let mechanism = request.body.get_str("mechanism").map_err(invalid)?;
        if mechanism != "SCRAM-SHA-256" {
            let message = format!("no mechanism {mechanism} for this user");
            return Err(Failure::new(334, "MechanismUnavailable", message));
        }
        if request.database != "admin" {
            return Err(failed());
        }
        let (exchange, answer) =
            Exchange::start(&self.0, payload(&request.body)?).ok_or_else(failed)?;
        login.exchange = Some(exchange);
        Ok(step(&answer, false))
    }
}

fn proceed(login: &mut Login, body: &RawDocument) -> Result<Reply, Failure> {
    let exchange = login.exchange.take().ok_or_else(failed)?;
    let (answer, user) = exchange.finish(payload(body)?).ok_or_else(failed)?;
    login.user = Some(user);
    Ok(step(&answer, true))
}

/// Drivers that do not skip the empty exchange at the end take an early `done`, too.
fn step(payload: &str, done: bool) -> Reply {
    let payload = Binary { subtype: BinarySubtype::Generic, bytes: payload.as_bytes().to_vec() };
    rawdoc! { "conversationId": 1, "done": done, "payload": payload, "ok": 1.0 }.into()
}

fn payload(body: &RawDocument) -> Result<&str, Failure> {
    let payload = body.get_binary("payload").map_err(invalid)?;
    std::str::from_utf8(payload.bytes).map_err(|_| failed())
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn invalid(error: bson::error::Error) -> Failure {
    Failure::bad_value(error.to_string())
}

fn failed() -> Failure {
    Failure::new(18, "AuthenticationFailed", "Authentication failed.")
}

fn unauthorized(command: &str) -> Failure {
    Failure::new(13, "Unauthorized", format!("command {command} requires authentication"))
}
