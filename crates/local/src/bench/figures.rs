//! Many measurements, one figure.

use serde_json::{Value, json};

/// The measurements of one thing, in the order they were made.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs(Vec<f64>);

impl FromIterator<f64> for Runs {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Runs {
    pub(super) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one, or the mean of the two in the middle. 0 when nothing was measured.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => 0.0,
            n if n % 2 == 1 => sorted[n / 2],
            n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }

    /// The median as JSON; `null` when nothing was measured.
    pub(super) fn figure(&self) -> Value {
        if self.0.is_empty() { Value::Null } else { json!(rounded(self.median())) }
    }

    /// Every one.
    pub(super) fn all(self) -> impl Iterator<Item = f64> {
        self.0.into_iter()
    }

    /// The smallest.
    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The largest.
    pub(super) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// How a person reads it: the median, and from where to where the runs went.
    pub(super) fn text(&self, unit: &str) -> String {
        match self.0.len() {
            0 | 1 => format!("{:.2} {unit}", self.median()),
            n => {
                let (least, most) = (self.least(), self.most());
                format!("{:.2} {unit} (median of {n}; {least:.2} to {most:.2})", self.median())
            }
        }
    }

    /// Median, extremes and every run.
    pub(super) fn json(&self) -> Value {
        let runs: Vec<f64> = self.0.iter().copied().map(rounded).collect();
        let extremes = if runs.is_empty() { (0.0, 0.0) } else { (self.least(), self.most()) };
        json!({
            "median": rounded(self.median()),
            "min": rounded(extremes.0),
            "max": rounded(extremes.1),
            "runs": runs,
        })
    }
}

/// To three decimals.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Bytes as MB of 1,000,000.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// KiB as MiB.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::Runs;

    #[test]
    fn the_median_is_the_middle() {
        let runs = |values: &[f64]| values.iter().copied().collect::<Runs>();
        assert!((runs(&[3.0, 1.0, 2.0]).median() - 2.0).abs() < 1e-9);
        assert!((runs(&[4.0, 1.0, 2.0, 3.0]).median() - 2.5).abs() < 1e-9);
        assert!(runs(&[]).median().abs() < 1e-9);
        let json = runs(&[3.0, 1.0, 2.0]).json();
        assert_eq!(json["min"], 1.0);
        assert_eq!(json["max"], 3.0);
        assert_eq!(json["runs"].as_array().map(Vec::len), Some(3));
    }
}
