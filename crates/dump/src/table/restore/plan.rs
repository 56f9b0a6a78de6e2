//! What is going to be done, known before anything is.

use autodump_core::Result;
use autodump_core::ports::ObjectReader;
use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use autodump_core::table::ports::TableService;
use serde::Serialize;

use super::adapt::{Adapted, adapt};
use super::choose::choose;
use super::fit::Fit;
use super::there::{differences, look};
use super::{Backup, Options, control, mirror, wrong};

/// What is going to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The ARN of the table that is restored into.
    pub table: String,
    /// The directory of the backup.
    pub backup: String,
    /// The table is missing, and made.
    pub makes_table: bool,
    /// Items of the table that are not in the backup are deleted.
    pub mirrors: bool,
    /// `write` or `import`.
    pub method: &'static str,
    /// Why this method.
    pub reason: String,
    /// How many write at once; 0 for an import.
    pub workers: u16,
    /// Objects that are read.
    pub objects: u64,
    /// Items that they have.
    pub items: u64,
    /// Their bytes in the store.
    pub bytes: u64,
    /// What of the definition is set after the items.
    pub steps: Vec<String>,
    /// What will not be as the backup's definition says: sentence fragments.
    pub differences: Vec<String>,
    /// What else the person should know: sentences.
    pub remarks: Vec<String>,
}

/// The plan, and what its execution needs.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// How the table is made; none where it is there.
    pub(super) adapted: Option<Adapted>,
    /// DynamoDB imports.
    pub(super) imports: bool,
    /// The table was there, and had items.
    pub(super) has_items: bool,
    /// What its indexes take.
    pub(super) fit: Fit,
}

/// Looks at what is there, and refuses what must not be done. Nothing is changed.
pub(super) async fn make(
    reader: &impl ObjectReader,
    service: &impl TableService,
    target: &TableArn,
    backup: &Backup,
    options: &Options,
) -> Result<Planned> {
    let keys = backup.definition.keys()?;
    let there = look(service, target).await?;
    let choice = choose(reader, backup, target, options, there.is_some()).await?;
    let imports = choice.imports;
    let total = |of: fn(&super::DataObject) -> u64| backup.objects.iter().map(of).sum();
    let mut plan = Plan {
        table: target.to_string(),
        backup: backup.directory.clone(),
        makes_table: there.is_none(),
        mirrors: false,
        method: if imports { "import" } else { "write" },
        reason: choice.reason,
        workers: if imports { 0 } else { options.workers },
        objects: backup.objects.len() as u64,
        items: total(|object| object.items),
        bytes: total(|object| object.bytes),
        steps: Vec::new(),
        differences: Vec::new(),
        remarks: choice.remark.into_iter().collect(),
    };
    let Some(there) = there else {
        let adapted = adapt(&backup.definition, target, options)?;
        plan.steps = adapted.steps.iter().map(|step| step.what.clone()).collect();
        plan.differences.clone_from(&adapted.differences);
        plan.remarks.extend(remarks_on_new(&backup.definition, options, imports));
        let fit = Fit::of(&adapted.create);
        return Ok(Planned { plan, adapted: Some(adapted), imports, has_items: false, fit });
    };
    if there.definition.keys()? != keys {
        return Err(wrong(
            format!("the table {} has another key than the backup", target.name),
            "Restore into a table of another name",
        ));
    }
    let has_items = control::has_items(service, &target.name).await?;
    let others = if options.mirror { "all others are deleted" } else { "all others stay" };
    if has_items && !options.into_existing {
        return Err(wrong(
            format!("the table {} is not empty", target.name),
            format!(
                "Restore into a table of another name, or into the existing one: then items with \
                 the same keys are replaced, and {others}"
            ),
        ));
    }
    plan.mirrors = has_items && options.mirror;
    if plan.mirrors {
        mirror::check(&target.name, plan.items)?;
    }
    plan.differences = differences(&backup.definition, &there, target, &options.prefix);
    plan.remarks.push(
        "The table is there and keeps its own definition: of the backup's nothing is set"
            .to_owned(),
    );
    if !there.whole {
        plan.remarks.push(
            "What the role may not ask about the table was not compared with the backup".to_owned(),
        );
    }
    if has_items {
        plan.remarks.push(format!(
            "The table has items: those with the keys of items in the backup are replaced, and \
             {others}"
        ));
    }
    let fit = Fit::of(&there.definition.create);
    Ok(Planned { plan, adapted: None, imports, has_items, fit })
}

fn remarks_on_new(definition: &Definition, options: &Options, imports: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    let schedule = options.prefix.schedule_key();
    // What mirrors another table gets none of these tags.
    if !options.mirror && definition.tags.iter().any(|tag| tag.key == schedule) {
        remarks.push(format!(
            "The new table bears {schedule} in the end, as the old one: it is backed up by its own \
             schedule"
        ));
    }
    if definition.create.contains_key("StreamSpecification") && !imports {
        remarks.push("The new table's stream shows every item as inserted".to_owned());
    }
    if definition.time_to_live.is_some() {
        remarks.push("Items that have expired meanwhile are deleted again by DynamoDB".to_owned());
    }
    remarks
}
