//! A tap between a job and a server: what the server sends stops after so many bytes, and goes on
//! when the case says so. So a dump stands in the middle of its rows, whatever the machine does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

const PIECE: usize = 64 * 1024;
const BUFFER: u32 = 128 * 1024;
const LIMIT: Duration = Duration::from_mins(1);

/// A port that passes connections on to a server. Dropping it cuts all of them.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) port: u16,
    flow: Arc<Flow>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Flow {
    /// Bytes that the server has sent, over all connections.
    passed: watch::Sender<u64>,
    /// How many may.
    most: watch::Sender<u64>,
}

impl Tap {
    /// A tap before the server on this port of loopback.
    pub(crate) async fn new(server: u16, most: u64) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let flow = Arc::new(Flow { passed: watch::Sender::new(0), most: watch::Sender::new(most) });
        let task = tokio::spawn(serve(listener, server, Arc::clone(&flow))).abort_handle();
        Ok(Self { port, flow, task })
    }

    /// Waits until as much has passed as may, so that nothing more does.
    pub(crate) async fn has_stopped(&self) -> Result<()> {
        let most = *self.flow.most.borrow();
        let mut passed = self.flow.passed.subscribe();
        let stopped = passed.wait_for(|passed| *passed >= most);
        tokio::time::timeout(LIMIT, stopped).await.context("the tap was never full")??;
        Ok(())
    }

    /// Lets everything pass from now on.
    pub(crate) fn open(&self) {
        self.flow.most.send_replace(u64::MAX);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: u16, flow: Arc<Flow>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(pass(client, server, Arc::clone(&flow)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection; it ends when either side does.
async fn pass(client: TcpStream, server: u16, flow: Arc<Flow>) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    // Otherwise the kernel would take in megabytes more than what passes.
    socket.set_recv_buffer_size(BUFFER)?;
    let server = socket.connect(([127, 0, 0, 1], server).into()).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let down = async {
        let mut piece = vec![0; PIECE];
        let mut most = flow.most.subscribe();
        loop {
            let length = from_server.read(&mut piece).await?;
            if length == 0 {
                return anyhow::Ok(());
            }
            flow.passed.send_modify(|passed| *passed += length as u64);
            let passed = *flow.passed.borrow();
            most.wait_for(|most| passed < *most).await?;
            to_client.write_all(&piece[..length]).await?;
        }
    };
    tokio::select! {
        ended = down => ended,
        ended = tokio::io::copy(&mut from_client, &mut to_server) => {
            ended?;
            Ok(())
        }
    }
}
