//! What was measured, and the figures from it.

use serde_json::{Map, Value, json};

use super::super::figures::{Runs, mb, mib, rounded};
use super::dump::{Ours, Peer};
use super::limit::Limit;
use super::{CAP, CAPPED_JOBS, JOBS};
use crate::say::progress;

/// The runs of one round on the one large table. What could not be run is absent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    pub(super) seed: Option<Peer>,
    /// `pg_dump -Fd -j` with zstd.
    pub(super) directory: Option<Peer>,
    pub(super) limit: Option<Limit>,
    pub(super) default: Option<Ours>,
    pub(super) zstd: Option<Ours>,
    pub(super) no_codec: Option<Ours>,
    pub(super) real_s3: Option<Ours>,
}

/// All that was measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// The server's major version, for what is measured with gzip and for all else.
    pub(super) gzip_major: u32,
    pub(super) major: u32,
    /// The bytes of rows in the text form of `COPY`, and on disk.
    pub(super) one_rows: u64,
    pub(super) one_disk: u64,
    pub(super) many_rows: u64,
    pub(super) many_disk: u64,
    pub(super) one_gzip: Vec<(Peer, Ours)>,
    pub(super) many_gzip: Vec<(Peer, Ours)>,
    /// The dumper's own choice of compression.
    pub(super) default: String,
    pub(super) rounds: Vec<Round>,
    pub(super) capped: Vec<(Peer, Ours)>,
    pub(super) capped_compression: String,
    /// Seconds of `pg_restore` and of ours.
    pub(super) restores: Vec<(f64, f64)>,
    /// The dumper's peaks of memory in MiB, of all runs with [`JOBS`] connections.
    pub(super) peaks: Runs,
}

impl Measured {
    pub(super) fn figures(&self) -> Map<String, Value> {
        let ratios = self.ratios();
        let mut all: Map<String, Value> =
            ratios.iter().map(|(name, runs)| ((*name).to_owned(), runs.figure())).collect();
        for (name, runs) in &ratios {
            let text = if runs.figure().is_null() { "skipped".to_owned() } else { runs.text("") };
            progress(&format!("{name}: {}", text.trim_end()));
        }
        progress(&format!("peak_rss_mib: {:.2}", self.peaks.most()));
        let runs: Map<String, Value> =
            ratios.iter().map(|(name, runs)| ((*name).to_owned(), runs.json())).collect();
        all.extend([
            ("peak_rss_mib".to_owned(), json!(rounded(self.peaks.most()))),
            ("runs".to_owned(), Value::Object(runs)),
            ("seconds".to_owned(), self.seconds()),
            ("conditions".to_owned(), self.conditions()),
        ]);
        all
    }

    fn ratios(&self) -> Vec<(&'static str, Runs)> {
        let ours = |run: Option<Ours>| Some(run?.wall.as_secs_f64());
        let limit = |round: &Round| Some(round.limit?.wall.as_secs_f64());
        vec![
            ("vs_seed", self.of(|r| Some(r.seed?.wall().as_secs_f64() / ours(r.default)?))),
            ("vs_pg_dump_j_one_table_gzip", ratio(&self.one_gzip)),
            (
                "vs_pg_dump_j_one_table_zstd",
                self.of(|r| Some(r.directory?.wall().as_secs_f64() / ours(r.zstd)?)),
            ),
            ("vs_pg_dump_j8_capped", ratio(&self.capped)),
            ("vs_pg_dump_j_many_tables", ratio(&self.many_gzip)),
            ("vs_limit", self.of(|r| Some(limit(r)? / ours(r.default)?))),
            ("vs_limit_no_codec", self.of(|r| Some(limit(r)? / ours(r.no_codec)?))),
            (
                "restore_vs_pg_restore",
                self.restores.iter().map(|(theirs, ours)| theirs / ours).collect(),
            ),
            ("size_vs_seed", self.of(|r| Some(mb(r.default?.bytes) / mb(r.seed?.bytes)))),
            (
                "cpu_s_per_gb",
                self.of(|r| Some(r.default?.dumper.cpu_s / (mb(r.limit?.bytes) / 1000.0))),
            ),
            ("real_s3_vs_sink", self.of(|r| Some(ours(r.default)? / ours(r.real_s3)?))),
        ]
    }

    fn of(&self, figure: impl Fn(&Round) -> Option<f64>) -> Runs {
        self.rounds.iter().filter_map(figure).collect()
    }

