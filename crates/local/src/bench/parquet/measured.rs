//! What was measured, and the figures from it.

use serde_json::{Map, Value, json};

use super::super::figures::{Runs, mb, mib, rounded};
use super::ways::{Run, Size, Way};
use crate::say::progress;

/// A table that all ways converted.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) table: &'static str,
    pub(super) size: Size,
    /// Of its files, and of our CSV.
    pub(super) bytes: u64,
    pub(super) csv_bytes: u64,
    /// What ran in each round.
    pub(super) rounds: Vec<Vec<(Way, Run)>>,
}

/// A table that ours converted for its memory.
#[derive(Debug)]
pub(super) struct Alone {
    pub(super) name: &'static str,
    pub(super) size: Size,
    pub(super) bytes: u64,
    pub(super) run: Run,
}

/// All that was measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) beside: Vec<Beside>,
    pub(super) alone: Vec<Alone>,
}

impl Beside {
    /// How many times as much a peer takes as ours, by a figure of both, in each round.
    fn ratio(&self, peer: Way, figure: fn(&Run) -> f64) -> Runs {
        let ratio = |round: &Vec<(Way, Run)>| {
            let of =
                |way| round.iter().find(|(other, _)| *other == way).map(|(_, run)| figure(run));
            Some(of(peer)? / of(Way::Ours)?)
        };
        self.rounds.iter().filter_map(ratio).collect()
    }

    fn of(&self, way: Way, figure: impl Fn(&Run) -> f64) -> Runs {
        let runs = self.rounds.iter().flatten().filter(|(other, _)| *other == way);
        runs.map(|(_, run)| figure(run)).collect()
    }

    fn json(&self) -> Value {
        let mut all = Map::from_iter([
            ("rows".to_owned(), json!(self.size.all())),
            ("files".to_owned(), json!(self.size.files)),
            ("parquet_mb".to_owned(), json!(rounded(mb(self.bytes)))),
            ("csv_mb".to_owned(), json!(rounded(mb(self.csv_bytes)))),
        ]);
        let rows = count(self.size.all());
        for way in [Way::Ours, Way::Duckdb, Way::Pyarrow] {
            let figures = json!({
                "wall_s": self.of(way, |run| run.wall_s).json(),
                "cpu_s": self.of(way, |run| run.cpu_s).json(),
                "rows_per_s": self.of(way, |run| rows / run.wall_s).json(),
                "peak_rss_mib": self.of(way, |run| mib(run.peak_kib)).json(),
            });
            all.insert(way.name().to_owned(), figures);
        }
        for (name, peer) in [("duckdb_1_thread", Way::Duckdb), ("pyarrow", Way::Pyarrow)] {
            let (cpu, wall) =
                (self.ratio(peer, |run| run.cpu_s), self.ratio(peer, |run| run.wall_s));
            progress(&format!(
                "{}, {name}: CPU {}, time {}",
                self.table,
                cpu.text(""),
                wall.text("")
            ));
            all.insert(format!("cpu_vs_{name}"), cpu.json());
            all.insert(format!("wall_vs_{name}"), wall.json());
        }
        Value::Object(all)
    }
}

impl Measured {
    pub(super) fn figures(&self) -> Map<String, Value> {
        let mut all = Map::new();
        for (name, peer, figure) in [
            ("csv_vs_duckdb_1_thread", Way::Duckdb, (|run| run.cpu_s) as fn(&Run) -> f64),
            ("csv_vs_pyarrow", Way::Pyarrow, |run| run.cpu_s),
            ("csv_wall_vs_duckdb_1_thread", Way::Duckdb, |run| run.wall_s),
            ("csv_wall_vs_pyarrow", Way::Pyarrow, |run| run.wall_s),
        ] {
            all.insert(name.to_owned(), self.least(peer, figure));
        }
        let beside =
            self.beside.iter().flat_map(|table| table.of(Way::Ours, |run| mib(run.peak_kib)).all());
        let alone = self.alone.iter().map(|alone| mib(alone.run.peak_kib));
        let peaks: Runs = beside.chain(alone).collect();
        let peak = if self.beside.is_empty() { Value::Null } else { json!(rounded(peaks.most())) };
        progress(&format!("peak_rss_mib: {peak}"));
        all.insert("peak_rss_mib".to_owned(), peak);
        let tables = self.beside.iter().map(|table| (table.table.to_owned(), table.json()));
        all.insert("tables".to_owned(), Value::Object(tables.collect()));
        let alone = self.alone.iter().map(|alone| (alone.name.to_owned(), details(alone)));
        all.insert("memory".to_owned(), Value::Object(alone.collect()));
        all
    }

