//! DynamoDB tables: the dumper alone against prepared pages, beside a script with boto3 and another public tool on the
//! same emulator, beside the emulator's own limit, and with several compressions.

mod emulator;
mod items;
mod limit;
mod measured;
mod ours;
mod peers;
mod stub;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use autodump_core::compression::{Algorithm, Compression};
use serde_json::{Value, json};

use super::assets;
use super::figures::{mb, mib};
use crate::process::Processes;
use crate::say::progress;
use emulator::Emulator;
use measured::{Coded, Measured, Pair, Stubbed};
use ours::{Dumper, Job, Ours};
use peers::{Peer, Peers};
use stub::{Pages, Stub, Totals};

/// The table's name.
const TABLE: &str = "bench";
/// The numbers of segments.
const SEGMENTS: [u32; 3] = [1, 4, 16];
/// The number of segments where there is only one figure.
const USUAL_SEGMENTS: u32 = 16;
const COMPRESSIONS: [&str; 8] =
    ["none", "zstd:1", "zstd:3", "zstd:6", "zstd:9", "gzip:1", "gzip:6", "gzip:9"];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Pages of 1 MiB that are prepared; the stub gives them in turn.
    prepared: usize,
    /// Pages that are read of the stub by the dumper alone, beside boto3, and for each compression.
    alone: u64,
    beside: u64,
    coded: u64,
    /// The size of the emulator's table, as DynamoDB counts it. For each page it looks at all of the table, so a larger
    /// one would only measure the emulator.
    table: u64,
    rounds: usize,
    coded_rounds: usize,
}

const FULL: Plan = Plan {
    prepared: 64,
    alone: 1024,
    beside: 64,
    coded: 256,
    table: 16 << 20,
    rounds: 5,
    coded_rounds: 3,
};

/// Every part on small sizes, to see that it works; the figures mean little.
const QUICK: Plan = Plan {
    prepared: 16,
    alone: 128,
    beside: 16,
    coded: 32,
    table: 8 << 20,
    rounds: 1,
    coded_rounds: 1,
};

/// Runs the benchmark, with small sizes if `quick`, and returns its figures as one JSON object. Progress goes to
/// standard error. `root` is the project's directory, where `scripts/build-assets` has been run.
///
/// `AUTODUMP_BENCH_DYNOXIDE` is the emulator's program, `AUTODUMP_BENCH_DYNAMODUMP` the Python that has
/// dynamodump. Where one is absent or empty, the figures that need it are `null`, and that is said.
///
/// Fails when a program that is measured is missing or fails, never because a figure is bad.
pub async fn run(root: &Path, quick: bool) -> Result<Value> {
    let plan = if quick { QUICK } else { FULL };
    let dumper = assets::dumper(root)?;
    let python = crate::python::environment(&root.join("target")).await?;
    let machine = super::machine();
    let processes = Processes::default();
    let directory = tempfile::Builder::new().prefix("autodump-bench-").tempdir()?;
    let mut bench = Bench {
        plan,
        dumper: Dumper { program: dumper, processes: &processes, directory: directory.path() },
        peers: Peers {
            python,
            dynamodump: super::variable("AUTODUMP_BENCH_DYNAMODUMP"),
            processes: &processes,
            directory: directory.path(),
        },
        dynoxide: super::variable("AUTODUMP_BENCH_DYNOXIDE"),
        usual: Compression::usual(Algorithm::Zstd).to_string(),
        measured: Measured::default(),
    };
    bench.all().await?;
    let mut figures = bench.measured.figures(&bench.usual);
    figures.insert("benchmark".to_owned(), json!("dynamodb"));
    figures.insert("quick".to_owned(), json!(quick));
    figures.insert("machine".to_owned(), machine);
    Ok(Value::Object(figures))
}

