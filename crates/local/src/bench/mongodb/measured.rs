//! What was measured, and the figures from it.

use serde_json::{Map, Value, json};

use super::super::figures::{Runs, mb, mib, rounded};
use super::JOBS;
use super::dump::{Ours, Peer};
use crate::say::progress;

/// Everything that is compared, by the name of its figure.
pub(super) const FIGURES: [&str; 6] = [
    "vs_mongodump",
    "vs_mongodump_many",
    "vs_mongodump_uncompressed",
    "vs_mongodump_default",
    "vs_mongodump_our_gzip",
    "vs_mongodump_documentdb",
];

/// The runs behind one figure, in turn.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// All documents, in bytes of BSON.
    pub(super) bson: u64,
    pub(super) runs: Vec<(Option<Peer>, Ours)>,
}

/// All that was measured.
#[derive(Debug, Default)]
pub(super) struct Measured(Vec<(&'static str, Series)>);

impl Measured {
    pub(super) fn add(&mut self, figure: &'static str, series: Series) {
        self.0.push((figure, series));
    }

    pub(super) fn figures(&self) -> Map<String, Value> {
        let of = |figure: &str| self.0.iter().find(|(name, _)| *name == figure).map(|(_, s)| s);
        let mut all = Map::new();
        for name in FIGURES {
            let ratios = of(name).map(Series::ratios).unwrap_or_default();
            say(name, &ratios);
            all.insert(name.to_owned(), ratios.figure());
        }
        // What is compressed as it is by default says what a run costs.
        let cost = of("vs_mongodump_default").map(Series::cpu_s_per_gb).unwrap_or_default();
        let size = of("vs_mongodump").map(Series::sizes).unwrap_or_default();
        let peaks: Runs = self.ours().map(|ours| mib(ours.dumper.peak_kib)).collect();
        let peak = self.ours().next().map(|_| rounded(peaks.most()));
        for (name, runs) in [("cpu_s_per_gb", &cost), ("size_vs_mongodump", &size)] {
            say(name, runs);
            all.insert(name.to_owned(), runs.figure());
        }
        progress(&format!("peak_rss_mib: {:.2}", peak.unwrap_or_default()));
        let runs = self.0.iter().map(|(name, series)| ((*name).to_owned(), series.json()));
        all.insert("peak_rss_mib".to_owned(), json!(peak));
        all.insert("runs".to_owned(), Value::Object(runs.collect()));
        all.insert("conditions".to_owned(), json!({"jobs": JOBS}));
        all
    }

    fn ours(&self) -> impl Iterator<Item = &Ours> {
        self.0.iter().flat_map(|(_, series)| &series.runs).map(|(_, ours)| ours)
    }
}

impl Series {
    fn peers(&self) -> impl Iterator<Item = (&Peer, &Ours)> {
        self.runs.iter().filter_map(|(peer, ours)| Some((peer.as_ref()?, ours)))
    }

    fn ratios(&self) -> Runs {
        let ratio =
            |(peer, ours): (&Peer, &Ours)| peer.wall.as_secs_f64() / ours.wall.as_secs_f64();
        self.peers().map(ratio).collect()
    }

    fn sizes(&self) -> Runs {
        self.peers().map(|(peer, ours)| mb(ours.bytes) / mb(peer.bytes)).collect()
    }

    fn gb(&self) -> f64 {
        mb(self.bson) / 1000.0
    }

    fn cpu_s_per_gb(&self) -> Runs {
        self.runs.iter().map(|(_, ours)| ours.dumper.cpu_s / self.gb()).collect()
    }

    fn json(&self) -> Value {
        let ours = |figure: fn(&Ours) -> f64| -> Value {
            self.runs.iter().map(|(_, ours)| figure(ours)).collect::<Runs>().json()
        };
        let peer = |figure: fn(&Peer) -> f64| -> Value {
            self.peers().map(|(peer, _)| figure(peer)).collect::<Runs>().json()
        };
        let speed = |seconds: f64| mb(self.bson) / seconds;
        let ours_speed: Runs =
            self.runs.iter().map(|(_, ours)| speed(ours.wall.as_secs_f64())).collect();
        let peer_speed: Runs =
            self.peers().map(|(peer, _)| speed(peer.wall.as_secs_f64())).collect();
        json!({
            "ratio": self.ratios().json(),
            "bson_mb": rounded(mb(self.bson)),
            "ours_s": ours(|run| run.wall.as_secs_f64()),
            "ours_mb_per_s": ours_speed.json(),
            "ours_mb": ours(|run| mb(run.bytes)),
            "ours_cpu_s": ours(|run| run.dumper.cpu_s),
            "ours_cpu_s_per_gb": self.cpu_s_per_gb().json(),
            "ours_peak_rss_mib": ours(|run| mib(run.dumper.peak_kib)),
            "mongodump_s": peer(|run| run.wall.as_secs_f64()),
            "mongodump_mb_per_s": peer_speed.json(),
            "mongodump_mb": peer(|run| mb(run.bytes)),
            "mongodump_cpu_s": peer(|run| run.mongodump.cpu_s),
            "mongodump_peak_rss_mib": peer(|run| mib(run.mongodump.peak_kib)),
        })
    }
}

fn say(name: &str, runs: &Runs) {
    let text = if runs.figure().is_null() { "skipped".to_owned() } else { runs.text("") };
    progress(&format!("{name}: {}", text.trim_end()));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::procfs::Usage;

    fn ours(seconds: u64) -> Ours {
        let dumper = Usage { peak_kib: 1024 * seconds, cpu_s: 1.0 };
        let wall = Duration::from_secs(seconds);
        Ours { wall, dumper, mongodump: Usage::default(), bytes: 50, objects: 1 }
    }

    /// The names that the issue asks for, and `null` for what was not measured.
    #[test]
    fn every_figure_is_there_even_when_nothing_was_measured() {
        let figures = Measured::default().figures();
        for name in FIGURES.iter().chain(&["cpu_s_per_gb", "peak_rss_mib"]) {
            assert_eq!(figures.get(*name), Some(&Value::Null), "{name}");
        }
    }

    #[test]
    fn a_ratio_is_the_median_of_pairs_and_needs_mongodump() {
        let peer = |seconds| {
            let wall = Duration::from_secs(seconds);
            Some(Peer { wall, mongodump: Usage::default(), bytes: 100 })
        };
        let mut measured = Measured::default();
        let runs =
            vec![(peer(4), ours(2)), (peer(9), ours(3)), (None, ours(5)), (peer(4), ours(4))];
        measured.add("vs_mongodump", Series { bson: 2_000_000_000, runs });
        measured.add(
            "vs_mongodump_default",
            Series { bson: 2_000_000_000, runs: vec![(None, ours(1))] },
        );
        let figures = measured.figures();
        assert_eq!(figures["vs_mongodump"], 2.0);
        assert_eq!(figures["size_vs_mongodump"], 0.5);
        assert_eq!(figures["vs_mongodump_default"], Value::Null);
        assert_eq!(figures["cpu_s_per_gb"], 0.5);
        assert_eq!(figures["peak_rss_mib"], 5.0);
        assert_eq!(figures["runs"]["vs_mongodump"]["ours_s"]["runs"].as_array().unwrap().len(), 4);
    }
}
