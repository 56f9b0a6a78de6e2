//! `autodump-documentdb`: a server that speaks MongoDB's protocol, until its input closes or `SIGTERM`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use autodump_documentdb::{Content, Ids, Server, Settings, Shape, User, given};
use clap::Parser;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// Starts a server for tests and prints its URI.
#[derive(Parser)]
struct Arguments {
    /// What scripts/lib/documentdb printed; else `AUTODUMP_TEST_DOCUMENTDB`.
    #[arg(long)]
    root: Option<PathBuf>,
    /// The port, on the loopback interface; any free one unless given.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The replica set that it says to be a member of.
    #[arg(long)]
    set_name: Option<String>,
    /// Speaks TLS, and writes the certificate of its authority to this file.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// A user and the password, `name:password`, for tests alone; may be repeated.
    #[arg(long, value_parser = user)]
    user: Vec<User>,
    /// Drops the connection at this `getMore`.
    #[arg(long)]
    drop_at_get_more: Option<u64>,
    /// Forgets the cursor at this `getMore`.
    #[arg(long)]
    forget_at_get_more: Option<u64>,
    /// Waits so long before each reply.
    #[arg(long)]
    delay_ms: Option<u64>,
    /// Serves generated documents from memory, and has no database behind it.
    #[arg(long)]
    stub: bool,
    #[command(flatten)]
    generated: Generated,
}

/// What a stub has: the database `bench`, with the collections `c0`, `c1` and so on.
#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct Generated {
    /// All documents together, in MiB of BSON.
    #[arg(long, default_value_t = 64, requires = "stub")]
    mib: usize,
    /// How many collections they are spread over.
    #[arg(long, default_value_t = 1, requires = "stub")]
    collections: usize,
    /// Documents of about 200 B instead of 1 KB.
    #[arg(long, requires = "stub")]
    small: bool,
    /// Object ids instead of integers.
    #[arg(long, requires = "stub")]
    object_ids: bool,
    /// Besides, the database `exotic` with what `DocumentDB` refuses, and users.
    #[arg(long, requires = "stub")]
    exotic: bool,
    /// Besides, a log of operations.
    #[arg(long, requires = "stub")]
    oplog: bool,
}

impl Generated {
    fn content(&self) -> Result<Content> {
        let shape = if self.small { Shape::Small } else { Shape::Kilobyte };
        let ids = if self.object_ids { Ids::ObjectId } else { Ids::Int };
        let number = shape.documents(self.mib << 20) / self.collections.max(1);
        let mut content = Content::new();
        for collection in 0..self.collections {
            content =
                content.generated("bench", &format!("c{collection}"), (shape, ids, number))?;
        }
        if self.exotic {
            content = content.exotic("exotic")?.users("exotic")?;
        }
        if self.oplog { content.oplog() } else { Ok(content) }
    }
}

fn user(text: &str) -> Result<User, String> {
    let (name, password) = text.split_once(':').ok_or("no colon: write name:password")?;
    Ok(User { name: name.to_owned(), password: password.to_owned() })
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let settings = Settings {
        port: arguments.port,
        set_name: arguments.set_name,
        tls: arguments.ca_file.is_some(),
        users: arguments.user,
        ..Settings::default()
    };
    let server = if arguments.stub {
        Server::stub(arguments.generated.content()?, &settings)?
    } else {
        let root = arguments.root.or_else(given::documentdb);
        let root = root.context("no --root: give what scripts/lib/documentdb prints")?;
        Server::documentdb_in(&root, &settings)?
    };
    if let (Some(file), Some(pem)) = (arguments.ca_file, server.ca_pem()) {
        std::fs::write(file, pem)?;
    }
    let faults = server.faults();
    arguments.drop_at_get_more.into_iter().for_each(|n| faults.drop_at_get_more(n));
    arguments.forget_at_get_more.into_iter().for_each(|n| faults.forget_at_get_more(n));
    arguments.delay_ms.into_iter().for_each(|ms| faults.delay(Duration::from_millis(ms)));
    writeln!(std::io::stdout(), "{}", server.uri())?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(wait())
}

/// Until the input closes, or a signal.
async fn wait() -> Result<()> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut input = tokio::io::stdin();
    let mut bytes = [0; 1024];
    loop {
        tokio::select! {
            read = input.read(&mut bytes) => if read? == 0 { return Ok(()) },
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}