/// `CreateTable`'s input without the name.
fn create() -> Value {
    json!({
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

#[derive(Debug)]
struct Bench<'a> {
    plan: Plan,
    dumper: Dumper<'a>,
    peers: Peers<'a>,
    dynoxide: Option<PathBuf>,
    /// The dumper's own choice of compression.
    usual: String,
    measured: Measured,
}

/// One of the runs of a round on the emulator.
#[derive(Clone, Copy, Debug)]
enum Step {
    Boto3,
    Limit,
    Ours,
    Dynamodump,
}

impl Bench<'_> {
    async fn all(&mut self) -> Result<()> {
        progress("preparing pages");
        let pages = Arc::new(Pages::prepare(self.plan.prepared)?);
        self.alone(&pages).await?;
        self.coded(&pages).await?;
        self.beside(&pages).await?;
        self.on_emulator().await
    }

    /// The dumper alone.
    async fn alone(&mut self, pages: &Arc<Pages>) -> Result<()> {
        let totals = pages.totals(self.plan.alone);
        let stub = Stub::start(Arc::clone(pages), self.plan.alone).await?;
        let endpoint = stub.endpoint();
        let usual = self.usual.clone();
        self.measured.alone = totals;
        for n in 0..self.plan.rounds {
            progress(&format!(
                "the dumper alone, {:.0} MB of JSON from prepared pages: round {} of {}",
                mb(totals.bytes),
                n + 1,
                self.plan.rounds
            ));
            for segments in SEGMENTS {
                let job = Job { endpoint: &endpoint, totals, segments, compression: &usual };
                let ours = self.ours(job).await?;
                self.measured.stubbed.push(Stubbed { segments, ours });
            }
        }
        Ok(())
    }

    /// Compressions beside each other, by what each costs the dumper.
    async fn coded(&mut self, pages: &Arc<Pages>) -> Result<()> {
        let totals = pages.totals(self.plan.coded);
        let stub = Stub::start(Arc::clone(pages), self.plan.coded).await?;
        let endpoint = stub.endpoint();
        self.measured.coded_totals = totals;
        for n in 0..self.plan.coded_rounds {
            progress(&format!("compressions: round {} of {}", n + 1, self.plan.coded_rounds));
            for compression in COMPRESSIONS {
                let segments = USUAL_SEGMENTS;
                let ours = self.ours(Job { endpoint: &endpoint, totals, segments, compression });
                let ours = ours.await?;
                self.measured.coded.push(Coded { compression, ours });
            }
        }
        Ok(())
    }

    /// boto3 beside ours where the table costs nothing.
    async fn beside(&mut self, pages: &Arc<Pages>) -> Result<()> {
        let totals = pages.totals(self.plan.beside);
        let stub = Stub::start(Arc::clone(pages), self.plan.beside).await?;
        let (endpoint, usual) = (stub.endpoint(), self.usual.clone());
        for n in 0..self.plan.rounds {
            progress(&format!("beside boto3, prepared pages: {} of {}", n + 1, self.plan.rounds));
            for segments in SEGMENTS {
                let job = Job { endpoint: &endpoint, totals, segments, compression: &usual };
                let (theirs, ours);
                if n % 2 == 0 {
                    theirs = self.peers.boto3(job).await?;
                    ours = self.ours(job).await?;
                } else {
                    ours = self.ours(job).await?;
                    theirs = self.peers.boto3(job).await?;
                }
                say_peer("boto3", segments, &theirs);
                self.measured.boto3_stub.push(Pair { segments, theirs, ours });
            }
        }
        Ok(())
    }

    /// All ways beside each other on the emulator; who goes first changes from round to round.
    async fn on_emulator(&mut self) -> Result<()> {
        let Some(program) = self.dynoxide.clone() else {
            progress("!! SKIPPED: vs_boto3, vs_peer: the emulator is not installed");
            return Ok(());
        };
        if self.peers.dynamodump.is_none() {
            progress("!! SKIPPED: vs_peer: dynamodump is not installed");
        }
        let emulator =
            Emulator::start(&program, self.dumper.directory, self.dumper.processes).await?;
        progress(&format!("dynoxide: loading {:.0} MB", mb(self.plan.table)));
        let totals = emulator.load(self.plan.table).await?;
        self.measured.table = totals;
        progress(&format!("  {} items, {:.0} MB of JSON", totals.items, mb(totals.bytes)));
        let mut steps = [Step::Boto3, Step::Limit, Step::Ours, Step::Dynamodump];
        for n in 0..self.plan.rounds {
            progress(&format!("on the emulator: round {} of {}", n + 1, self.plan.rounds));
            for segments in SEGMENTS {
                self.round(&emulator, totals, segments, steps).await?;
            }
            steps.reverse();
        }
        Ok(())
    }

    async fn round(
        &mut self,
        emulator: &Emulator,
        totals: Totals,
        segments: u32,
        steps: [Step; 4],
    ) -> Result<()> {
        let (endpoint, usual) = (emulator.endpoint(), self.usual.clone());
        let job = Job { endpoint: &endpoint, totals, segments, compression: &usual };
        let (mut boto3, mut limit, mut ours, mut dynamodump) = (None, 0.0, None, None);
        for step in steps {
            match step {
                Step::Boto3 => {
                    let run = self.peers.boto3(job).await?;
                    say_peer("boto3", segments, &run);
                    boto3 = Some(run);
                }
                Step::Limit => {
                    let read = limit::read_all(emulator, segments).await?.as_secs_f64();
                    progress(&format!("  the emulator's limit ({segments} segments): {read:.2} s"));
                    limit = read;
                }
                Step::Ours => ours = Some(self.ours(job).await?),
                Step::Dynamodump => {
                    dynamodump = self.peers.dynamodump(emulator.port(), job).await?;
                    if let Some(run) = &dynamodump {
                        say_peer("dynamodump", 1, run);
                    }
                }
            }
        }
        let Some(ours) = ours else { return Ok(()) };
        self.measured.limits.push((segments, limit / ours.wall.as_secs_f64()));
        let pair = |theirs: Option<Peer>| theirs.map(|theirs| Pair { segments, theirs, ours });
        self.measured.boto3.extend(pair(boto3));
        self.measured.dynamodump.extend(pair(dynamodump));
        Ok(())
    }

    async fn ours(&self, job: Job<'_>) -> Result<Ours> {
        let ours = self.dumper.run(job).await?;
        progress(&format!(
            "  ours ({} segments, {}): {:.2} s, {:.0} MB; dumper: peak {:.1} MiB, CPU {:.2} s; servers: CPU {:.2} s",
            job.segments,
            job.compression,
            ours.wall.as_secs_f64(),
            mb(ours.bytes),
            mib(ours.dumper.peak_kib),
            ours.dumper.cpu_s,
            ours.servers_cpu_s,
        ));
        Ok(ours)
    }
}

fn say_peer(name: &str, segments: u32, peer: &Peer) {
    progress(&format!(
        "  {name} ({segments} segments): {:.2} s, {:.0} MB; peak {:.1} MiB, CPU {:.2} s",
        peer.wall.as_secs_f64(),
        mb(peer.bytes),
        mib(peer.usage.peak_kib),
        peer.usage.cpu_s,
    ));
}
