//! A network between a client and a server that breaks.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Breaks every connection when so many bytes have come from clients, and none after that.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    left: Arc<AtomicI64>,
}

impl Proxy {
    pub(crate) async fn new(to: u16, after: i64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let left = Arc::new(AtomicI64::new(after));
        let count = Arc::clone(&left);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, to, Arc::clone(&count)));
            }
        });
        Self { port, left }
    }

    /// Whether it broke.
    pub(crate) fn broke(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }
}

async fn pass(client: TcpStream, to: u16, left: Arc<AtomicI64>) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let length_ = i64::try_from(length).unwrap();
            let before = left.fetch_sub(length_, Ordering::SeqCst);
            if to_server.write_all(&buffer[..length]).await.is_err() {
                return;
            }
            if before >= 0 && before < length_ {
                return;
            }
        }
    };
    let down = async { tokio::io::copy(&mut from_server, &mut to_client).await };
    tokio::select! {
        () = up => {}
        _ = down => {}
    }
}