    /// Of the tables' medians the least: what holds for each.
    fn least(&self, peer: Way, figure: fn(&Run) -> f64) -> Value {
        let medians = self.beside.iter().map(|table| table.ratio(peer, figure).figure());
        let medians: Option<Vec<f64>> = medians.map(|median| median.as_f64()).collect();
        medians
            .and_then(|medians| medians.into_iter().min_by(f64::total_cmp))
            .map_or(Value::Null, |least| json!(least))
    }
}

fn details(alone: &Alone) -> Value {
    json!({
        "rows": alone.size.all(),
        "files": alone.size.files * alone.size.copies,
        "row_groups_of_a_file": alone.size.groups,
        "parquet_mb": rounded(mb(alone.bytes)),
        "csv_mb": rounded(mb(alone.run.bytes)),
        "wall_s": rounded(alone.run.wall_s),
        "cpu_s": rounded(alone.run.cpu_s),
        "peak_rss_mib": rounded(mib(alone.run.peak_kib)),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { files: 2, groups: 1, rows: 100, copies: 1 };

    fn run(seconds: f64, peak_mib: u64) -> Run {
        Run { wall_s: seconds / 2.0, cpu_s: seconds, peak_kib: peak_mib * 1024, bytes: 10 }
    }

    fn table(rounds: Vec<Vec<(Way, Run)>>) -> Beside {
        Beside { table: "mixed", size: SIZE, bytes: 5, csv_bytes: 10, rounds }
    }

    /// The names that the issue asks for, and `null` for what was not measured.
    #[test]
    fn every_figure_is_there_even_when_nothing_was_measured() {
        let figures = Measured::default().figures();
        for name in ["csv_vs_duckdb_1_thread", "csv_vs_pyarrow", "peak_rss_mib"] {
            assert_eq!(figures.get(name), Some(&Value::Null), "{name}");
        }
        // Without the others, ours is still measured.
        let beside = vec![table(vec![vec![(Way::Ours, run(2.0, 50))]])];
        let figures = Measured { beside, alone: Vec::new() }.figures();
        assert_eq!(figures["csv_vs_pyarrow"], Value::Null);
        assert_eq!(figures["peak_rss_mib"], 50.0);
        assert_eq!(figures["tables"]["mixed"]["ours"]["rows_per_s"]["median"], 200.0);
    }

    #[test]
    fn ratios_are_of_the_same_round_and_the_least_of_the_tables() {
        let round =
            |ours, theirs| vec![(Way::Duckdb, run(theirs, 400)), (Way::Ours, run(ours, 60))];
        let beside = vec![
            table(vec![round(1.0, 2.0), round(2.0, 8.0), round(1.0, 3.0)]),
            table(vec![round(2.0, 3.0)]),
        ];
        let alone = vec![Alone { name: "wide", size: SIZE, bytes: 7, run: run(1.0, 70) }];
        let figures = Measured { beside, alone }.figures();
        assert_eq!(figures["csv_vs_duckdb_1_thread"], 1.5);
        assert_eq!(figures["csv_vs_pyarrow"], Value::Null);
        assert_eq!(figures["peak_rss_mib"], 70.0);
        assert_eq!(figures["memory"]["wide"]["peak_rss_mib"], 70.0);
    }
}
