//! `autodump status`.
#![allow(clippy::print_stdout, reason = "results go to standard output")]

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::SystemTime;

use autodump_aws::batch::Batch;
use autodump_aws::config;
use autodump_aws::rds::Rds;
use autodump_aws::runs::StepFunctions;
use autodump_aws::s3::S3Store;
use autodump_core::runs::RunStatus;
use autodump_core::snapshot::progress::Progress as DatabaseProgress;
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::status::{Asked, RunState, Status};
use autodump_dump::table::progress::{ExportStatus, Progress, ScanProgress};
use clap::Args;
use serde_json::json;

use crate::backup;
use crate::screen::{megabytes, print};

const VARIABLE: &str = "AUTODUMP_STATE_MACHINE_ARN";

/// Shows the newest runs: what they wait for, how far they are, how they ended.
///
/// Runs under way come first, then those that wait for their time, then those that have ended. Of
/// a DynamoDB table's run it shows how much was read, of that of a database of RDS how far its
/// snapshot or its export is.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The ARN or the name of a secret, table or database; else all.
    target: Option<String>,
    /// The ARN of AutoDump's state machine of backups.
    #[arg(long, value_name = "ARN", env = VARIABLE)]
    state_machine: Option<String>,
    /// The bucket of the backups; else the one that the job definition names.
    #[arg(long)]
    bucket: Option<String>,
    /// The most runs that wait or are under way, and the most that have ended, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Show each segment of a table, too.
    #[arg(long)]
    segments: bool,
    /// Write each run as JSON, one a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The state machine that is meant.
fn state_machine(given: Option<String>) -> Result<String> {
    let hint = format!(
        "Give --state-machine or set {VARIABLE}: \
         arn:aws:states:REGION:ACCOUNT:stateMachine:NAME"
    );
    let wrong = |what: String| Error::new(ErrorClass::Configuration, what, hint.clone());
    let Some(arn) = given.filter(|arn| !arn.trim().is_empty()) else {
        return Err(wrong("no state machine was named".to_owned()));
    };
    match arn.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "states", region, _, "stateMachine", _] if !region.is_empty() => Ok(arn),
        _ => Err(wrong(format!("{arn:?} is no ARN of a state machine"))),
    }
}

