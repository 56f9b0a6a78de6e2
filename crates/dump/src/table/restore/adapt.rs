//! A definition becomes the input of `CreateTable` for the target.

use autodump_core::Result;
use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use autodump_core::table::restore::{AWS_MANAGED, AWS_OWNED};
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
    if !tags.at_once.is_empty() {
        create.insert("Tags".to_owned(), Value::Array(tags.at_once));
    }
    let steps = steps::after(definition, target, tags.at_last, &mut differences);
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
                format!(
                    "Name a KMS key of the target's region and account, or {AWS_MANAGED} for the \
                     one that AWS manages there, or ask for the key that AWS owns ({AWS_OWNED})"
                ),
            )),
            None => Ok(()),
        },
        Key::AwsOwned => {
            if create.remove("SSESpecification").is_some() {
                differences.push("it is encrypted with a key that AWS owns".to_owned());
            }
            Ok(())
        }
        Key::AwsManaged => {
            differences.push(format!("it is encrypted with the KMS key {AWS_MANAGED}"));
            // DynamoDB takes this key where none is named.
            let specification = json!({"Enabled": true, "SSEType": "KMS"});
            create.insert("SSESpecification".to_owned(), specification);
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

/// The table's tags.
#[derive(Default)]
struct Tags {
    /// What it is made with.
    at_once: Vec<Value>,
    /// What it gets when all of it is there: AutoDump's own, which have it backed up.
    at_last: Vec<Value>,
}

/// The tags without those that nobody may set, without what AutoDump wrote of the other table's
/// backups, and without what would have the new table copied over the old one's copy.
fn tags(definition: &Definition, options: &Options, differences: &mut Vec<String>) -> Tags {
    let prefix = &options.prefix;
    let (own, last) = (prefix.key(""), prefix.key("last-"));
    let (mark, next, copied) =
        (prefix.key("restore-target"), prefix.key("next-run"), prefix.key("replicate"));
    let mut tags = Tags::default();
    for tag in &definition.tags {
        let key = &tag.key;
        let kept = json!({"Key": key, "Value": tag.value});
        if key.starts_with("aws:") {
            differences.push(format!("the tag {key} is not set: only AWS sets it"));
        } else if *key == copied {
            differences.push(format!(
                "the tag {key} is not set: the next backup would be copied over the old table's \
                 copy"
            ));
        } else if !key.starts_with(&own) {
            tags.at_once.push(kept);
        } else if options.mirror || key.starts_with(&last) || *key == next {
            // What mirrors another table is no target itself.
        } else if *key != mark {
            tags.at_last.push(kept);
        } else if !options.mark {
            tags.at_once.push(kept);
        }
    }
    if options.mark {
        tags.at_once.push(json!({"Key": mark, "Value": "yes"}));
    }
    tags
}

#[cfg(test)]
mod tests {
    use autodump_core::ErrorClass;
    use autodump_core::table::definition::Tag;
    use autodump_core::table::restore::TableRestoreOptions;

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
        assert!(error.hint().contains("alias/aws/dynamodb"), "{error}");
        let adapted = adapt(&golden(), &there, &with(Key::AwsManaged)).unwrap();
        let named = TableRestoreOptions::parse("{\"kmsKey\": \"alias/aws/dynamodb\"}").unwrap();
        assert_eq!(Options::from(named).key, Key::AwsManaged);
        let managed = json!({"Enabled": true, "SSEType": "KMS"});
        assert_eq!(adapted.create["SSESpecification"], managed);
        assert!(adapted.differences[0].contains("alias/aws/dynamodb"));
        let alias = Key::Named("alias/backup".to_owned());
        assert!(adapt(&golden(), &there, &with(alias)).is_ok());
    }

    fn tagged(keys: &[&str]) -> Definition {
        let mut definition = golden();
        let tag = |key: &&str| Tag { key: (*key).to_owned(), value: "x".to_owned() };
        definition.tags.extend(keys.iter().map(tag));
        definition
    }

    /// The keys of the tags that a table is made with, and of those that it gets in the end.
    fn set(adapted: &Adapted) -> (Vec<&str>, Vec<&str>) {
        fn keys(tags: Option<&Value>) -> Vec<&str> {
            let tags = tags.and_then(Value::as_array).into_iter().flatten();
            tags.map(|tag| tag["Key"].as_str().unwrap()).collect()
        }
        let step = adapted.steps.iter().find(|step| step.operation == "TagResource");
        (keys(adapted.create.get("Tags")), keys(step.map(|step| &step.input["Tags"])))
    }

    #[test]
    fn tags_are_set_but_for_those_of_others() {
        let definition = tagged(&[
            "aws:cloudformation:stack-name",
            "autodump:last-success",
            "autodump:next-run",
            "autodump:restore-target",
            "autodump:verify",
        ]);
        let here = target("eu-central-1");
        let options = Options { mark: true, ..Options::default() };
        let adapted = adapt(&definition, &here, &options).unwrap();
        // Nobody backs up a table that is not whole yet.
        let own = vec!["autodump:start-schedule", "autodump:verify"];
        assert_eq!(set(&adapted), (vec!["team", "autodump:restore-target"], own.clone()));
        let mark = json!({"Key": "autodump:restore-target", "Value": "yes"});
        assert_eq!(adapted.create["Tags"][1], mark);
        assert!(adapted.differences.iter().any(|one| one.contains("stack-name")));
        assert!(adapted.differences.iter().any(|one| one.contains("eu-west-1")));
        // Without the mark, that of the old table stays as it was.
        let adapted = adapt(&definition, &here, &Options::default()).unwrap();
        assert_eq!(set(&adapted), (vec!["team", "autodump:restore-target"], own));
        assert_eq!(adapted.create["Tags"][1]["Value"], "x");
        let mirror = Options { mark: true, mirror: true, ..Options::default() };
        let adapted = adapt(&definition, &here, &mirror).unwrap();
        assert_eq!(set(&adapted), (vec!["team", "autodump:restore-target"], vec![]));
    }

    #[test]
    fn what_is_restored_is_never_copied_over_the_old_tables_copy() {
        let definition = tagged(&["autodump:replicate"]);
        for (mark, mirror) in [(false, false), (true, false), (true, true)] {
            let options = Options { mirror, mark, ..Options::default() };
            let adapted = adapt(&definition, &target("eu-central-1"), &options).unwrap();
            let (at_once, at_last) = set(&adapted);
            assert!(!at_once.contains(&"autodump:replicate"), "{at_once:?}");
            assert!(!at_last.contains(&"autodump:replicate"), "{at_last:?}");
            let says = |one: &String| one.starts_with("the tag autodump:replicate is not set");
            assert!(adapted.differences.iter().any(says), "{:?}", adapted.differences);
        }
    }
}
