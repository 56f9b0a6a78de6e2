//! A proxy between a client and the server that limits each connection, as one backend of a remote server is limited.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Bytes that are passed on at once: 2.6 ms of 25 MB/s.
const PIECE: usize = 64 << 10;

/// A pause that came out longer is made up for by at most this much.
const CATCH_UP: Duration = Duration::from_millis(20);

/// A proxy on a loopback port of its own. Dropping it cuts its connections.
#[derive(Debug)]
pub(super) struct Proxy {
    port: u16,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Passes connections on to the server's port; from server to client at most `bytes_per_s` in each.
    pub(super) async fn start(server: u16, bytes_per_s: u64) -> Result<Self> {
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.context("no port for the proxy")?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((client, _)) = listener.accept() => {
                        connections.spawn(pass(client, server, bytes_per_s));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { port, task })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until both sides have ended or one has failed.
async fn pass(client: TcpStream, server: u16, bytes_per_s: u64) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(up(from_client, to_server), down(from_server, to_client, bytes_per_s))?;
    Ok(())
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}

async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    bytes_per_s: u64,
) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut pace = Pace { bytes_per_s, due: Instant::now() };
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let due = pace.take(length as u64, Instant::now());
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        to.write_all(&piece[..length]).await?;
    }
}

/// A token bucket, kept as the time at which all that was taken may have passed.
#[derive(Debug)]
struct Pace {
    bytes_per_s: u64,
    due: Instant,
}

impl Pace {
    /// When these bytes may have passed.
    fn take(&mut self, bytes: u64, now: Instant) -> Instant {
        let from = now.checked_sub(CATCH_UP).map_or(now, |earliest| self.due.max(earliest));
        self.due = from + Duration::from_nanos(bytes * 1_000_000_000 / self.bytes_per_s);
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_connection_gets_its_rate_and_an_idle_one_saves_nothing_up() {
        let start = Instant::now();
        let mut pace = Pace { bytes_per_s: 25_000_000, due: start };
        for _ in 0..100 {
            pace.take(250_000, start);
        }
        assert_eq!(pace.due - start, Duration::from_secs(1));
        let later = start + Duration::from_mins(1);
        let due = pace.take(25_000_000, later);
        assert_eq!(due - later + CATCH_UP, Duration::from_secs(1));
    }

    #[tokio::test]
    async fn bytes_arrive_as_they_were_sent_and_so_does_the_end() {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = server.local_addr().unwrap().port();
        let proxy = Proxy::start(port, 1_000_000_000).await.unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let (mut socket, _) = server.accept().await.unwrap();
        let mut question = Vec::new();
        socket.read_to_end(&mut question).await.unwrap();
        assert_eq!(question, b"question");
        let answer: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        socket.write_all(&answer).await.unwrap();
        drop(socket);
        let mut arrived = Vec::new();
        client.read_to_end(&mut arrived).await.unwrap();
        assert!(arrived == answer);
    }
}
