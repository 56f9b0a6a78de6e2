//! From a name to a connection that is ready to be spoken over.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::secret::SslMode;
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustix::net::sockopt;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::super::stderr;
use super::failure::Failure;
use super::stream::{Stream, buffered};
use super::{Endpoint, Session};

/// For one address, from the first packet until the server is ready.
const PATIENCE: Duration = Duration::from_secs(15);
/// A server that vanished without a word is noticed after about two minutes.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_COUNT: u32 = 4;

/// `cannot_connect_now`: the next address may be of a server that can.
const CANNOT_CONNECT_NOW: &str = "57P03";
/// `invalid_authorization_specification`: `pg_hba.conf` may want it without TLS.
const NOT_THIS_WAY: &str = "28000";

/// Tries all addresses of the name, one after another, until one works or refuses.
pub(super) async fn connect(endpoint: &Endpoint) -> Result<Session, Failure> {
    let mut earlier = String::new();
    let mut last: Option<(String, io::Error)> = None;
    let mut starting = None;
    for address in resolve(endpoint).await? {
        let attempt = timeout(PATIENCE, attempt(endpoint, address)).await;
        match attempt.unwrap_or_else(|_| Err(too_late(address))) {
            Err(Failure::Unreachable(at, error) | Failure::Lost(at, error)) => {
                if let Some((at, error)) = last.replace((at, error)) {
                    let _ = write!(earlier, "{at}: {error}; ");
                }
            }
            Err(failure) if failure.code() == Some(CANNOT_CONNECT_NOW) => starting = Some(failure),
            done => return done,
        }
    }
    if let Some(failure) = starting {
        return Err(failure);
    }
    let (at, error) = last.unwrap_or_else(|| (String::new(), io::ErrorKind::NotFound.into()));
    let what = format!("cannot connect to {} ({earlier}{at})", endpoint.address());
    Err(Failure::Unreachable(what, error))
}

fn too_late(address: SocketAddr) -> Failure {
    let waited = format!("no answer within {} s", PATIENCE.as_secs());
    Failure::Unreachable(address.ip().to_string(), io::Error::new(io::ErrorKind::TimedOut, waited))
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
    let name = (endpoint.host.as_str(), endpoint.port);
    let what = || format!("could not translate host name {:?} to address", endpoint.host);
    let addresses = timeout(PATIENCE, tokio::net::lookup_host(name))
        .await
        .map_err(|late| Failure::Unreachable(what(), late.into()))?;
    match addresses.map(Iterator::collect::<Vec<_>>) {
        Ok(addresses) if addresses.is_empty() => Err(Failure::meant(stderr::HOST, what())),
        Ok(addresses) => Ok(addresses),
        // The cause is known by the resolver's words alone (those of glibc and musl).
        Err(error) if says_try_again(&error.to_string()) => {
            Err(Failure::Unreachable(what(), error))
        }
        Err(error) => Err(Failure::meant(stderr::HOST, format!("{}: {error}", what()))),
    }
}

fn says_try_again(error: &str) -> bool {
    ["Temporary failure", "Try again", "System error", "Memory allocation"]
        .iter()
        .any(|says| error.contains(says))
}

async fn attempt(endpoint: &Endpoint, address: SocketAddr) -> Result<Session, Failure> {
    let Some(tls) = &endpoint.tls else {
        return Session::start(Stream::Plain(tcp(address).await?), endpoint, address).await;
    };
    let first = match secured(endpoint, tls, address).await {
        Ok(stream) => Session::start(stream, endpoint, address).await,
        Err(failure) => Err(failure),
    };
    match first {
        Err(failure) if endpoint.sslmode == SslMode::Prefer && wants_no_tls(&failure) => {
            Session::start(Stream::Plain(tcp(address).await?), endpoint, address).await
        }
        done => done,
    }
}

/// Where the mode leaves it open, another try without TLS may do.
fn wants_no_tls(failure: &Failure) -> bool {
    match failure {
        Failure::Database(error) => error.code == NOT_THIS_WAY,
        Failure::Unreachable(_, error) => {
            use io::ErrorKind::{ConnectionReset, UnexpectedEof};
            tls_error(error).is_some() || matches!(error.kind(), UnexpectedEof | ConnectionReset)
        }
        Failure::Refused { .. } | Failure::Lost(..) | Failure::Protocol(_) => false,
    }
}

async fn tcp(address: SocketAddr) -> Result<TcpStream, Failure> {
    let at = |error: io::Error| Failure::Unreachable(address.ip().to_string(), error);
    let stream = TcpStream::connect(address).await.map_err(at)?;
    stream.set_nodelay(true).map_err(at)?;
    sockopt::set_socket_keepalive(&stream, true)
        .and_then(|()| sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE))
        .and_then(|()| sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL))
        .and_then(|()| sockopt::set_tcp_keepcnt(&stream, KEEPALIVE_COUNT))
        .map_err(|error| at(error.into()))?;
    Ok(stream)
}

/// Asks for TLS. The answer is one byte and nothing is read beyond it: whatever somebody may
/// have put behind it goes to TLS, which refuses it (CVE-2021-23222).
async fn secured(
    endpoint: &Endpoint,
    tls: &Arc<ClientConfig>,
    address: SocketAddr,
) -> Result<Stream, Failure> {
    let at = |error: io::Error| Failure::Unreachable(address.ip().to_string(), error);
    let mut stream = tcp(address).await?;
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(at)?;
    match stream.read_u8().await.map_err(at)? {
        b'S' => handshake(endpoint, tls, stream, address).await,
        b'N' if endpoint.sslmode == SslMode::Prefer => Ok(Stream::Plain(stream)),
        b'N' => Err(Failure::meant(
            stderr::NO_TLS,
            format!("{} does not support SSL, but SSL was required", endpoint.address()),
        )),
        // What the server says before it has shown its certificate could be anybody's words.
        b'E' => Err(at(io::Error::other("the server answered the request for TLS by an error"))),
        other => Err(Failure::Protocol(format!(
            "{} answered the request for TLS by {:?}",
            endpoint.address(),
            char::from(other)
        ))),
    }
}

async fn handshake(
    endpoint: &Endpoint,
    tls: &Arc<ClientConfig>,
    stream: TcpStream,
    address: SocketAddr,
) -> Result<Stream, Failure> {
    let name = ServerName::try_from(endpoint.host.clone())
        .unwrap_or_else(|_| ServerName::IpAddress(address.ip().into()));
    let connected = TlsConnector::from(Arc::clone(tls)).connect(name, buffered(stream)).await;
    match connected {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
        Err(error) => Err(match tls_error(&error) {
            Some(rustls::Error::InvalidCertificate(why)) => Failure::meant(
                stderr::CERTIFICATE,
                format!("certificate verify failed for {}: {why}", endpoint.address()),
            ),
            _ => Failure::Unreachable(format!("{}, TLS", address.ip()), error),
        }),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
