//! The limit: how fast the server gives all rows away when nobody does anything with them.
//!
//! The reader is this process itself. It steps from message to message in a buffer and looks at nothing else, which
//! costs less than `psql`, which copies every row twice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::cluster::{Cluster, READER};

/// The most blocks in a range: 64 MiB.
const BLOCKS: u64 = 8192;

/// One reading of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) wall: Duration,
    /// The bytes of all rows in the text form of `COPY`.
    pub(super) bytes: u64,
}

/// Reads all tables of a database by ranges of blocks over that many connections.
pub(super) async fn read_all(cluster: &Cluster, database: &str, jobs: u16) -> Result<Limit> {
    let queue = Arc::new(Mutex::new(ranges(cluster, database, jobs)?));
    let (port, began) = (cluster.port(), Instant::now());
    let mut readers = JoinSet::new();
    for _ in 0..jobs {
        let (queue, database) = (Arc::clone(&queue), database.to_owned());
        readers.spawn(async move {
            let mut reader = Reader::connect(port, &database).await?;
            let mut bytes = 0;
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(copy) = next else { return anyhow::Ok(bytes) };
                bytes += reader.copy(&copy).await?;
            }
        });
    }
    let mut bytes = 0;
    while let Some(read) = readers.join_next().await {
        bytes += read??;
    }
    ensure!(bytes > 0, "{database} gave no rows");
    Ok(Limit { wall: began.elapsed(), bytes })
}

/// The statements that read all tables, the largest table first. The last range of a table has no end.
fn ranges(cluster: &Cluster, database: &str, jobs: u16) -> Result<VecDeque<String>> {
    let tables = cluster.sql(
        database,
        "SELECT oid::regclass || ' ' || pg_relation_size(oid) / 8192 FROM pg_class \
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \
         ORDER BY pg_relation_size(oid) DESC",
    )?;
    let tables: Vec<(&str, u64)> = tables
        .lines()
        .map(|line| {
            let (name, blocks) = line.split_once(' ').context("psql's answer has no space")?;
            Ok((name, blocks.parse().context("psql's answer has no number of blocks")?))
        })
        .collect::<Result<_>>()?;
    let all: u64 = tables.iter().map(|(_, blocks)| blocks).sum();
    let most = (all / (u64::from(jobs) * 8)).clamp(128, BLOCKS);
    Ok(tables.into_iter().flat_map(|(name, blocks)| of_table(name, blocks, most)).collect())
}

fn of_table(name: &str, blocks: u64, most: u64) -> Vec<String> {
    let count = blocks.div_ceil(most).max(1);
    let copy = |n: u64| {
        let from = blocks * n / count;
        let to = match n + 1 {
            last if last == count => String::new(),
            next => format!(" AND ctid < '({},0)'", blocks * next / count),
        };
        format!("COPY (SELECT * FROM ONLY {name} WHERE ctid >= '({from},0)'{to}) TO STDOUT")
    };
    (0..count).map(copy).collect()
}

/// A connection that knows just enough of the protocol (version 3.0) to throw rows away.
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Reader {
    async fn connect(port: u16, database: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let mut reader = Self { stream, buffer: vec![0; 256 << 10], start: 0, end: 0 };
        let mut body = 196_608_i32.to_be_bytes().to_vec();
        for text in ["user", READER, "database", database, "application_name", "bench", ""] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        reader.send(None, &body).await?;
        reader.until_ready().await.context("the reader cannot log in")?;
        Ok(reader)
    }

    /// Runs one `COPY … TO STDOUT`, and returns the bytes of its rows.
    async fn copy(&mut self, statement: &str) -> Result<u64> {
        let mut body = statement.as_bytes().to_vec();
        body.push(0);
        self.send(Some(b'Q'), &body).await?;
        self.until_ready().await.with_context(|| statement.to_owned())
    }

    async fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<()> {
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend_from_slice(&u32::try_from(body.len() + 4)?.to_be_bytes());
        message.extend_from_slice(body);
        Ok(self.stream.write_all(&message).await?)
    }

    /// Reads up to `ReadyForQuery`, and returns the bytes of all `CopyData` before it.
    async fn until_ready(&mut self) -> Result<u64> {
        let mut bytes = 0;
        loop {
            while self.end - self.start < 5 {
                self.read().await?;
            }
            let head = &self.buffer[self.start..self.start + 5];
            let kind = head[0];
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]).saturating_sub(4);
            self.start += 5;
            match kind {
                b'd' => bytes += u64::from(length),
                b'E' => bail!("the server says {}", self.text(length).await?),
                _ => {}
            }
            self.skip(length as usize).await?;
            if kind == b'Z' {
                return Ok(bytes);
            }
        }
    }

    async fn skip(&mut self, mut length: usize) -> Result<()> {
        loop {
            let here = length.min(self.end - self.start);
            self.start += here;
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.read().await?;
        }
    }

    /// The start of a message's text.
    async fn text(&mut self, length: u32) -> Result<String> {
        let length = (length as usize).min(1000);
        while self.end - self.start < length {
            self.read().await?;
        }
        let text = &self.buffer[self.start..self.start + length];
        Ok(String::from_utf8_lossy(text).replace('\0', " "))
    }

    /// Adds what has come to the buffer.
    async fn read(&mut self) -> Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let count = self.stream.read(&mut self.buffer[self.end..]).await?;
        ensure!(count > 0, "the server has closed the connection");
        self.end += count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::of_table;

    #[test]
    fn ranges_join_up_and_the_last_is_open() {
        let ranges = of_table("t", 10, 4);
        assert_eq!(
            ranges,
            [
                "COPY (SELECT * FROM ONLY t WHERE ctid >= '(0,0)' AND ctid < '(3,0)') TO STDOUT",
                "COPY (SELECT * FROM ONLY t WHERE ctid >= '(3,0)' AND ctid < '(6,0)') TO STDOUT",
                "COPY (SELECT * FROM ONLY t WHERE ctid >= '(6,0)') TO STDOUT",
            ]
        );
        assert_eq!(of_table("t", 0, 4).len(), 1);
    }
}
