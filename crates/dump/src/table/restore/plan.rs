//! What is going to be done, known before anything is.

use std::collections::{BTreeMap, BTreeSet};

use autodump_core::compression::Algorithm;
use autodump_core::ports::ObjectReader;
use autodump_core::table::calls::{self, NOT_FOUND};
use autodump_core::table::definition::{AutoScaling, Definition, VERSION};
use autodump_core::table::ports::{Called, TableService};
use autodump_core::table::{arn::TableArn, description, read};
use autodump_core::{ErrorClass, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::adapt::{Adapted, adapt};
use super::{Backup, Method, Options, control, damaged, mirror, wrong};

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
    let (imports, reason) = choose(reader, backup, options, there.is_some()).await?;
    let total = |of: fn(&super::DataObject) -> u64| backup.objects.iter().map(of).sum();
    let mut plan = Plan {
        table: target.to_string(),
        backup: backup.directory.clone(),
        makes_table: there.is_none(),
        mirrors: false,
        method: if imports { "import" } else { "write" },
        reason,
        workers: if imports { 0 } else { options.workers },
        objects: backup.objects.len() as u64,
        items: total(|object| object.items),
        bytes: total(|object| object.bytes),
        steps: Vec::new(),
        differences: Vec::new(),
        remarks: Vec::new(),
    };
    let Some(there) = there else {
        let adapted = adapt(&backup.definition, target, options)?;
        plan.steps = adapted.steps.iter().map(|step| step.what.clone()).collect();
        plan.differences.clone_from(&adapted.differences);
        plan.remarks = remarks_on_new(&backup.definition, options, imports);
        return Ok(Planned { plan, adapted: Some(adapted), imports, has_items: false });
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
    plan.differences = differences(&backup.definition, &there);
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
    Ok(Planned { plan, adapted: None, imports, has_items })
}

/// A table that is there.
struct There {
    definition: Definition,
    /// All of its definition is known; else only what `DescribeTable` says.
    whole: bool,
}

/// The table, if it is there.
async fn look(service: &impl TableService, target: &TableArn) -> Result<Option<There>> {
    let input = json!({"TableName": target.name});
    let called = service.dynamodb("DescribeTable", input).await?;
    if matches!(&called, Called::Refused { code, .. } if code == NOT_FOUND) {
        return Ok(None);
    }
    let answer = calls::answer("DescribeTable", &target.name, called)?;
    let arn = answer["Table"]["TableArn"].as_str().unwrap_or_default();
    if arn != target.to_string() {
        return Err(wrong(
            format!("the table {} is {arn}, not {target}", target.name),
            "Check the region and the account that the restore runs with",
        ));
    }
    match read::read(service, &target.name).await {
        Ok(definition) => Ok(Some(There { definition, whole: true })),
        // Whoever may write a table need not be allowed to ask for its policy, and the like.
        Err(error) if error.class() == ErrorClass::Credentials => {
            Ok(Some(There { definition: described(&answer["Table"]), whole: false }))
        }
        Err(error) => Err(error),
    }
}

/// What `DescribeTable` says of a definition.
fn described(table: &Value) -> Definition {
    Definition {
        version: VERSION,
        table_arn: table["TableArn"].as_str().unwrap_or_default().to_owned(),
        item_count: table["ItemCount"].as_u64().unwrap_or_default(),
        table_size_bytes: table["TableSizeBytes"].as_u64().unwrap_or_default(),
        create: description::create(table),
        time_to_live: None,
        point_in_time_recovery: None,
        tags: Vec::new(),
        resource_policy: None,
        auto_scaling: AutoScaling::default(),
        kinesis_streaming_destinations: Vec::new(),
        contributor_insights: Vec::new(),
        replicas: Vec::new(),
        notes: Vec::new(),
    }
}

/// Whether DynamoDB imports, and why.
async fn choose(
    reader: &impl ObjectReader,
    backup: &Backup,
    options: &Options,
    is_there: bool,
) -> Result<(bool, String)> {
    if options.method == Method::Write {
        return Ok((false, "it was asked for".to_owned()));
    }
    let bytes: u64 = backup.objects.iter().map(|object| object.bytes).sum();
    let from = options.import_from;
    if options.method == Method::Auto && bytes < from {
        return Ok((false, format!("the data have {bytes} bytes, fewer than {from}")));
    }
    let mut obstacle = obstacle(backup, is_there);
    if obstacle.is_none() {
        obstacle = stranger(reader, backup).await?;
    }
    match (obstacle, options.method) {
        (None, Method::Auto) => {
            Ok((true, format!("the data have {bytes} bytes, and an import takes no capacity")))
        }
        (None, _) => Ok((true, "it was asked for".to_owned())),
        (Some(why), Method::Auto) => Ok((false, format!("DynamoDB cannot import: {why}"))),
        (Some(why), _) => Err(wrong(
            format!("DynamoDB cannot import the backup {}: {why}", backup.directory),
            "Let AutoDump write the items",
        )),
    }
}

/// Why `ImportTable` cannot do it.
fn obstacle(backup: &Backup, is_there: bool) -> Option<String> {
    let elsewhere = |object: &&super::DataObject| {
        object.location.bucket != backup.data.bucket
            || !object.location.key.starts_with(&backup.data.key)
    };
    if is_there {
        Some("the table is there, and an import makes a new one".to_owned())
    } else if backup.definition.has_local_indexes() {
        Some("the table has local indexes, which an import does not make".to_owned())
    } else if backup.compression == Algorithm::Lz4 {
        Some("the data are compressed with lz4, which an import does not read".to_owned())
    } else if backup.objects.is_empty() {
        Some("the backup has no data objects".to_owned())
    } else {
        backup.objects.iter().find(elsewhere).map(|object| {
            let location = &object.location;
            format!("s3://{}/{} is not with the others", location.bucket, location.key)
        })
    }
}

/// An object that an import would read, and that is none of the backup's. One of the backup's
/// that is missing, or of another length, is an error.
async fn stranger(reader: &impl ObjectReader, backup: &Backup) -> Result<Option<String>> {
    let listed = reader.list(&backup.data.bucket, &backup.data.key).await?;
    let listed: BTreeMap<_, _> = listed.into_iter().map(|one| (one.key, one.bytes)).collect();
    for object in &backup.objects {
        let name = format!("s3://{}/{}", object.location.bucket, object.location.key);
        match listed.get(&object.location.key) {
            Some(bytes) if *bytes == object.bytes => {}
            Some(bytes) => {
                return Err(damaged(format!("{name} has {bytes} bytes, not {}", object.bytes)));
            }
            None => return Err(damaged(format!("{name} is not there"))),
        }
    }
    let known = |key: &&String| backup.objects.iter().any(|object| object.location.key == **key);
    let stranger = if listed.len() == backup.objects.len() {
        None
    } else {
        listed.keys().find(|key| !known(key))
    };
    Ok(stranger.map(|key| format!("{key} is with the data, and not in the manifest")))
}

fn remarks_on_new(definition: &Definition, options: &Options, imports: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    let schedule = options.prefix.schedule_key();
    if definition.tags.iter().any(|tag| tag.key == schedule) {
        remarks.push(format!(
            "The new table bears {schedule}, as the old one: it is backed up by its own schedule"
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

/// Parts in which a table that is there is not as the backup's was.
fn differences(backup: &Definition, there: &There) -> Vec<String> {
    let parts = |definition: &Definition| {
        let ignored =
            ["version", "tableArn", "itemCount", "tableSizeBytes", "create", "notes", "replicas"];
        let mut parts: BTreeMap<_, _> = definition.create.clone().into_iter().collect();
        if there.whole
            && let Ok(Value::Object(all)) = serde_json::to_value(definition)
        {
            parts.extend(all);
        }
        parts.retain(|name, _| !ignored.contains(&name.as_str()));
        parts
    };
    let (old, new) = (parts(backup), parts(&there.definition));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| format!("{name} of the table is not as in the backup"))
        .collect()
}
