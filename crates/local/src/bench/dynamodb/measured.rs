//! What was measured, and the figures from it.

use serde_json::{Map, Value, json};

use super::super::figures::{Runs, mb, mib, rounded};
use super::ours::Ours;
use super::peers::Peer;
use super::stub::Totals;
use super::{COMPRESSIONS, SEGMENTS, USUAL_SEGMENTS};
use crate::say::progress;

/// From this share of our time on, the emulator is said to be the limit.
const LIMIT: f64 = 0.6;

/// A run of the dumper alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stubbed {
    pub(super) segments: u32,
    pub(super) ours: Ours,
}

/// A run with a compression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coded {
    pub(super) compression: &'static str,
    pub(super) ours: Ours,
}

/// Another way, and ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) segments: u32,
    pub(super) theirs: Peer,
    pub(super) ours: Ours,
}

/// All that was measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// What the dumper read alone.
    pub(super) alone: Totals,
    pub(super) stubbed: Vec<Stubbed>,
    pub(super) coded_totals: Totals,
    pub(super) coded: Vec<Coded>,
    /// On prepared pages.
    pub(super) boto3_stub: Vec<Pair>,
    /// The emulator's table.
    pub(super) table: Totals,
    pub(super) boto3: Vec<Pair>,
    pub(super) dynamodump: Vec<Pair>,
    /// By segments: the time that the emulator needs for its pages alone, to the time of ours.
    pub(super) limits: Vec<(u32, f64)>,
}

impl Measured {
    pub(super) fn figures(&self, usual: &str) -> Map<String, Value> {
        let mut all = Map::new();
        for (name, pairs) in [
            ("vs_boto3", &self.boto3),
            ("vs_peer", &self.dynamodump),
            ("vs_boto3_stub", &self.boto3_stub),
        ] {
            all.insert(name.to_owned(), least(name, pairs));
            for segments in SEGMENTS {
                all.insert(format!("{name}_{segments}"), ratio(pairs, segments).figure());
            }
        }
        for segments in SEGMENTS {
            let runs = self.limits_with(segments);
            progress(&format!("vs_limit, {segments} segments: {}", runs.text("").trim_end()));
            all.insert(format!("vs_limit_{segments}"), runs.figure());
        }
        for (name, runs) in self.alone_with(USUAL_SEGMENTS) {
            progress(&format!("{name}: {}", runs.text("").trim_end()));
            all.insert(name.to_owned(), runs.figure());
        }
        let peaks: Runs = self.all_ours().map(|ours| mib(ours.dumper.peak_kib)).collect();
        let peak = if self.stubbed.is_empty() { Value::Null } else { json!(rounded(peaks.most())) };
        progress(&format!("peak_rss_mib: {peak}"));
        all.extend([
            ("peak_rss_mib".to_owned(), peak),
            ("emulator_is_limit".to_owned(), self.emulator_is_limit()),
            ("runs".to_owned(), self.runs()),
            ("conditions".to_owned(), self.conditions(usual)),
        ]);
        all
    }

    /// Of every run with the usual compression.
    fn all_ours(&self) -> impl Iterator<Item = &Ours> {
        let pairs = self.boto3_stub.iter().chain(&self.boto3).chain(&self.dynamodump);
        self.stubbed.iter().map(|run| &run.ours).chain(pairs.map(|pair| &pair.ours))
    }

