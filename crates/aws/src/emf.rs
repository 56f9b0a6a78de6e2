//! Metrics as a log line in CloudWatch's embedded metric format. CloudWatch makes
//! metrics of it without a request.

use std::io::{self, Write as _};

use autodump_core::scan::ScanReport;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "AutoDump";

/// The dimension, whose value is the name of the deployment.
pub const DIMENSION: &str = "Name";

/// The line for a scan; `None` when there is nothing to tell. Only what happened is in it: a
/// metric costs for each hour that it gets a value in, and a quiet deployment is to cost
/// nothing. Alarms have to treat missing data as good.
#[must_use]
pub fn scanned(name: &str, report: &ScanReport, at: DateTime<Utc>) -> Option<Value> {
    let values = [
        ("TargetsStarted", report.started),
        ("TargetsRejected", report.rejected),
        ("TargetsFailed", report.failed),
    ];
    counted(name, &values, at)
}

/// The line for a table that was made into CSV; `None` where no row of it was rejected.
#[must_use]
pub fn converted(name: &str, rejects: u64, at: DateTime<Utc>) -> Option<Value> {
    counted(name, &[("RowsRejected", rejects)], at)
}

/// The line for an export that has ended well; `None` where RDS left nothing out.
#[must_use]
pub fn exported(name: &str, skipped: u64, at: DateTime<Utc>) -> Option<Value> {
    counted(name, &[("TablesSkipped", skipped)], at)
}

/// Writes a line, if there is one, to standard output, where `CloudWatch` reads it.
pub fn print(line: Option<Value>) {
    let Some(line) = line else { return };
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        tracing::warn!(%error, "the metrics could not be written");
    }
}

fn counted(name: &str, values: &[(&str, u64)], at: DateTime<Utc>) -> Option<Value> {
    let values: Vec<_> = values.iter().filter(|(_, value)| *value > 0).collect();
    if values.is_empty() {
        return None;
    }
    let metrics: Vec<_> =
        values.iter().map(|(metric, _)| json!({"Name": metric, "Unit": "Count"})).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": at.timestamp_millis(),
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics}
            ]
        },
        DIMENSION: name,
    });
    for (metric, value) in values {
        line[*metric] = (*value).into();
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_the_format_of_cloudwatch() {
        let report =
            ScanReport { started: 3, rejected: 1, not_targets: 9, ..ScanReport::default() };
        let at = "2026-11-21T08:00:00.250Z".parse().unwrap();
        assert_eq!(
            scanned("Stack/AutoDump", &report, at).unwrap(),
            json!({
                "_aws": {
                    "Timestamp": 1_795_248_000_250_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "AutoDump",
                        "Dimensions": [["Name"]],
                        "Metrics": [
                            {"Name": "TargetsStarted", "Unit": "Count"},
                            {"Name": "TargetsRejected", "Unit": "Count"}
                        ]
                    }]
                },
                "Name": "Stack/AutoDump",
                "TargetsStarted": 3,
                "TargetsRejected": 1
            })
        );
    }

    #[test]
    fn what_changed_nothing_has_no_line() {
        let report = ScanReport { already_there: 7, not_targets: 2, ..ScanReport::default() };
        assert_eq!(scanned("x", &report, DateTime::UNIX_EPOCH), None);
        assert_eq!(converted("x", 0, DateTime::UNIX_EPOCH), None);
        assert_eq!(exported("x", 0, DateTime::UNIX_EPOCH), None);
    }

    /// `contract/metrics.json` is also read by the construct, which hands the metrics out.
    #[test]
    fn the_names_are_the_contract() {
        let golden: Value =
            serde_json::from_str(include_str!("../../../contract/metrics.json")).unwrap();
        let report = ScanReport { started: 1, rejected: 1, failed: 1, ..ScanReport::default() };
        let line = scanned("x", &report, DateTime::UNIX_EPOCH).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        let names = directive["Metrics"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|metric| metric["Name"].clone()).collect();
        assert_eq!(golden["scanner"], Value::Array(names));
        assert_eq!(golden["namespace"], directive["Namespace"]);
        assert_eq!(golden["dimension"], directive["Dimensions"][0][0]);
        let line = converted("Stack/Csv", 2, DateTime::UNIX_EPOCH).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(golden["csv"], json!([directive["Metrics"][0]["Name"]]));
        assert_eq!((&line["Name"], &line["RowsRejected"]), (&json!("Stack/Csv"), &json!(2)));
        let line = exported("x", 1, DateTime::UNIX_EPOCH).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(golden["snapshots"], json!([directive["Metrics"][0]["Name"]]));
    }
}
