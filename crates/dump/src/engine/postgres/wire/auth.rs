//! The start of a session: parameters, proof of who we are, and whatever comes before the
//! server is ready (PostgreSQL's documentation, "Start-up").

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;

use super::super::stderr;
use super::failure::Failure;
use super::input::{LONGEST, Message, Rows};
use super::stream::Stream;
use super::{Endpoint, Session};

const OK: i32 = 0;
const CLEARTEXT_PASSWORD: i32 = 3;
const MD5_PASSWORD: i32 = 5;
const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

const OTHER_METHOD: &str =
    "Let the server take passwords from this user (scram-sha-256 in pg_hba.conf)";
const NO_CLEARTEXT: &str = "Use TLS (sslmode in the secret), or scram-sha-256 in pg_hba.conf";
const CORRECT_IT: &str = "Correct the secret";

/// How far the proof of who we are has come.
enum Login {
    Open,
    /// The server has a password or its hash, and decides.
    Sent,
    Scram(Box<ScramSha256>),
    /// The server has proven that it knows the password too.
    Proven,
    Done,
}

impl Session {
    /// Begins a session over a new connection, until the server is ready.
    pub(super) async fn start(
        stream: Stream,
        endpoint: &Endpoint,
        address: SocketAddr,
    ) -> Result<Self, Failure> {
        // Nobody listens in on a connection that never leaves this machine.
        let private = matches!(stream, Stream::Tls(_)) || address.ip().is_loopback();
        let mut session = Self::over(stream, endpoint.address());
        let parameters = [
            ("user", endpoint.user.as_str()),
            ("database", &endpoint.database),
            ("application_name", "autodump"),
        ];
        frontend::startup_message(parameters, &mut session.output)
            .map_err(|_| nul("the username or the name of the database"))?;
        session.send().await?;
        let mut login = Login::Open;
        loop {
            let message = session.next(Rows::Keep).await?;
            match message.tag {
                b'R' => session.authenticate(endpoint, private, &mut login, &message.body).await?,
                b'K' => session.process_id = integer(&message.body).unwrap_or_default(),
                // We asked for the oldest version and for no options: no older one can come of it.
                b'v' => {}
                b'E' => return Err(Failure::database(&message.body)),
                b'Z' if matches!(login, Login::Done) => break,
                _ => return Err(unexpected(&message)),
            }
        }
        session.ready = true;
        Ok(session)
    }

    async fn authenticate(
        &mut self,
        endpoint: &Endpoint,
        private: bool,
        login: &mut Login,
        body: &[u8],
    ) -> Result<(), Failure> {
        let password = endpoint.password.expose().as_bytes();
        let data = body.get(4..).unwrap_or_default();
        match (integer(body), std::mem::replace(login, Login::Sent)) {
            (Some(OK), Login::Open | Login::Sent | Login::Proven) => {
                *login = Login::Done;
                self.input.longest = LONGEST;
                return Ok(());
            }
            (Some(OK), Login::Scram(_)) => return Err(no_proof("it ends the exchange early")),
            (Some(CLEARTEXT_PASSWORD), Login::Open) => self.cleartext(private, password)?,
            (Some(MD5_PASSWORD), Login::Open) => self.md5(endpoint, data)?,
            (Some(SASL), Login::Open) => *login = Login::Scram(self.sasl(password, data)?),
            (Some(SASL_CONTINUE), Login::Scram(mut exchange)) => {
                exchange.update(data).map_err(no_proof)?;
                frontend::sasl_response(exchange.message(), &mut self.output).map_err(no_proof)?;
                *login = Login::Scram(exchange);
            }
            (Some(SASL_FINAL), Login::Scram(mut exchange)) => {
                exchange.finish(data).map_err(no_proof)?;
                *login = Login::Proven;
                return Ok(());
            }
            (method, _) => {
                let what = format!(
                    "{} asks for authentication by method {}, which is not known here",
                    self.address,
                    method.unwrap_or(-1)
                );
                return Err(Failure::configuration(what, OTHER_METHOD));
            }
        }
        self.send().await
    }

    pub(super) fn cleartext(&mut self, private: bool, password: &[u8]) -> Result<(), Failure> {
        if !private {
            let what = format!("{} asks for the password in clear text, without TLS", self.address);
            return Err(Failure::configuration(what, NO_CLEARTEXT));
        }
        frontend::password_message(password, &mut self.output).map_err(|_| nul("the password"))
    }

    fn md5(&mut self, endpoint: &Endpoint, salt: &[u8]) -> Result<(), Failure> {
        let salt = salt.try_into().map_err(|_| no_proof("its salt has not four bytes"))?;
        let password = endpoint.password.expose().as_bytes();
        let hash = md5_hash(endpoint.user.as_bytes(), password, salt);
        frontend::password_message(hash.as_bytes(), &mut self.output)
            .map_err(|_| nul("the password"))
    }

    fn sasl(&mut self, password: &[u8], mechanisms: &[u8]) -> Result<Box<ScramSha256>, Failure> {
        if !mechanisms.split(|byte| *byte == 0).any(|name| name == SCRAM_SHA_256.as_bytes()) {
            let what = format!(
                "{} asks for one of the SASL mechanisms {:?}, which are not known here",
                self.address,
                String::from_utf8_lossy(mechanisms)
            );
            return Err(Failure::configuration(what, OTHER_METHOD));
        }
        let exchange = Box::new(ScramSha256::new(password, ChannelBinding::unsupported()));
        let output: &mut BytesMut = &mut self.output;
        frontend::sasl_initial_response(SCRAM_SHA_256, exchange.message(), output)
            .map_err(no_proof)?;
        Ok(exchange)
    }
}

/// The server's side of SCRAM is wrong: perhaps it is another server.
fn no_proof(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    let why = io::Error::other(why);
    Failure::meant(
        stderr::PASSWORD,
        format!("authentication failed: the server does not prove that it knows the user: {why}"),
    )
}

fn nul(what: &str) -> Failure {
    Failure::configuration(format!("{what} contains a NUL character"), CORRECT_IT)
}

fn integer(body: &[u8]) -> Option<i32> {
    body.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// A message that has no place here.
pub(super) fn unexpected(message: &Message) -> Failure {
    Failure::Protocol(format!(
        "the server sends a message {:?} of {} bytes where it has no place",
        char::from(message.tag),
        message.body.len()
    ))
}
