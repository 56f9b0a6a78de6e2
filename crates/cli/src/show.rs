//! What the operator sees of a restore and of a verification.
#![allow(clippy::print_stdout, reason = "results go to standard output")]

use autodump_core::Error;
use autodump_core::secret::EngineName;
use autodump_core::verification::Verification;
use autodump_dump::cancel::Cancelled;
use autodump_dump::restore::{Event, Phase, Plan, PlannedTable, Restored, Watcher};
use autodump_dump::verify;
use serde_json::json;

use crate::screen::{Screen, line, megabytes, print};

impl Watcher for Screen {
    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => {
                self.expects(plan.bytes);
                self.say(&summary(plan), &json!({ "event": "planned", "plan": plan }));
            }
            Event::Phase(phase) => {
                self.phase(words(*phase), &json!({ "event": "phase", "phase": phase }));
            }
            Event::Read(bytes) => self.done(*bytes),
            Event::TakenBack(bytes) => self.taken_back(*bytes),
            Event::Table { schema, name, rows } => self.tell(&json!({
                "event": "table", "schema": schema, "name": name, "rows": rows,
            })),
            Event::Warning(what) => {
                let value = json!({ "event": "warning", "what": what });
                self.say(&format!("warning: {what}"), &value);
            }
            _ => {}
        }
    }
}

impl verify::Watcher for Screen {
    fn note(&self, event: &verify::Event) {
        match event {
            verify::Event::Planned { objects, bytes } => {
                self.expects(*bytes);
                self.say(
                    &format!("{objects} objects, {}", megabytes(*bytes)),
                    &json!({ "event": "planned", "objects": objects, "bytes": bytes }),
                );
            }
            verify::Event::Phase(phase) => self
                .phase(words_of_verification(*phase), &json!({ "event": "phase", "phase": phase })),
            verify::Event::Read(bytes) => self.done(*bytes),
            _ => {}
        }
    }
}

fn words_of_verification(phase: verify::Phase) -> &'static str {
    match phase {
        verify::Phase::Objects => "reading objects",
        verify::Phase::Server => "starting a server",
        verify::Phase::Restore => "restoring",
        verify::Phase::Compare => "comparing restored rows",
    }
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Clean => "dropping what is there",
        Phase::PreData => "making schemas, types and tables",
        Phase::Rows => "loading rows",
        Phase::OtherData => "sequences and large objects",
        Phase::PostData => "indexes, constraints and triggers",
    }
}

/// How an engine speaks of rows and tables.
const fn things(plan: &Plan) -> (&'static str, &'static str) {
    match plan.engine {
        EngineName::Postgres => ("rows", "tables"),
        EngineName::Mongodb => ("documents", "collections"),
    }
}

fn summary(plan: &Plan) -> String {
    let (of_mongodb, (filling, things)) = (plan.engine == EngineName::Mongodb, things(plan));
    format!(
        "into {} on {} ({} {}) by {}, {} connections: {} of {} {}, {} compressed",
        plan.database,
        plan.host,
        if of_mongodb { "MongoDB" } else { "PostgreSQL" },
        plan.server_version,
        plan.client,
        plan.jobs,
        filling,
        plan.tables.len(),
        things,
        megabytes(plan.bytes)
    )
}

/// The result of a restore.
pub(crate) fn restored(restored: &Restored, json: bool) {
    if json {
        print(&json!({ "event": "restored", "result": restored }));
        return;
    }
    let (filling, things) = things(&restored.plan);
    let of_mongodb = restored.plan.engine == EngineName::Mongodb;
    if restored.dry_run {
        println!("Nothing was changed. This would be done:");
        for phase in &restored.plan.phases {
            println!("  {}", words(*phase));
            if *phase == Phase::Clean {
                for what in &restored.plan.dropped {
                    println!("    {what}");
                }
            }
        }
        for PlannedTable { schema, name, bytes, rows } in &restored.plan.tables {
            let rows = rows.map(|rows| format!("{rows} {filling}"));
            // Collections share their objects.
            let bytes = (*bytes > 0 || !of_mongodb).then(|| megabytes(*bytes));
            let all: Vec<_> = rows.into_iter().chain(bytes).collect();
            println!("    {schema}.{name}: {}", all.join(", "));
        }
        return;
    }
    println!(
        "Restored: {} {filling} in {} {things} of database {}, {} read.{}",
        restored.rows,
        restored.tables,
        restored.plan.database,
        megabytes(restored.bytes),
        if of_mongodb { "" } else { " ANALYZE it before it is used." }
    );
}

/// The result of a verification.
pub(crate) fn verification(verification: &Verification, json: bool) {
    if json {
        print(&json!({ "event": "verified", "result": verification }));
        return;
    }
    let seen = &verification.seen;
    println!(
        "{} ({}): {} objects, {} read, {} tables, {} rows",
        if verification.passed {
            "The backup is as its manifest says"
        } else {
            "NOT as it should be"
        },
        verification.level,
        seen.objects,
        megabytes(seen.bytes),
        seen.tables,
        seen.rows
    );
    for problem in &verification.problems {
        println!("  {problem}");
    }
    for what in &verification.unchecked {
        println!("  not looked at: {what}");
    }
}

/// What was cancelled.
pub(crate) fn cancelled(done: &Cancelled, json: bool) {
    if json {
        print(&json!({ "event": "cancelled", "result": done }));
        return;
    }
    println!(
        "{}",
        if done.stopped { "The execution was stopped." } else { "It had ended already." }
    );
    for job in &done.jobs {
        println!("Ended: the job {job}.");
    }
    if let Some(backup) = &done.backup {
        println!("Its backup was complete before, and stays: {backup}");
    } else if done.objects + done.uploads > 0 {
        println!("Removed: {} objects and {} uploads.", done.objects, done.uploads);
    }
    if let Some(minutes) = done.undone_in_minutes {
        println!(
            "AutoDump cancels its export in RDS and deletes the snapshot made for it by itself, in \
             about {minutes} minutes, or when RDS has made the snapshot. What was exported stays \
             in the bucket: without a manifest it is no backup."
        );
    }
    if let Some(minutes) = done.again_in_minutes {
        println!(
            "It may have been at its planning, which goes on by itself: cancel it again in \
             {minutes} minutes, to remove what that writes."
        );
    }
}

/// Why it failed.
pub(crate) fn error(error: &Error, json: bool) {
    if json {
        print(&json!({
            "event": "failed",
            "class": error.class(),
            "exitCode": error.class().exit_code(),
            "what": error.what(),
            "hint": error.hint(),
        }));
    }
    line(&format!("error: {error}"));
}
