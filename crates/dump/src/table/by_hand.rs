//! How a backup of a table is restored without AutoDump: two commands, and the input of one.

use autodump_core::compression::Algorithm;
use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use autodump_core::table::layout;
use serde_json::{Map, Value, json};

use crate::engine::shell_quoted;

/// What of `CreateTable`'s input `ImportTable` takes. Local indexes are not among it.
const IMPORTED: [&str; 7] = [
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "ProvisionedThroughput",
    "OnDemandThroughput",
    "SSESpecification",
    "GlobalSecondaryIndexes",
];

/// A file beside the manifest, and the commands that use it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ByHand {
    /// Its name in the run's directory.
    pub(super) name: &'static str,
    pub(super) content: Value,
    pub(super) commands: Vec<String>,
}

/// Where the items of a backup are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) bucket: &'a str,
    /// The run's directory, with a slash at its end.
    pub(super) directory: &'a str,
    /// What the keys of all data objects begin with, and those of nothing else; `None` where
    /// there are none.
    pub(super) prefix: Option<&'a str>,
    pub(super) compression: Algorithm,
}

/// `ImportTable`, which makes the table and imports its items; `CreateTable` where there are
/// none, since there is nothing to import then.
pub(super) fn by_hand(definition: &Definition, table: &TableArn, data: Data<'_>) -> ByHand {
    let (name, call, content) = if let Some(prefix) = data.prefix {
        (layout::IMPORT, "import-table", import(definition, table, prefix, data))
    } else {
        let mut create = definition.create.clone();
        create.insert("TableName".to_owned(), json!(table.name));
        (layout::CREATE, "create-table", Value::Object(create))
    };
    let uri = format!("s3://{}/{}{name}", data.bucket, data.directory);
    let commands = vec![
        format!("aws s3 cp {} {name}", shell_quoted(&uri)),
        format!("aws dynamodb {call} --region {} --cli-input-json file://{name}", table.region),
    ];
    ByHand { name, content, commands }
}

fn import(definition: &Definition, table: &TableArn, prefix: &str, data: Data<'_>) -> Value {
    let mut parameters: Map<_, _> = IMPORTED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), definition.create.get(*name)?.clone())))
        .collect();
    parameters.insert("TableName".to_owned(), json!(table.name));
    keep_only_keys(&mut parameters);
    let compression = match data.compression {
        Algorithm::Gzip => "GZIP",
        Algorithm::Zstd => "ZSTD",
        Algorithm::None | Algorithm::Lz4 => "NONE",
    };
    json!({
        "S3BucketSource": {"S3Bucket": data.bucket, "S3KeyPrefix": prefix},
        "InputFormat": "DYNAMODB_JSON",
        "InputCompressionType": compression,
        "TableCreationParameters": parameters,
    })
}

/// DynamoDB refuses definitions of attributes that are in no key, such as those of local indexes
/// alone.
fn keep_only_keys(parameters: &mut Map<String, Value>) {
    let mut schemas = vec![&parameters["KeySchema"]];
    let indexes = parameters.get("GlobalSecondaryIndexes").and_then(Value::as_array);
    schemas.extend(indexes.into_iter().flatten().map(|index| &index["KeySchema"]));
    let keys: Vec<_> = schemas
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .map(|part| part["AttributeName"].clone())
        .collect();
    if let Some(Value::Array(attributes)) = parameters.get_mut("AttributeDefinitions") {
        attributes.retain(|attribute| keys.contains(&attribute["AttributeName"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../../../contract/table-definition.json");

    fn data(prefix: Option<&str>) -> Data<'_> {
        Data {
            bucket: "backups",
            directory: "dynamodb/it's/",
            prefix,
            compression: Algorithm::Zstd,
        }
    }

    #[test]
    fn a_table_is_imported_without_its_local_indexes() {
        let definition = Definition::parse(GOLDEN).unwrap();
        let table: TableArn = definition.table_arn.parse().unwrap();
        let made = by_hand(&definition, &table, data(Some("dynamodb/it's/data/")));
        assert_eq!(
            made.commands,
            [
                r"aws s3 cp 's3://backups/dynamodb/it'\''s/import-table.json' import-table.json",
                "aws dynamodb import-table --region eu-central-1 --cli-input-json file://import-table.json",
            ]
        );
        let parameters = &made.content["TableCreationParameters"];
        assert_eq!(parameters["TableName"], "orders");
        assert!(parameters.get("LocalSecondaryIndexes").is_none());
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        // The attribute "state" is also a global index's.
        for same in ["KeySchema", "GlobalSecondaryIndexes", "AttributeDefinitions"] {
            assert_eq!(parameters[same], golden["create"][same], "{same}");
        }
        assert_eq!(
            (&made.content["InputCompressionType"], &made.content["S3BucketSource"]["S3KeyPrefix"]),
            (&json!("ZSTD"), &json!("dynamodb/it's/data/"))
        );

        let mut local = definition;
        local.create.remove("GlobalSecondaryIndexes");
        let made = by_hand(&local, &table, data(Some("x/")));
        let attributes = made.content["TableCreationParameters"]["AttributeDefinitions"].clone();
        let names: Vec<_> =
            attributes.as_array().unwrap().iter().map(|one| one["AttributeName"].clone()).collect();
        assert_eq!(names, ["customer", "placed"]);
    }

    #[test]
    fn a_table_without_items_is_made() {
        let definition = Definition::parse(GOLDEN).unwrap();
        let table: TableArn = definition.table_arn.parse().unwrap();
        let made = by_hand(&definition, &table, data(None));
        assert_eq!(made.name, "create-table.json");
        assert!(made.commands[1].contains("aws dynamodb create-table "), "{:?}", made.commands);
        assert_eq!(made.content["TableName"], "orders");
        assert!(made.content["LocalSecondaryIndexes"].is_array());
    }
}
