//! `PostgreSQL`: the dumper against the seed's way, against `pg_dump -Fd -j` and an upload, and against the server's own
//! limit; its processor time and memory; and restores against `pg_restore -j`.

mod cluster;
mod dump;
mod limit;
mod measured;
mod proxy;
mod restore;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::assets::{Assets, HERE};
use super::figures::{mb, mib, rounded};
use super::store::{Backup, Store};
use super::variable;
use crate::process::Processes;
use crate::say::progress;
use cluster::{Cluster, many, one_large};
use dump::{Job, Ours, Peer, Tools};
use measured::{Measured, Round};
use proxy::Proxy;
use restore::Restores;

/// The database where one table has nearly everything.
const ONE: &str = "one";
/// The database with many tables.
const MANY: &str = "many";
/// What every version of the client programs can do.
const GZIP: &str = "gzip:1";
/// What they can do from version 16, if they are built with it.
const ZSTD: &str = "zstd:1";
/// As many connections as both sides have, but where the connections are limited.
const JOBS: u16 = 4;
/// The connections where each is limited.
const CAPPED_JOBS: u16 = 8;
/// The limit of each, from the server to the client.
const CAP: u64 = 25_000_000;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// The bytes of rows in [`ONE`], and in [`MANY`].
    one: u64,
    many: u64,
    tables: u64,
    rounds: usize,
}

/// On disk [`ONE`] is more than 2 GB.
const FULL: Plan = Plan { one: 1_700_000_000, many: 1_000_000_000, tables: 200, rounds: 5 };

/// Every part on small sizes, to see that it works; the figures mean little.
const QUICK: Plan = Plan { one: 60_000_000, many: 30_000_000, tables: 200, rounds: 1 };

/// Runs the benchmark, with small sizes if `quick`, and returns its figures as one JSON object. Progress goes to
/// standard error. `root` is the project's directory, where `scripts/build-assets` has been run.
///
/// `AUTODUMP_BENCH_POSTGRES_17` is the directory of programs that compress with zstd, `AUTODUMP_BENCH_CLI` the command
/// line. Where one is absent or empty, the figures that need it are `null`, and that is said.
///
/// Fails when a program that is measured is missing or fails, never because a figure is bad.
pub async fn run(root: &Path, quick: bool) -> Result<Value> {
    let plan = if quick { QUICK } else { FULL };
    let assets = Assets::of(root, HERE)?;
    let processes = Processes::default();
    let directory = tempfile::Builder::new().prefix("autodump-bench-").tempdir()?;
    // Servers do not run as root, and have to get at their programs in it.
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
    let tools = Tools {
        dumper: assets.dumper,
        ca_bundle: assets.ca_bundle,
        python: crate::python::environment(&root.join("target")).await?,
        cli: variable("AUTODUMP_BENCH_CLI"),
        processes: &processes,
        directory: directory.path(),
    };
    if tools.cli.is_none() {
        progress("!! SKIPPED: restore_vs_pg_restore: the command line is not built");
    }
    let machine = super::machine();
    let mut bench = Bench { plan, tools, measured: Measured::default() };
    bench.all().await?;
    let mut figures = bench.measured.figures();
    figures.insert("benchmark".to_owned(), json!("postgres"));
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

/// One of the runs of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Seed,
    Directory,
    Zstd,
    Limit,
    Default,
    NoCodec,
    RealS3,
}

