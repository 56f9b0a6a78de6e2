//! Our dumper beside the seed system's way, and beside itself at five times the size.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::database::Database;
use super::dumps::{Dumps, Ours, Seed};
use super::figures::{Runs, mb, mib, rounded};
use crate::say::progress;

/// How much is dumped and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) shard_bytes: u64,
    pub(super) small_shards: u64,
    pub(super) large_shards: u64,
    pub(super) pairs: u32,
    /// Runs at the large size.
    pub(super) large_runs: u32,
    /// How much longer a part takes at the slow destination, in milliseconds.
    pub(super) slow_part_ms: u64,
}

/// What a database holds.
#[derive(Clone, Copy, Debug)]
struct Contents {
    /// The bytes of its rows as `COPY` writes them.
    rows: u64,
    /// Its bytes on disk.
    disk: u64,
}

/// All that was measured.
#[derive(Debug)]
pub(super) struct Measured {
    small: Contents,
    pairs: Vec<(Seed, Ours)>,
    large: Contents,
    large_runs: Vec<Ours>,
    slow: Ours,
}

/// Fills the database to the small size, dumps it both ways in turn, then to the large size, and dumps it our way.
pub(super) async fn measure(dumps: &Dumps<'_>, plan: Plan) -> Result<Measured> {
    let small = grow(dumps.database, 0, 0, plan.small_shards, plan.shard_bytes).await?;
    let mut pairs = Vec::new();
    for n in 0..plan.pairs {
        progress(&format!("dump and upload, pair {} of {}", n + 1, plan.pairs));
        pairs.push(pair(dumps, n % 2 == 0).await?);
    }
    let slow = to_slow_sink(dumps, plan.slow_part_ms).await?;
    let large =
        grow(dumps.database, small.rows, plan.small_shards, plan.large_shards, plan.shard_bytes)
            .await?;
    let mut large_runs = Vec::new();
    for n in 0..plan.large_runs {
        progress(&format!("large dump and upload, {} of {}", n + 1, plan.large_runs));
        large_runs.push(dumps.ours().await.context("the large dump")?);
        large_runs.last().into_iter().for_each(report);
    }
    Ok(Measured { small, pairs, large, large_runs, slow })
}

/// Our way to a destination that is slower than the source, so that every buffer is in use.
async fn to_slow_sink(dumps: &Dumps<'_>, part_ms: u64) -> Result<Ours> {
    progress(&format!("dump and upload where each part takes {part_ms} ms more"));
    let sink = dumps.server.sink();
    sink.slow_down(part_ms);
    let run = dumps.ours().await.context("the dump to a slow destination");
    sink.slow_down(0);
    let run = run?;
    report(&run);
    Ok(run)
}

/// Adds the shards `from` to `to - 1` to a database that has `rows` already.
async fn grow(
    database: &Database,
    rows: u64,
    from: u64,
    to: u64,
    shard_bytes: u64,
) -> Result<Contents> {
    progress(&format!("database: loading {:.0} MB of rows", mb((to - from) * shard_bytes)));
    let rows = rows + database.add_shards(from, to - from, shard_bytes).await?;
    let disk = database.size()?;
    progress(&format!("  {:.0} MB of rows, {:.0} MB on disk", mb(rows), mb(disk)));
    Ok(Contents { rows, disk })
}

/// Both ways on the same database.
async fn pair(dumps: &Dumps<'_>, seed_first: bool) -> Result<(Seed, Ours)> {
    let (seed, ours) = if seed_first {
        let seed = dumps.seed().await?;
        (seed, dumps.ours().await?)
    } else {
        let ours = dumps.ours().await?;
        (dumps.seed().await?, ours)
    };
    let (dump, upload) = (seed.dump.as_secs_f64(), seed.upload.as_secs_f64());
    progress(&format!(
        "  seed: pg_dump -Z 9 {dump:.1} s, upload {upload:.1} s, {:.0} MB",
        mb(seed.dump_bytes)
    ));
    report(&ours);
    Ok((seed, ours))
}

