//! How a backup of a table is restored without AutoDump: two commands, and the input of one.

use autodump_core::Result;
use autodump_core::compression::Algorithm;
use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use autodump_core::table::layout;
use serde_json::{Value, json};

use super::importing;
use crate::engine::shell_quoted;

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
/// none, since there is nothing to import then. An error is that of [`importing::input`].
pub(super) fn by_hand(definition: &Definition, table: &TableArn, data: Data<'_>) -> Result<ByHand> {
    let (name, call, content) = if let Some(prefix) = data.prefix {
        let source = json!({"S3Bucket": data.bucket, "S3KeyPrefix": prefix});
        let input = importing::input(&definition.create, &table.name, data.compression, &source)?;
        (layout::IMPORT, "import-table", input)
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
    Ok(ByHand { name, content, commands })
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
        let made = by_hand(&definition, &table, data(Some("dynamodb/it's/data/"))).unwrap();
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
        let made = by_hand(&local, &table, data(Some("x/"))).unwrap();
        let attributes = made.content["TableCreationParameters"]["AttributeDefinitions"].clone();
        let names: Vec<_> =
            attributes.as_array().unwrap().iter().map(|one| one["AttributeName"].clone()).collect();
        assert_eq!(names, ["customer", "placed"]);
    }

    #[test]
    fn a_table_without_items_is_made() {
        let definition = Definition::parse(GOLDEN).unwrap();
        let table: TableArn = definition.table_arn.parse().unwrap();
        let made = by_hand(&definition, &table, data(None)).unwrap();
        assert_eq!(made.name, "create-table.json");
        assert!(made.commands[1].contains("aws dynamodb create-table "), "{:?}", made.commands);
        assert_eq!(made.content["TableName"], "orders");
        assert!(made.content["LocalSecondaryIndexes"].is_array());
    }
}