/// Shows them.
pub(crate) async fn run(
    arguments: Arguments,
    stop: impl Future<Output = ()> + Send,
) -> Result<ExitCode> {
    let asked = Asked {
        state_machine: state_machine(arguments.state_machine)?,
        target: arguments.target,
        limit: arguments.limit.into(),
        segments: arguments.segments,
    };
    let config = config::load().await?;
    let (runs, jobs) = (StepFunctions::new(&config), Batch::new(&config));
    let store = S3Store::new(&config, backup::options());
    let now = SystemTime::now().into();
    let rds = Rds::new(&config);
    let status = Status::new(&runs, &jobs, &store, &rds, arguments.bucket, now);
    let found = tokio::select! {
        found = status.run(&asked) => found?,
        () = stop => return Err(Error::new(
            ErrorClass::Interrupted,
            "you stopped it before all runs were looked at",
            "Start it again, perhaps with a smaller --limit",
        )),
    };
    if found.runs.is_empty() && !arguments.json {
        println!("There are no such runs.");
    }
    for run in &found.runs {
        if arguments.json {
            print(&json!({ "event": "run", "run": run }));
        } else {
            print!("{}", text(run));
        }
    }
    if let Some(seen) = found.older_after {
        if arguments.json {
            print(&json!({ "event": "older-not-looked-at", "lookedAt": seen }));
        } else {
            println!("{seen} executions that have ended were looked at; older ones were not.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A run in lines.
fn text(run: &RunState) -> String {
    let start = run.starts_at.map_or_else(String::new, |at| format!(" {at}"));
    let ended = run.ended_at.map_or_else(String::new, |at| format!(", ended {at}"));
    let how = match run.status {
        RunStatus::Running if run.waits => "waits until",
        RunStatus::Running => "runs since",
        RunStatus::Succeeded => "succeeded: started",
        RunStatus::Failed => "FAILED: started",
        RunStatus::TimedOut => "TIMED OUT: started",
        RunStatus::Aborted => "aborted: started",
    };
    let mut text = format!("{}\n  {how}{start}{ended}\n", run.name);
    let mut line = |words: &str| {
        let _ = writeln!(text, "  {words}");
    };
    if let Some(target) = &run.target {
        line(&format!("of {target}"));
    }
    line(&run.arn);
    if let Some(cause) = &run.cause {
        line(&format!("because: {}", cause.trim().replace('\n', "\n    ")));
    }
    if let Some(backup) = &run.backup {
        line(&format!("backup complete: {backup}"));
    }
    match &run.progress {
        None => {}
        Some(Progress::Scan(scan)) => scanned(scan, &mut line),
        Some(Progress::Export(export)) => {
            let status = match export.status {
                ExportStatus::Requested => "requested",
                ExportStatus::InProgress => "in progress",
                ExportStatus::Completed => "completed",
            };
            let (files, bytes) = (export.files, megabytes(export.bytes));
            line(&format!("export {status}: {files} data files, {bytes}"));
        }
    }
    match &run.database {
        None => {}
        Some(DatabaseProgress::Snapshot { name, status }) => {
            line(&format!("snapshot {name}: {status}"));
        }
        Some(DatabaseProgress::Export { task, status, percent }) => {
            line(&format!("export {task}: {status}, {percent} %"));
        }
    }
    if let Some(problem) = &run.problem {
        line(&format!("how far it is, is not known: {problem}"));
    }
    text
}

fn scanned(scan: &ScanProgress, line: &mut impl FnMut(&str)) {
    line(&format!(
        "scan: {} of {} segments done, {} items, {}, {} items/s, {} MB/s",
        scan.segments_done,
        scan.segments,
        scan.items,
        megabytes(scan.bytes),
        scan.items_per_second,
        scan.mb_per_second
    ));
    if let Some(percent) = scan.percent_estimate {
        let of = scan.items_estimate;
        line(&format!("about {percent} % (an estimate: DynamoDB last counted {of} items)"));
    }
    for one in scan.each.iter().flatten() {
        let done = if one.done { "done" } else { "not done" };
        let (items, bytes) = (one.items, megabytes(one.bytes));
        line(&format!("  segment {}: {items} items, {bytes}, {done}", one.segment));
    }
}

#[cfg(test)]
mod tests {
    use autodump_dump::table::progress::{ExportProgress, SegmentProgress};

    use super::*;

    const MACHINE: &str = "arn:aws-cn:states:cn-north-1:111122223333:stateMachine:AutoDump";

    fn state() -> RunState {
        RunState {
            name: "orders-1".to_owned(),
            arn: "arn:of-execution".to_owned(),
            status: RunStatus::Running,
            target: Some("arn:of-table".to_owned()),
            starts_at: Some("2026-11-22T08:00:00Z".parse().unwrap()),
            waits: false,
            began_at: "2026-11-21T08:00:00Z".parse().unwrap(),
            ended_at: None,
            cause: None,
            backup: None,
            progress: None,
            database: None,
            problem: None,
        }
    }

    #[test]
    fn a_state_machine_has_to_be_named() {
        assert_eq!(state_machine(Some(MACHINE.to_owned())).unwrap(), MACHINE);
        let execution = "arn:aws:states:eu-central-1:111122223333:execution:AutoDump:x";
        for given in [None, Some(""), Some("AutoDump"), Some(execution)] {
            let error = state_machine(given.map(str::to_owned)).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.hint().contains("--state-machine or set AUTODUMP_STATE_MACHINE_ARN"));
        }
    }

    #[test]
    fn a_run_is_told_in_lines() {
        let waits = text(&RunState { waits: true, ..state() });
        assert_eq!(
            waits,
            "orders-1\n  waits until 2026-11-22 08:00:00 UTC\n  of arn:of-table\n  \
             arn:of-execution\n"
        );
        let failed = text(&RunState {
            status: RunStatus::Failed,
            ended_at: Some("2026-11-22T08:10:00Z".parse().unwrap()),
            cause: Some("it failed\nbadly\n".to_owned()),
            problem: Some("nobody may read".to_owned()),
            ..state()
        });
        for says in [
            "FAILED: started 2026-11-22 08:00:00 UTC, ended 2026-11-22 08:10:00 UTC\n",
            "  because: it failed\n    badly\n",
            "  how far it is, is not known: nobody may read\n",
        ] {
            assert!(failed.contains(says), "{failed}");
        }
        let done = text(&RunState { backup: Some("s3://b/m".to_owned()), ..state() });
        assert!(done.contains("  backup complete: s3://b/m\n"), "{done}");
    }

    #[test]
    fn progress_is_told_and_an_estimate_is_called_one() {
        let planned_at = "2026-11-22T08:00:00Z".parse().unwrap();
        let segment = |segment, done| SegmentProgress { segment, items: 50, bytes: 100_000, done };
        let scan = ScanProgress {
            planned_at,
            segments: 2,
            segments_done: 1,
            items: 100,
            bytes: 12_300_000,
            items_per_second: 2.5,
            mb_per_second: 0.3,
            items_estimate: 200,
            percent_estimate: Some(50.0),
            each: Some(vec![segment(0, true), segment(1, false)]),
        };
        let told = text(&RunState { progress: Some(Progress::Scan(scan)), ..state() });
        for says in [
            "  scan: 1 of 2 segments done, 100 items, 12.3 MB, 2.5 items/s, 0.3 MB/s\n",
            "  about 50 % (an estimate: DynamoDB last counted 200 items)\n",
            "    segment 0: 50 items, 0.1 MB, done\n    segment 1: 50 items, 0.1 MB, not done\n",
        ] {
            assert!(told.contains(says), "{told}");
        }
        let (status, files, bytes) = (ExportStatus::InProgress, 3, 5_000_000);
        let export = ExportProgress { planned_at, status, files, bytes };
        let told = text(&RunState { progress: Some(Progress::Export(export)), ..state() });
        assert!(told.contains("  export in progress: 3 data files, 5.0 MB\n"), "{told}");
        let (name, task) = ("autodump-orders-1".to_owned(), "autodump-orders-1".to_owned());
        for (progress, says) in [
            (
                DatabaseProgress::Snapshot { name, status: "creating".to_owned() },
                "  snapshot autodump-orders-1: creating\n",
            ),
            (
                DatabaseProgress::Export { task, status: "in-progress", percent: 40 },
                "  export autodump-orders-1: in-progress, 40 %\n",
            ),
        ] {
            let told = text(&RunState { database: Some(progress), ..state() });
            assert!(told.ends_with(says), "{told}");
        }
    }
}
