//! A definition becomes the input of `CreateTable` for the target.

use autodump_core::Result;
use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use serde_json::{Map, Value, json};

use super::steps::{self, Step};
use super::{Key, Options, wrong};

/// What is made of a definition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Adapted {
    /// `CreateTable`'s input.
    pub(super) create: Map<String, Value>,
    /// What is set when the items are there.
    pub(super) steps: Vec<Step>,
    /// What will not be as in the definition: sentence fragments.
    pub(super) differences: Vec<String>,
}

/// An error of class [`Configuration`](autodump_core::ErrorClass::Configuration) where the
/// table's key of KMS cannot encrypt the target.
pub(super) fn adapt(
    definition: &Definition,
    target: &TableArn,
    options: &Options,
) -> Result<Adapted> {
    let mut differences = Vec::new();
    let mut create = definition.create.clone();
    create.insert("TableName".to_owned(), json!(target.name));
    // A restore that fails leaves a table that can be deleted.
    create.remove("DeletionProtectionEnabled");
    encrypt(&mut create, definition, target, &options.key, &mut differences)?;
    let tags = tags(definition, options, &mut differences);
    if !tags.is_empty() {
        create.insert("Tags".to_owned(), Value::Array(tags));
    }
    let steps = steps::after(definition, target, &mut differences);
    if !definition.replicas.is_empty() {
        let regions = definition.replicas.join(", ");
        differences.push(format!("no replica is made (the global table was also in {regions})"));
    }
    for note in &definition.notes {
        differences.push(format!("when the backup was made, {note}: that part is not set"));
    }
    Ok(Adapted { create, steps, differences })
}

fn encrypt(
    create: &mut Map<String, Value>,
    definition: &Definition,
    target: &TableArn,
    key: &Key,
    differences: &mut Vec<String>,
) -> Result<()> {
    let old = definition.kms_key();
    match key {
        Key::AsInBackup => match old.filter(|old| !target.is_beside(old)) {
            Some(old) => Err(wrong(
                format!(
                    "the table was encrypted with the KMS key {old}, which cannot encrypt \
                     {target}: it is of another region or account"
                ),
                "Name a KMS key of the target's region and account, or ask for the key that AWS \
                 owns",
            )),
            None => Ok(()),
        },
        Key::AwsOwned => {
            if create.remove("SSESpecification").is_some() {
                differences.push("it is encrypted with a key that AWS owns".to_owned());
            }
            Ok(())
        }
        Key::Named(named) => {
            if named.starts_with("arn:") && !target.is_beside(named) {
                return Err(wrong(
                    format!("the KMS key {named} cannot encrypt {target}"),
                    "Name a KMS key of the target's region and account",
                ));
            }
            if old != Some(named) {
                differences.push(format!("it is encrypted with the KMS key {named}"));
            }
            let specification = json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": named});
            create.insert("SSESpecification".to_owned(), specification);
            Ok(())
        }
    }
}

/// The table's tags without those that nobody may set, and without what AutoDump wrote of the
/// other table's backups.
fn tags(definition: &Definition, options: &Options, differences: &mut Vec<String>) -> Vec<Value> {
    let mark = options.prefix.key("restore-target");
    let (last, next) = (options.prefix.key("last-"), options.prefix.key("next-run"));
    let own = options.prefix.key("");
    let mut kept = Vec::new();
    for tag in &definition.tags {
        let key = &tag.key;
        // What mirrors another table is no target itself.
        if options.mirror && key.starts_with(&own) {
            continue;
        }
        if key.starts_with("aws:") {
            differences.push(format!("the tag {key} is not set: only AWS sets it"));
        } else if !(key.starts_with(&last) || *key == next || options.mark && *key == mark) {
            kept.push(json!({"Key": key, "Value": tag.value}));
        }
    }
    if options.mark {
        kept.push(json!({"Key": mark, "Value": "yes"}));
    }
    kept
}

#[cfg(test)]
mod tests {
    use autodump_core::ErrorClass;
    use autodump_core::table::definition::Tag;

    use super::*;

    fn golden() -> Definition {
        let golden = include_str!("../../../../../contract/table-definition.json");
        Definition::parse(golden).unwrap()
    }

    fn target(region: &str) -> TableArn {
        format!("arn:aws:dynamodb:{region}:111122223333:table/copy").parse().unwrap()
    }

    #[test]
    fn a_key_of_elsewhere_needs_a_decision() {
        let here = target("eu-central-1");
        let adapted = adapt(&golden(), &here, &Options::default()).unwrap();
        assert_eq!(adapted.create["SSESpecification"], golden().create["SSESpecification"]);
        assert_eq!(adapted.create["TableName"], "copy");
        assert!(!adapted.create.contains_key("DeletionProtectionEnabled"));

        let there = target("eu-west-1");
        let error = adapt(&golden(), &there, &Options::default()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains("key/0f1e2d3c"), "{error}");
        let with = |key| Options { key, ..Options::default() };
        let adapted = adapt(&golden(), &there, &with(Key::AwsOwned)).unwrap();
        assert!(!adapted.create.contains_key("SSESpecification"));
        assert!(adapted.differences[0].contains("a key that AWS owns"));
        let named = "arn:aws:kms:eu-west-1:111122223333:key/2".to_owned();
        let adapted = adapt(&golden(), &there, &with(Key::Named(named.clone()))).unwrap();
        assert_eq!(adapted.create["SSESpecification"]["KMSMasterKeyId"], named);
        assert!(adapt(&golden(), &here, &with(Key::Named(named))).is_err());
        let alias = Key::Named("alias/backup".to_owned());
        assert!(adapt(&golden(), &there, &with(alias)).is_ok());
    }

    #[test]
    fn tags_are_set_but_for_those_of_others() {
        let mut definition = golden();
        for key in ["aws:cloudformation:stack-name", "autodump:last-success", "autodump:next-run"] {
            definition.tags.push(Tag { key: key.to_owned(), value: "x".to_owned() });
        }
        let key = |name: &str| Tag { key: name.to_owned(), value: "no".to_owned() };
        definition.tags.push(key("autodump:restore-target"));
        let here = target("eu-central-1");
        let options = Options { mark: true, ..Options::default() };
        let adapted = adapt(&definition, &here, &options).unwrap();
        let expected = json!([
            {"Key": "autodump:start-schedule", "Value": "@daily"},
            {"Key": "team", "Value": "shop"},
            {"Key": "autodump:restore-target", "Value": "yes"},
        ]);
        assert_eq!(adapted.create["Tags"], expected);
        assert!(adapted.differences.iter().any(|one| one.contains("stack-name")));
        assert!(adapted.differences.iter().any(|one| one.contains("eu-west-1")));
        let mirror = Options { mark: true, mirror: true, ..Options::default() };
        let adapted = adapt(&definition, &here, &mirror).unwrap();
        let expected = json!([
            {"Key": "team", "Value": "shop"},
            {"Key": "autodump:restore-target", "Value": "yes"},
        ]);
        assert_eq!(adapted.create["Tags"], expected);
    }
}