impl Bench<'_> {
    async fn all(&mut self) -> Result<()> {
        let cluster = Cluster::start(None)?;
        self.load_one(&cluster).await?;
        let bytes = many(self.plan.tables, self.plan.many);
        self.measured.many_rows = cluster.load(MANY, bytes).await?;
        self.measured.many_disk = cluster.size(MANY)?;
        progress(&describe(MANY, self.measured.many_rows, self.measured.many_disk));
        self.measured.gzip_major = cluster.major();
        self.measured.one_gzip = self.pairs(&cluster, ONE).await?;
        self.measured.many_gzip = self.pairs(&cluster, MANY).await?;
        let mut cluster = self.best(cluster).await?;
        let codec = if cluster.has_zstd()? { ZSTD } else { GZIP };
        if codec == GZIP {
            progress("!! SKIPPED: vs_pg_dump_j_one_table_zstd: no client programs have zstd");
        }
        self.measured.major = cluster.major();
        self.rounds(&cluster, codec).await?;
        self.capped(&cluster, codec).await?;
        cluster.log_as_usual()?;
        self.restores(&cluster).await
    }

    async fn load_one(&mut self, cluster: &Cluster) -> Result<()> {
        progress(&format!("PostgreSQL {}: loading", cluster.major()));
        self.measured.one_rows = cluster.load(ONE, one_large(self.plan.one)).await?;
        self.measured.one_disk = cluster.size(ONE)?;
        progress(&describe(ONE, self.measured.one_rows, self.measured.one_disk));
        Ok(())
    }

    /// A server whose programs have zstd, if there is one, with its own [`ONE`]; else the same.
    async fn best(&mut self, cluster: Cluster) -> Result<Cluster> {
        if cluster.has_zstd()? {
            return Ok(cluster);
        }
        let Some(bin) = variable("AUTODUMP_BENCH_POSTGRES_17") else { return Ok(cluster) };
        drop(cluster);
        let programs = self.copy_of(&bin).await?;
        let cluster = Cluster::start(Some(programs))?;
        self.load_one(&cluster).await?;
        Ok(cluster)
    }

    /// Copies an installation to where the server's user may read it, and returns the directory of its programs.
    async fn copy_of(&self, bin: &Path) -> Result<PathBuf> {
        let installation = bin.parent().context("the programs' directory has no parent")?;
        let copy = self.tools.directory.join("postgresql");
        let copied = Command::new("cp").arg("-a").arg(installation).arg(&copy).status().await?;
        ensure!(copied.success(), "cannot copy {}", installation.display());
        Ok(copy.join("bin"))
    }

    /// `pg_dump -Fd -j` with gzip beside ours, in turn.
    async fn pairs(&mut self, cluster: &Cluster, database: &str) -> Result<Vec<(Peer, Ours)>> {
        let job = Job { cluster, database, port: None, jobs: JOBS, compression: Some(GZIP) };
        let (_, checked) = self.check(job).await?;
        let mut pairs = Vec::new();
        for n in 0..self.plan.rounds {
            progress(&format!("{}: pair {} of {}", job.text(), n + 1, self.plan.rounds));
            pairs.push(self.pair(job, n % 2 == 0, &checked).await?);
        }
        Ok(pairs)
    }

    async fn pair(
        &mut self,
        job: Job<'_>,
        ours_first: bool,
        checked: &Backup,
    ) -> Result<(Peer, Ours)> {
        if ours_first {
            let ours = self.ours(job, None, checked).await?;
            Ok((self.directory(job).await?, ours))
        } else {
            let peer = self.directory(job).await?;
            Ok((peer, self.ours(job, None, checked).await?))
        }
    }

    /// A run into a real server, whose objects have to be what its manifest says. Nothing is measured before.
    async fn check(&self, job: Job<'_>) -> Result<(Store, Backup)> {
        let store = Store::start(self.tools.directory).await?;
        self.tools.ours(job, Some(&store)).await?;
        let backup = store.backup()?;
        progress(&format!(
            "checked: {}: {} objects are what the manifest says, compressed with {}",
            job.text(),
            backup.objects.len() - 1,
            backup.compression.as_deref().unwrap_or("?")
        ));
        Ok((store, backup))
    }

    /// A run of ours, which has to write as many objects as the one that was checked.
    async fn ours(
        &mut self,
        job: Job<'_>,
        store: Option<&Store>,
        checked: &Backup,
    ) -> Result<Ours> {
        let ours = self.tools.ours(job, store).await?;
        let wanted = checked.objects.len() - 1;
        ensure!(ours.objects == wanted, "ours wrote {} objects, not {wanted}", ours.objects);
        if job.jobs == JOBS {
            self.measured.peaks.add(mib(ours.dumper.peak_kib));
        }
        progress(&format!(
            "  ours ({}{}): {:.2} s, {:.0} MB; dumper: peak {:.1} MiB, CPU {:.2} s; sink: CPU {:.2} s",
            job.compression.unwrap_or("default"),
            if store.is_some() { ", real S3" } else { "" },
            ours.wall.as_secs_f64(),
            mb(ours.bytes),
            mib(ours.dumper.peak_kib),
            ours.dumper.cpu_s,
            ours.sink_cpu_s,
        ));
        Ok(ours)
    }

    async fn directory(&self, job: Job<'_>) -> Result<Peer> {
        let peer = self.tools.directory(job).await?;
        let name = format!("pg_dump -Fd -j{} ({})", job.jobs, job.compression.unwrap_or("default"));
        say_peer(&name, &peer);
        Ok(peer)
    }

    /// All that is measured on [`ONE`] without a limit, in rounds. The order changes from round to round.
    async fn rounds(&mut self, cluster: &Cluster, codec: &str) -> Result<()> {
        let job = Job { cluster, database: ONE, port: None, jobs: JOBS, compression: None };
        let (_, checked) = self.check(job).await?;
        let default = checked.compression.clone().unwrap_or_default();
        let mut steps = vec![Step::Seed, Step::Directory, Step::Zstd, Step::Limit];
        steps.extend([Step::Default, Step::NoCodec, Step::RealS3]);
        steps.retain(|step| match step {
            Step::Directory => codec == ZSTD,
            Step::Zstd => codec == ZSTD && default != ZSTD,
            _ => true,
        });
        for n in 0..self.plan.rounds {
            progress(&format!("one large table: round {} of {}", n + 1, self.plan.rounds));
            let mut round = Round::default();
            for step in &steps {
                self.step(*step, job, &checked, &mut round).await?;
            }
            // Where the default is zstd:1, its run stands for both.
            if default == ZSTD {
                round.zstd = round.default;
            }
            self.measured.rounds.push(round);
            steps.reverse();
        }
        self.measured.default = default;
        Ok(())
    }

    async fn step(
        &mut self,
        step: Step,
        job: Job<'_>,
        checked: &Backup,
        round: &mut Round,
    ) -> Result<()> {
        let with = |compression| Job { compression: Some(compression), ..job };
        match step {
            Step::Seed => {
                let seed = self.tools.seed(job.cluster, job.database).await?;
                say_peer("seed: pg_dump -Fc -Z 9", &seed);
                round.seed = Some(seed);
            }
            Step::Directory => round.directory = Some(self.directory(with(ZSTD)).await?),
            Step::Zstd => round.zstd = Some(self.ours(with(ZSTD), None, checked).await?),
            Step::Limit => {
                let read = limit::read_all(job.cluster, job.database, job.jobs).await?;
                let seconds = read.wall.as_secs_f64();
                progress(&format!("  limit: {seconds:.2} s for {:.0} MB", mb(read.bytes)));
                round.limit = Some(read);
            }
            Step::Default => round.default = Some(self.ours(job, None, checked).await?),
            Step::NoCodec => round.no_codec = Some(self.ours(with("none"), None, checked).await?),
            Step::RealS3 => {
                let store = Store::start(self.tools.directory).await?;
                round.real_s3 = Some(self.ours(job, Some(&store), checked).await?);
            }
        }
        Ok(())
    }

    /// `pg_dump -Fd -j8` beside ours, in turn, where every connection is limited.
    async fn capped(&mut self, cluster: &Cluster, codec: &str) -> Result<()> {
        let proxy = Proxy::start(cluster.port(), CAP).await?;
        let (port, compression) = (Some(proxy.port()), Some(codec));
        let job = Job { cluster, database: ONE, port, jobs: CAPPED_JOBS, compression };
        let (_, checked) = self.check(job).await?;
        for n in 0..self.plan.rounds {
            progress(&format!(
                "{}, {:.0} MB/s per connection: pair {} of {}",
                job.text(),
                mb(CAP),
                n + 1,
                self.plan.rounds
            ));
            let pair = self.pair(job, n % 2 == 0, &checked).await?;
            self.measured.capped.push(pair);
        }
        codec.clone_into(&mut self.measured.capped_compression);
        Ok(())
    }

    /// Both ways to restore, in turn, from the same data in the same compression.
    async fn restores(&mut self, cluster: &Cluster) -> Result<()> {
        if self.tools.cli.is_none() {
            return Ok(());
        }
        let job = Job { cluster, database: ONE, port: None, jobs: JOBS, compression: None };
        let (store, backup) = self.check(job).await?;
        let directory = self.tools.directory.join("archive");
        let compression = backup.compression.as_deref();
        self.tools.archive(Job { compression, ..job }, &directory).await?;
        let restores = Restores { tools: &self.tools, cluster, database: ONE, jobs: JOBS };
        for n in 0..self.plan.rounds {
            progress(&format!("restore: pair {} of {}", n + 1, self.plan.rounds));
            let (theirs, ours);
            if n % 2 == 0 {
                ours = restores.ours(&store, &backup).await?;
                theirs = restores.theirs(&directory).await?;
            } else {
                theirs = restores.theirs(&directory).await?;
                ours = restores.ours(&store, &backup).await?;
            }
            let Some(ours) = ours else { return Ok(()) };
            let (theirs, (ours, cpu)) = (theirs.as_secs_f64(), (ours.0.as_secs_f64(), ours.1));
            progress(&format!(
                "  pg_restore -j{JOBS}: {theirs:.2} s; ours from S3: {ours:.2} s; S3: CPU {cpu:.2} s"
            ));
            self.measured.restores.push((theirs, ours));
        }
        Ok(())
    }
}

fn describe(database: &str, rows: u64, disk: u64) -> String {
    format!("  {database}: {:.0} MB of rows, {:.0} MB on disk", mb(rows), mb(disk))
}

fn say_peer(name: &str, peer: &Peer) {
    progress(&format!(
        "  {name}: {:.2} s, upload {:.2} s, {:.0} MB",
        peer.dump.as_secs_f64(),
        peer.upload.as_secs_f64(),
        rounded(mb(peer.bytes))
    ));
}