    fn alone_with(&self, segments: u32) -> [(&'static str, Runs); 3] {
        let of = |figure: &dyn Fn(&Ours) -> f64| -> Runs {
            let runs = self.stubbed.iter().filter(|run| run.segments == segments);
            runs.map(|run| figure(&run.ours)).collect()
        };
        let (items, mb) = (count(self.alone.items), mb(self.alone.bytes));
        [
            ("items_per_s_stub", of(&|ours| items / ours.wall.as_secs_f64())),
            ("mb_per_s_stub", of(&|ours| mb / ours.wall.as_secs_f64())),
            ("cpu_s_per_gb", of(&|ours| ours.dumper.cpu_s / (mb / 1000.0))),
        ]
    }

    /// For which numbers of segments the emulator was the limit of our runs.
    fn emulator_is_limit(&self) -> Value {
        let share = |segments: u32| self.limits_with(segments).median();
        let limited: Vec<u32> = SEGMENTS.into_iter().filter(|s| share(*s) >= LIMIT).collect();
        if !limited.is_empty() {
            progress(&format!(
                "the emulator, which answers one request after the other, is the limit of ours at {limited:?} segments; \
                 vs_boto3_stub is without it"
            ));
        }
        json!(limited)
    }

    fn limits_with(&self, segments: u32) -> Runs {
        self.limits.iter().filter(|(with, _)| *with == segments).map(|(_, limit)| *limit).collect()
    }

    fn runs(&self) -> Value {
        let by_segments = |of: &dyn Fn(u32) -> Value| -> Value {
            SEGMENTS
                .into_iter()
                .map(|segments| (segments.to_string(), of(segments)))
                .collect::<Map<_, _>>()
                .into()
        };
        json!({
            "alone": by_segments(&|segments| self.alone_details(segments)),
            "vs_boto3": by_segments(&|segments| details(&self.boto3, segments)),
            "vs_peer": by_segments(&|segments| details(&self.dynamodump, segments)),
            "vs_boto3_stub": by_segments(&|segments| details(&self.boto3_stub, segments)),
            "vs_limit": by_segments(&|segments| self.limits_with(segments).json()),
        })
    }

    fn alone_details(&self, segments: u32) -> Value {
        let of = |figure: fn(&Ours) -> f64| -> Value {
            let runs = self.stubbed.iter().filter(|run| run.segments == segments);
            runs.map(|run| figure(&run.ours)).collect::<Runs>().json()
        };
        let mut all: Map<_, _> = self
            .alone_with(segments)
            .into_iter()
            .map(|(name, runs)| (name.to_owned(), runs.json()))
            .collect();
        all.extend([
            ("wall_s".to_owned(), of(|ours| ours.wall.as_secs_f64())),
            ("peak_rss_mib".to_owned(), of(|ours| mib(ours.dumper.peak_kib))),
            ("puts".to_owned(), of(|ours| count(ours.puts))),
            ("servers_cpu_s".to_owned(), of(|ours| ours.servers_cpu_s)),
        ]);
        Value::Object(all)
    }

    fn conditions(&self, usual: &str) -> Value {
        let compressions: Map<_, _> = COMPRESSIONS
            .into_iter()
            .map(|compression| (compression.to_owned(), self.compression(compression)))
            .collect();
        json!({
            "default_compression": usual,
            "compressions": compressions,
            "segments_of_single_figures": USUAL_SEGMENTS,
            "stub": totals(self.alone),
            "table": totals(self.table),
            "emulator": "dynoxide",
            "peer": "dynamodump, without segments",
            "others_write_to": "local files, zstd level 1 (boto3), as they are (dynamodump)",
        })
    }

    /// Size and processor time, for a GB of JSON.
    fn compression(&self, compression: &str) -> Value {
        let gb = mb(self.coded_totals.bytes) / 1000.0;
        let of = |figure: &dyn Fn(&Ours) -> f64| -> Runs {
            let runs = self.coded.iter().filter(|run| run.compression == compression);
            runs.map(|run| figure(&run.ours)).collect()
        };
        let size = of(&|ours| mb(ours.bytes) / (gb * 1000.0));
        let cpu = of(&|ours| ours.dumper.cpu_s / gb);
        progress(&format!(
            "{compression}: {:.3} of the JSON, CPU {:.2} s for a GB",
            size.median(),
            cpu.median()
        ));
        json!({
            "size": size.figure(),
            "cpu_s_per_gb": cpu.figure(),
            "mb_per_s": of(&|ours| gb * 1000.0 / ours.wall.as_secs_f64()).figure(),
        })
    }
}

/// How many times as fast ours is, by the number of segments.
fn ratio(pairs: &[Pair], segments: u32) -> Runs {
    let pairs = pairs.iter().filter(|pair| pair.segments == segments);
    pairs.map(|pair| pair.theirs.wall.as_secs_f64() / pair.ours.wall.as_secs_f64()).collect()
}

/// The least of the medians: what holds for every number of segments.
fn least(name: &str, pairs: &[Pair]) -> Value {
    let mut least = f64::INFINITY;
    for segments in SEGMENTS {
        let runs = ratio(pairs, segments);
        if !runs.figure().is_null() {
            progress(&format!("{name}, {segments} segments: {}", runs.text("").trim_end()));
            least = least.min(runs.median());
        }
    }
    if least.is_finite() { json!(rounded(least)) } else { Value::Null }
}

fn details(pairs: &[Pair], segments: u32) -> Value {
    let of = |figure: fn(&Pair) -> f64| -> Value {
        pairs.iter().filter(|pair| pair.segments == segments).map(figure).collect::<Runs>().json()
    };
    json!({
        "ratio": ratio(pairs, segments).json(),
        "theirs_s": of(|pair| pair.theirs.wall.as_secs_f64()),
        "theirs_cpu_s": of(|pair| pair.theirs.usage.cpu_s),
        "theirs_peak_rss_mib": of(|pair| mib(pair.theirs.usage.peak_kib)),
        "theirs_mb": of(|pair| mb(pair.theirs.bytes)),
        "ours_s": of(|pair| pair.ours.wall.as_secs_f64()),
        "ours_cpu_s": of(|pair| pair.ours.dumper.cpu_s),
        "ours_mb": of(|pair| mb(pair.ours.bytes)),
    })
}

fn totals(totals: Totals) -> Value {
    let Totals { items, bytes, counted } = totals;
    json!({
        "items": items,
        "json_mb": rounded(mb(bytes)),
        "table_mb": rounded(mb(counted)),
        "json_per_table_byte": rounded(mb(bytes) / mb(counted.max(1))),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ours(seconds: u64) -> Ours {
        let dumper = super::super::super::procfs::Usage { peak_kib: 1024 * seconds, cpu_s: 2.0 };
        Ours { wall: Duration::from_secs(seconds), dumper, bytes: 1, puts: 3, servers_cpu_s: 0.1 }
    }

    fn pair(segments: u32, theirs: u64, ours_s: u64) -> Pair {
        let wall = Duration::from_secs(theirs);
        let theirs = Peer { wall, usage: ours(1).dumper, bytes: 1 };
        Pair { segments, theirs, ours: ours(ours_s) }
    }

    /// The names that the issue asks for, and `null` for what was not measured.
    #[test]
    fn every_figure_is_there_even_when_nothing_was_measured() {
        let figures = Measured::default().figures("zstd:1");
        for name in [
            "vs_boto3",
            "vs_peer",
            "items_per_s_stub",
            "mb_per_s_stub",
            "cpu_s_per_gb",
            "peak_rss_mib",
        ] {
            assert_eq!(figures.get(name), Some(&Value::Null), "{name}");
        }
        assert_eq!(figures["emulator_is_limit"], json!([]));
    }

    #[test]
    fn figures_are_medians_and_the_least_of_them() {
        let measured = Measured {
            alone: Totals { items: 1000, bytes: 2_000_000_000, counted: 1 },
            stubbed: [2, 4, 10].map(|s| Stubbed { segments: 16, ours: ours(s) }).to_vec(),
            boto3: vec![pair(1, 10, 1), pair(4, 12, 2), pair(4, 7, 1), pair(16, 21, 3)],
            limits: vec![(1, 0.2), (16, 0.9)],
            ..Measured::default()
        };
        let figures = measured.figures("zstd:1");
        assert_eq!((&figures["vs_boto3"], &figures["vs_boto3_4"]), (&json!(6.5), &json!(6.5)));
        assert_eq!(
            (&figures["items_per_s_stub"], &figures["mb_per_s_stub"]),
            (&json!(250.0), &json!(500.0))
        );
        assert_eq!(
            (&figures["cpu_s_per_gb"], &figures["peak_rss_mib"]),
            (&json!(1.0), &json!(10.0))
        );
        assert_eq!(
            (&figures["vs_peer"], &figures["emulator_is_limit"]),
            (&Value::Null, &json!([16]))
        );
    }
}
