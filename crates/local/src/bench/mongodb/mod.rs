//! MongoDB: the dumper against stock mongodump, both into the sink, from a server with prepared replies and from
//! `DocumentDB`; its processor time and memory.

mod content;
mod dump;
mod measured;
mod source;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, ensure};
use autodump_documentdb::given;
use serde_json::{Value, json};

use super::assets::{Assets, HERE};
use super::figures::{mb, mib};
use crate::process::Processes;
use crate::say::progress;
use dump::{Job, Ours, Peer, Tools};
use measured::{FIGURES, Measured, Series};
use source::{MANY, ONE, Source};

/// The connections of ours, and the collections that mongodump reads at once: its own default.
const JOBS: u16 = 4;
/// The level of mongodump's gzip, which cannot be chosen.
const LEVEL: &str = "gzip:6";
const RANGES: &str = "ranges";
const CLIENT: &str = "client";

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Bytes of documents: in the one large collection, in many, and in `DocumentDB`.
    one: u64,
    many: u64,
    documentdb: u64,
    collections: u64,
    rounds: usize,
}

const FULL: Plan = Plan {
    one: 600_000_000,
    many: 300_000_000,
    documentdb: 100_000_000,
    collections: 50,
    rounds: 5,
};

/// Every part on small sizes, to see that it works; the figures mean little.
const QUICK: Plan =
    Plan { one: 40_000_000, many: 20_000_000, documentdb: 10_000_000, collections: 50, rounds: 1 };

/// Runs the benchmark, with small sizes if `quick`, and returns its figures as one JSON object. Progress goes to
/// standard error. `root` is the project's directory, where `scripts/build-assets` has been run.
///
/// `AUTODUMP_TEST_MONGODB_TOOLS` is the directory of mongodump and mongorestore, `AUTODUMP_TEST_DOCUMENTDB` that of
/// `DocumentDB`. Where one is absent or empty, the figures that need it are `null`, and that is said.
///
/// Fails when a program that is measured is missing or fails, or when both sides have not dumped the same; never because
/// a figure is bad.
pub async fn run(root: &Path, quick: bool) -> Result<Value> {
    let plan = if quick { QUICK } else { FULL };
    let assets = Assets::of(root, HERE)?;
    let processes = Processes::default();
    let directory = tempfile::Builder::new().prefix("autodump-bench-").tempdir()?;
    // mongodump does not run as root, and reads its settings there.
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
    let tools = Tools {
        dumper: assets.dumper,
        ca_bundle: assets.ca_bundle,
        python: crate::python::environment(&root.join("target")).await?,
        mongodb: given::tools(),
        jobs: JOBS,
        processes: &processes,
        directory: directory.path(),
    };
    if tools.mongodb.is_none() {
        progress("!! SKIPPED: vs_mongodump…: there is no mongodump; ours is measured alone");
    }
    let machine = super::machine();
    let mut bench = Bench { plan, tools, measured: Measured::default() };
    bench.all().await?;
    let mut figures = bench.measured.figures();
    figures.insert("benchmark".to_owned(), json!("mongodb"));
    figures.insert("quick".to_owned(), json!(quick));
    figures.insert("machine".to_owned(), machine);
    Ok(Value::Object(figures))
}

#[derive(Debug)]
struct Bench<'a> {
    plan: Plan,
    tools: Tools<'a>,
    measured: Measured,
}