    fn seconds(&self) -> Value {
        let peer = |peer: Option<Peer>| Some(peer?.dump.as_secs_f64());
        let upload = |peer: Option<Peer>| Some(peer?.upload.as_secs_f64());
        json!({
            "seed": self.of(|r| peer(r.seed)).json(),
            "seed_upload": self.of(|r| upload(r.seed)).json(),
            "pg_dump_j_zstd": self.of(|r| peer(r.directory)).json(),
            "pg_dump_j_zstd_upload": self.of(|r| upload(r.directory)).json(),
            "limit": self.of(|r| Some(r.limit?.wall.as_secs_f64())).json(),
            "ours_default": details(self.rounds.iter().filter_map(|r| r.default)),
            "ours_zstd": details(self.rounds.iter().filter_map(|r| r.zstd)),
            "ours_none": details(self.rounds.iter().filter_map(|r| r.no_codec)),
            "ours_real_s3": details(self.rounds.iter().filter_map(|r| r.real_s3)),
            "one_table_gzip": pairs(&self.one_gzip),
            "many_tables_gzip": pairs(&self.many_gzip),
            "capped": pairs(&self.capped),
            "pg_restore": self.restores.iter().map(|(theirs, _)| *theirs).collect::<Runs>().json(),
            "ours_restore": self.restores.iter().map(|(_, ours)| *ours).collect::<Runs>().json(),
        })
    }

    fn conditions(&self) -> Value {
        json!({
            "postgresql": self.major,
            "postgresql_gzip": self.gzip_major,
            "one_rows_mb": rounded(mb(self.one_rows)),
            "one_disk_mb": rounded(mb(self.one_disk)),
            "many_rows_mb": rounded(mb(self.many_rows)),
            "many_disk_mb": rounded(mb(self.many_disk)),
            "jobs": JOBS,
            "default_compression": self.default,
            "capped_compression": self.capped_compression,
            "capped_jobs": CAPPED_JOBS,
            "capped_mb_per_s": rounded(mb(CAP)),
            "limit_reader": "own reader, which looks at no row",
        })
    }
}

fn ratio(pairs: &[(Peer, Ours)]) -> Runs {
    pairs.iter().map(|(peer, ours)| peer.wall().as_secs_f64() / ours.wall.as_secs_f64()).collect()
}

fn pairs(pairs: &[(Peer, Ours)]) -> Value {
    let seconds = |figure: fn(&Peer) -> f64| -> Value {
        pairs.iter().map(|(peer, _)| figure(peer)).collect::<Runs>().json()
    };
    json!({
        "pg_dump_j": seconds(|peer| peer.dump.as_secs_f64()),
        "pg_dump_j_upload": seconds(|peer| peer.upload.as_secs_f64()),
        "pg_dump_j_mb": seconds(|peer| mb(peer.bytes)),
        "ours": details(pairs.iter().map(|(_, ours)| *ours)),
    })
}

fn details(runs: impl Iterator<Item = Ours>) -> Value {
    let runs: Vec<Ours> = runs.collect();
    let of = |figure: fn(&Ours) -> f64| runs.iter().map(figure).collect::<Runs>().json();
    json!({
        "wall_s": of(|run| run.wall.as_secs_f64()),
        "mb": of(|run| mb(run.bytes)),
        "dumper_cpu_s": of(|run| run.dumper.cpu_s),
        "dumper_peak_rss_mib": of(|run| mib(run.dumper.peak_kib)),
        "pg_dump_peak_rss_mib": of(|run| mib(run.pg_dump.peak_kib)),
        "sink_cpu_s": of(|run| run.sink_cpu_s),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that the issue asks for, and `null` for what was not measured.
    #[test]
    fn every_figure_is_there_even_when_nothing_was_measured() {
        let figures = Measured::default().figures();
        for name in [
            "vs_seed",
            "vs_pg_dump_j_one_table_gzip",
            "vs_pg_dump_j_one_table_zstd",
            "vs_pg_dump_j8_capped",
            "vs_pg_dump_j_many_tables",
            "vs_limit",
            "vs_limit_no_codec",
            "restore_vs_pg_restore",
            "size_vs_seed",
            "cpu_s_per_gb",
            "real_s3_vs_sink",
        ] {
            assert_eq!(figures.get(name), Some(&Value::Null), "{name}");
        }
        assert!(figures.contains_key("peak_rss_mib"));
    }
}
