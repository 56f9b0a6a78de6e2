//! The table that is restored into, where it is there already.

use std::collections::{BTreeMap, BTreeSet};

use autodump_core::table::calls::{self, NOT_FOUND};
use autodump_core::table::definition::{AutoScaling, Definition, VERSION};
use autodump_core::table::ports::{Called, TableService};
use autodump_core::table::{arn::TableArn, description, read};
use autodump_core::tags::TagPrefix;
use autodump_core::{Error, ErrorClass, Result};
use serde_json::{Value, json};

use super::{steps, wrong};

/// A table that is there.
pub(super) struct There {
    pub(super) definition: Definition,
    /// All of its definition is known; else only what `DescribeTable` says.
    pub(super) whole: bool,
}

/// The table, if it is there. One that is being deleted is an error of class
/// [`ErrorClass::Destination`]: waiting helps.
pub(super) async fn look(service: &impl TableService, target: &TableArn) -> Result<Option<There>> {
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
    if answer["Table"]["TableStatus"] == "DELETING" {
        return Err(Error::new(
            ErrorClass::Destination,
            format!("the table {} is still being deleted", target.name),
            "Start again when it is gone",
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

/// Parts in which a table that is there is not as the backup's was.
pub(super) fn differences(
    backup: &Definition,
    there: &There,
    target: &TableArn,
    prefix: &TagPrefix,
) -> Vec<String> {
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
    let backup = comparable(steps::renamed(backup, target), prefix);
    let there_is = comparable(there.definition.clone(), prefix);
    let (old, new) = (parts(&backup), parts(&there_is));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| format!("{name} of the table is not as in the backup"))
        .collect()
}

/// Without the tags that are nobody's choice: those of AWS, and AutoDump's own, of which a restore
/// sets some and others not. Of a policy it does not matter how it is written down.
fn comparable(mut definition: Definition, prefix: &TagPrefix) -> Definition {
    let own = prefix.key("");
    definition.tags.retain(|tag| !tag.key.starts_with(&own) && !tag.key.starts_with("aws:"));
    definition.tags.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(policy) = &mut definition.resource_policy
        && let Ok(read) = serde_json::from_str::<Value>(policy)
    {
        *policy = read.to_string();
    }
    definition
}

#[cfg(test)]
mod tests {
    use autodump_core::table::definition::Tag;

    use super::*;

    const TARGET: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/copy";

    fn golden() -> Definition {
        let golden = include_str!("../../../../../contract/table-definition.json");
        Definition::parse(golden).unwrap()
    }

    fn compared(definition: Definition) -> Vec<String> {
        let there = There { definition, whole: true };
        differences(&golden(), &there, &TARGET.parse().unwrap(), &TagPrefix::default())
    }

    #[test]
    fn a_table_of_another_name_with_the_same_definition_does_not_differ() {
        let text = serde_json::to_string(&golden()).unwrap().replace("table/orders", "table/copy");
        let mut copy = Definition::parse(&text).unwrap();
        copy.auto_scaling.policies[0]["PolicyName"] =
            golden().auto_scaling.policies[0]["PolicyName"].clone();
        let mut policy: Value =
            serde_json::from_str(copy.resource_policy.as_ref().unwrap()).unwrap();
        // As somebody else would write it.
        copy.resource_policy = Some(format!("{policy:#}"));
        copy.tags.retain(|tag| tag.key == "team");
        for key in ["autodump:restore-target", "aws:cloudformation:stack-name"] {
            copy.tags.insert(0, Tag { key: key.to_owned(), value: "yes".to_owned() });
        }
        assert_eq!(compared(copy.clone()), Vec::<String>::new());

        copy.tags.clear();
        policy["Statement"][0]["Resource"] = json!("*");
        copy.resource_policy = Some(policy.to_string());
        copy.auto_scaling.targets[0]["MaxCapacity"] = json!(7);
        let expected = ["autoScaling", "resourcePolicy", "tags"];
        let expected = expected.map(|part| format!("{part} of the table is not as in the backup"));
        assert_eq!(compared(copy), expected);
    }
}