impl Bench<'_> {
    async fn all(&mut self) -> Result<()> {
        let Plan { one, many, collections, .. } = self.plan;
        progress(&format!("preparing {:.0} MB of documents", mb(one + many)));
        let stub = Source::stub(one, many, collections)?;
        let equal = Job {
            source: &stub,
            database: ONE,
            compression: Some(LEVEL),
            gzip: true,
            method: RANGES,
        };
        let jobs = [
            equal,
            Job { database: MANY, ..equal },
            Job { compression: Some("none"), gzip: false, ..equal },
            Job { compression: None, ..equal },
        ];
        for (figure, job) in FIGURES.into_iter().zip(jobs) {
            self.series(figure, job).await?;
        }
        self.our_gzip(Job { compression: None, gzip: false, ..equal }).await?;
        drop(stub);
        self.documentdb().await
    }

    /// Ours beside mongodump, in turn; who goes first changes with each pair.
    async fn series(&mut self, figure: &'static str, job: Job<'_>) -> Result<()> {
        let checked = self.tools.check(job).await?;
        let mut series = Series { bson: checked.bson, runs: Vec::new() };
        for n in 0..self.plan.rounds {
            progress(&format!("{figure}: {}: pair {} of {}", job.text(), n + 1, self.plan.rounds));
            let (ours, peer);
            if n % 2 == 0 {
                ours = self.ours(job).await?;
                peer = self.mongodump(job).await?;
            } else {
                peer = self.mongodump(job).await?;
                ours = self.ours(job).await?;
            }
            let wanted = checked.objects;
            ensure!(ours.objects == wanted, "ours wrote {} objects, not {wanted}", ours.objects);
            series.runs.push((peer, ours));
        }
        self.measured.add(figure, series);
        Ok(())
    }

    /// Ours beside ours that lets mongodump read, so that both compress in the same way.
    async fn our_gzip(&mut self, job: Job<'_>) -> Result<()> {
        if self.tools.mongodb.is_none() {
            return Ok(());
        }
        let figure = "vs_mongodump_our_gzip";
        let by_client = Job { method: CLIENT, ..job };
        let bson = self.tools.check(job).await?.bson;
        self.tools.check(by_client).await?;
        let mut series = Series { bson, runs: Vec::new() };
        for n in 0..self.plan.rounds {
            progress(&format!("{figure}: {}: pair {} of {}", job.text(), n + 1, self.plan.rounds));
            let first = self.ours(if n % 2 == 0 { job } else { by_client }).await?;
            let second = self.ours(if n % 2 == 0 { by_client } else { job }).await?;
            let (ours, client) = if n % 2 == 0 { (first, second) } else { (second, first) };
            let Ours { wall, mongodump, bytes, .. } = client;
            series.runs.push((Some(Peer { wall, mongodump, bytes }), ours));
        }
        self.measured.add(figure, series);
        Ok(())
    }

    /// The whole way, with a database behind the protocol. It is filled by mongorestore.
    async fn documentdb(&mut self) -> Result<()> {
        if self.tools.mongodb.is_none() {
            return Ok(());
        }
        let Some(source) = Source::documentdb()? else { return Ok(()) };
        progress(&format!("DocumentDB: loading {:.0} MB", mb(self.plan.documentdb)));
        self.load(&source).await?;
        let job = Job {
            source: &source,
            database: ONE,
            compression: Some(LEVEL),
            gzip: true,
            method: RANGES,
        };
        self.series("vs_mongodump_documentdb", job).await
    }

    async fn load(&self, into: &Source) -> Result<()> {
        let prepared = Source::stub(self.plan.documentdb, 0, 0)?;
        let job = Job {
            source: &prepared,
            database: ONE,
            compression: None,
            gzip: false,
            method: RANGES,
        };
        let file = self.tools.directory.join("loaded.archive");
        self.tools.archive(job, &file).await?;
        self.tools.restore(&file, into).await?;
        Ok(std::fs::remove_file(&file)?)
    }

    async fn ours(&self, job: Job<'_>) -> Result<Ours> {
        let ours = self.tools.ours(job, None).await?;
        progress(&format!(
            "  ours by {}: {:.2} s, {:.1} MB; dumper: peak {:.1} MiB, CPU {:.2} s",
            job.method,
            ours.wall.as_secs_f64(),
            mb(ours.bytes),
            mib(ours.dumper.peak_kib),
            ours.dumper.cpu_s,
        ));
        Ok(ours)
    }

    async fn mongodump(&self, job: Job<'_>) -> Result<Option<Peer>> {
        let peer = self.tools.mongodump(job).await?;
        if let Some(peer) = &peer {
            progress(&format!(
                "  mongodump{}: {:.2} s, {:.1} MB; peak {:.1} MiB, CPU {:.2} s",
                if job.gzip { " --gzip" } else { "" },
                peer.wall.as_secs_f64(),
                mb(peer.bytes),
                mib(peer.mongodump.peak_kib),
                peer.mongodump.cpu_s,
            ));
        }
        Ok(peer)
    }
}
