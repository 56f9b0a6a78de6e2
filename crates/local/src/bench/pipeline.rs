//! From a tagged secret to a dump in S3: the dumper's speed and memory, and the functions' cost.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::assets::{self, ARCHITECTURES, Assets, HERE};
use super::compare;
use super::database::Database;
use super::dumps::Dumps;
use super::figures::{Runs, mb, mib, rounded};
use super::functions::Program;
use super::server::Server;
use super::services::Services;
use crate::process::Processes;
use crate::say::progress;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    quick: bool,
    dumps: compare::Plan,
    secrets: usize,
    scans: u32,
    starts: u32,
}

const FULL: Plan = Plan {
    quick: false,
    dumps: compare::Plan {
        shard_bytes: 500_000_000,
        small_shards: 2,
        large_shards: 10,
        pairs: 3,
        large_runs: 3,
        slow_part_ms: 1500,
    },
    secrets: 10_000,
    scans: 3,
    starts: 15,
};

/// Runs every part on small sizes, to see that it works; the figures mean little.
const QUICK: Plan = Plan {
    quick: true,
    dumps: compare::Plan {
        shard_bytes: 20_000_000,
        small_shards: 2,
        large_shards: 6,
        pairs: 1,
        large_runs: 1,
        slow_part_ms: 500,
    },
    secrets: 1_000,
    scans: 1,
    starts: 3,
};

/// Everything that the parts share.
#[derive(Debug)]
struct Bench {
    plan: Plan,
    root: PathBuf,
    assets: Assets,
    processes: Processes,
    directory: TempDir,
    figures: Map<String, Value>,
}

/// Runs the benchmark, with small sizes if `quick`, and returns its figures as one JSON object. Progress goes to
/// standard error. `root` is the project's directory, where `scripts/build-assets` has been run.
///
/// Fails when a program that is measured is missing or fails, never because a figure is bad.
pub async fn run(root: &Path, quick: bool) -> Result<Value> {
    let mut bench = Bench {
        plan: if quick { QUICK } else { FULL },
        root: root.to_owned(),
        assets: Assets::of(root, HERE)?,
        processes: Processes::default(),
        directory: tempfile::Builder::new().prefix("autodump-bench-").tempdir()?,
        figures: Map::new(),
    };
    bench.figures.insert("benchmark".to_owned(), json!("pipeline"));
    bench.figures.insert("quick".to_owned(), json!(bench.plan.quick));
    bench.figures.insert("machine".to_owned(), super::machine());
    bench.sizes()?;
    bench.starts().await?;
    bench.scans().await?;
    bench.dumps().await?;
    Ok(Value::Object(std::mem::take(&mut bench.figures)))
}

impl Bench {
    fn set(&mut self, name: &str, value: Value) {
        self.figures.insert(name.to_owned(), value);
    }

    fn sizes(&mut self) -> Result<()> {
        progress("sizes");
        let mut all = Map::new();
        for architecture in ARCHITECTURES {
            let Ok(built) = Assets::of(&self.root, architecture) else {
                progress(&format!("  {architecture}: not built here"));
                continue;
            };
            let scanner = mb(assets::size(&built.scanner_zip)?);
            let hash = mb(assets::size(&built.hash_zip)?);
            let dumper = mb(assets::size(&built.dumper)?);
            progress(&format!(
                "  {architecture}: scanner.zip {scanner:.2} MB, hash.zip {hash:.2} MB, dumper {dumper:.2} MB"
            ));
            if architecture == HERE {
                self.set("scanner_zip_mb", json!(rounded(scanner)));
                self.set("hash_zip_mb", json!(rounded(hash)));
                self.set("dumper_binary_mb", json!(rounded(dumper)));
            }
            let sizes = json!({
                "scanner_zip_mb": rounded(scanner),
                "hash_zip_mb": rounded(hash),
                "dumper_binary_mb": rounded(dumper),
            });
            all.insert(architecture.to_owned(), sizes);
        }
        self.set("sizes", Value::Object(all));
        Ok(())
    }

    /// The figure is that of the slower function.
    async fn starts(&mut self) -> Result<()> {
        progress(
            "start to ready: from the start of a function's process to its first request for an event",
        );
        let server = Server::start(Services::with_secrets(0)).await?;
        let mut slowest: f64 = 0.0;
        for (name, zip) in
            [("scanner", self.assets.scanner_zip.clone()), ("hash", self.assets.hash_zip.clone())]
        {
            let program = self.program(name, &zip, &server)?;
            let mut runs = Runs::default();
            for _ in 0..self.plan.starts {
                runs.add(program.start_to_ready().await?.as_secs_f64() * 1000.0);
            }
            progress(&format!("  {name}: {}", runs.text("ms")));
            slowest = slowest.max(runs.median());
            self.set(&format!("{name}_start_to_ready_ms"), runs.json());
        }
        self.set("start_to_ready_ms", json!(rounded(slowest)));
        Ok(())
    }

    async fn scans(&mut self) -> Result<()> {
        let secrets = self.plan.secrets;
        progress(&format!("scanner: {secrets} tagged secrets, none started yet"));
        let server = Server::start(Services::with_secrets(secrets)).await?;
        let program = self.program("scanner", &self.assets.scanner_zip.clone(), &server)?;
        let (mut cpu, mut peak, mut wall) = (Runs::default(), Runs::default(), Runs::default());
        for _ in 0..self.plan.scans {
            let handled = program.handle("{}").await?;
            let started = handled.result["started"].as_u64().and_then(|n| usize::try_from(n).ok());
            ensure!(
                started == Some(secrets),
                "the scanner should have started {secrets}: {}",
                handled.result
            );
            let arrived = server.services().take_started();
            ensure!(
                arrived == secrets,
                "{arrived} different executions were started, not {secrets}"
            );
            cpu.add(handled.usage.cpu_s);
            peak.add(mib(handled.usage.peak_kib));
            wall.add(handled.wall.as_secs_f64());
        }
        progress(&format!(
            "  CPU {}, peak {}, wall {}",
            cpu.text("s"),
            peak.text("MiB"),
            wall.text("s")
        ));
        self.set("scanner_cpu_s_10k", json!(rounded(cpu.median())));
        self.set("scanner_peak_rss_mib", json!(rounded(peak.most())));
        let details = json!({"secrets": secrets, "cpu_s": cpu.json(), "peak_rss_mib": peak.json(), "wall_s": wall.json()});
        self.set("scanner", details);
        Ok(())
    }

    async fn dumps(&mut self) -> Result<()> {
        let python = crate::python::environment(&self.root.join("target")).await?;
        let database = Database::start()?;
        self.set("postgresql", json!(database.major()?));
        let server = Server::start(Services::with_database(&database.secret())).await?;
        let dumps = Dumps {
            dumper: self.assets.dumper.clone(),
            ca_bundle: self.assets.ca_bundle.clone(),
            python,
            database: &database,
            server: &server,
            processes: &self.processes,
            directory: self.directory.path(),
        };
        let mut figures = compare::measure(&dumps, self.plan.dumps).await?.figures();
        self.figures.append(&mut figures);
        Ok(())
    }

    fn program<'a>(
        &'a self,
        name: &'static str,
        zip: &Path,
        server: &'a Server,
    ) -> Result<Program<'a>> {
        let bootstrap = assets::unpack(zip, &self.directory.path().join(name))?;
        let directory = self.directory.path();
        Ok(Program { name, bootstrap, server, processes: &self.processes, directory })
    }
}
