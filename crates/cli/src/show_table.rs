//! What the operator sees of backups and restores of DynamoDB tables.
#![allow(clippy::print_stdout, reason = "results go to standard output")]

use autodump_core::table::manifest::TableManifest;
use autodump_dump::table::restore::{Event, Phase, Plan, Restored, Watcher};
use serde_json::json;

use crate::screen::{Screen, megabytes, print};

impl Watcher for Screen {
    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => {
                self.expects(plan.items);
                self.say(&summary(plan), &json!({ "event": "planned", "plan": plan }));
            }
            Event::Phase(phase) => {
                // What is deleted is counted from its beginning.
                if *phase == Phase::Mirror {
                    self.expects(0);
                    self.reached(0);
                }
                self.phase(words(*phase), &json!({ "event": "phase", "phase": phase }));
            }
            Event::Written(items) | Event::Deleted(items) => self.done(*items),
            Event::Imported(items) => self.reached(*items),
            Event::Warning(what) => {
                let value = json!({ "event": "warning", "what": what });
                self.say(&format!("warning: {what}"), &value);
            }
            _ => {}
        }
    }
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Create => "making the table",
        Phase::Items => "writing items",
        Phase::Mirror => "deleting what is not in the backup",
        Phase::Import => "DynamoDB imports",
        Phase::Definition => "setting the rest of the definition",
    }
}

fn summary(plan: &Plan) -> String {
    let Plan { table, makes_table, workers, items, objects, reason, .. } = plan;
    let who = match plan.method {
        "import" => "imported by DynamoDB".to_owned(),
        _ => format!("written by {workers} workers"),
    };
    let new = if *makes_table { ", which is made" } else { ", which is there" };
    let bytes = megabytes(plan.bytes);
    let mut lines = vec![format!(
        "into {table}{new}: {items} items in {objects} objects, {bytes} compressed, {who} ({reason})"
    )];
    lines.extend(plan.differences.iter().map(|one| format!("note: {one}")));
    lines.extend(plan.remarks.iter().map(|one| format!("{one}.")));
    lines.join("\n")
}

/// The result of a restore.
pub(crate) fn restored(restored: &Restored, json: bool) {
    if json {
        print(&json!({ "event": "restored", "result": restored }));
        return;
    }
    let Restored { plan, items, deleted, throttled, .. } = restored;
    if restored.dry_run {
        println!("Nothing was changed. This would be done:");
        if plan.makes_table && plan.method == "write" {
            println!("  making the table {}", plan.table);
        }
        if plan.method == "import" {
            println!("  DynamoDB makes the table {} and imports {} items", plan.table, plan.items);
        } else {
            println!("  writing {} items into {}", plan.items, plan.table);
        }
        if plan.mirrors {
            println!("  deleting the items of {} that are not in the backup", plan.table);
        }
        for step in &plan.steps {
            println!("  setting {step}");
        }
        return;
    }
    let slowed = match throttled {
        0 => String::new(),
        times => format!(" It was throttled {times} times."),
    };
    let others = if plan.mirrors {
        format!(" {deleted} items that are not in the backup were deleted.")
    } else {
        String::new()
    };
    println!("Restored: {items} items in {}.{others}{slowed}", plan.table);
}

/// The result of a backup.
pub(crate) fn backed_up(manifest: &TableManifest, at: &str, json: bool) {
    let bytes: u64 = manifest.objects.iter().map(|object| object.bytes).sum();
    let (items, objects) = (manifest.items, manifest.objects.len());
    if json {
        print(&json!({ "event": "backed-up", "result": {
            "manifest": at, "table": manifest.target.arn,
            "items": items, "objects": objects, "bytes": bytes,
        }}));
        return;
    }
    println!("Backed up: {items} items in {objects} objects, {} compressed.", megabytes(bytes));
    println!("{at}");
}