impl Measured {
    pub(super) fn figures(&self) -> Map<String, Value> {
        let ratio = self.runs(|seed, ours| seed.wall().as_secs_f64() / ours.wall.as_secs_f64());
        let peak = |run: &Ours| mib(run.dumper.peak_kib);
        let small_peak = self.runs(|_, ours| peak(ours));
        let large_peak: Runs = self.large_runs.iter().map(peak).collect();
        let growth = large_peak.median() / small_peak.median();
        progress(&format!("ours against the seed's way: {}", ratio.text("times as fast")));
        progress(&format!("peak at the small size: {}", small_peak.text("MiB")));
        progress(&format!(
            "peak at the large size: {}, {growth:.2} times that",
            large_peak.text("MiB")
        ));
        progress(&format!("peak with a slow destination: {:.2} MiB", peak(&self.slow)));
        let large = json!({
            "rows_mb": rounded(mb(self.large.rows)),
            "disk_mb": rounded(mb(self.large.disk)),
            "peak_rss_mib": large_peak.json(),
            "ours": self.large_runs.iter().map(details).collect::<Vec<_>>(),
        });
        let all = [
            ("vs_seed", json!(rounded(ratio.median()))),
            ("peak_rss_mib_1gb", json!(rounded(small_peak.median()))),
            ("peak_rss_mib_5gb", json!(rounded(large_peak.median()))),
            ("peak_rss_5gb_to_1gb", json!(rounded(growth))),
            ("peak_rss_mib_slow_sink", json!(rounded(peak(&self.slow)))),
            ("small", self.small_details(&ratio, &small_peak)),
            ("large", large),
            ("slow_sink", details(&self.slow)),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn small_details(&self, ratio: &Runs, peak: &Runs) -> Value {
        json!({
            "rows_mb": rounded(mb(self.small.rows)),
            "disk_mb": rounded(mb(self.small.disk)),
            "vs_seed": ratio.json(),
            "peak_rss_mib": peak.json(),
            "vs_seed_without_its_upload":
                self.runs(|seed, ours| seed.dump.as_secs_f64() / ours.wall.as_secs_f64()).json(),
            "seed_dump_s": self.runs(|seed, _| seed.dump.as_secs_f64()).json(),
            "seed_upload_s": self.runs(|seed, _| seed.upload.as_secs_f64()).json(),
            "seed_dump_mb": rounded(self.runs(|seed, _| mb(seed.dump_bytes)).median()),
            "ours_s": self.runs(|_, ours| ours.wall.as_secs_f64()).json(),
            "ours": self.pairs.iter().map(|(_, ours)| details(ours)).collect::<Vec<_>>(),
        })
    }

    fn runs(&self, figure: impl Fn(&Seed, &Ours) -> f64) -> Runs {
        self.pairs.iter().map(|(seed, ours)| figure(seed, ours)).collect()
    }
}

fn report(run: &Ours) {
    progress(&format!(
        "  ours: {:.1} s, {:.0} MB; dumper: peak {:.1} MiB, CPU {:.1} s; pg_dump: peak {:.1} MiB, CPU {:.1} s",
        run.wall.as_secs_f64(),
        mb(run.dump_bytes),
        mib(run.dumper.peak_kib),
        run.dumper.cpu_s,
        mib(run.pg_dump.peak_kib),
        run.pg_dump.cpu_s,
    ));
}

fn details(run: &Ours) -> Value {
    json!({
        "wall_s": rounded(run.wall.as_secs_f64()),
        "dump_mb": rounded(mb(run.dump_bytes)),
        "dumper_peak_rss_mib": rounded(mib(run.dumper.peak_kib)),
        "dumper_cpu_s": rounded(run.dumper.cpu_s),
        "pg_dump_peak_rss_mib": rounded(mib(run.pg_dump.peak_kib)),
        "pg_dump_cpu_s": rounded(run.pg_dump.cpu_s),
    })
}
