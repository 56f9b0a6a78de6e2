//! What `ImportTable` is asked, by a restore and by hand.

use autodump_core::compression::Algorithm;
use autodump_core::{Error, ErrorClass, Result};
use serde_json::{Map, Value, json};

/// What of `CreateTable`'s input it takes. Local indexes are not among it.
const TAKEN: [&str; 7] = [
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "ProvisionedThroughput",
    "OnDemandThroughput",
    "SSESpecification",
    "GlobalSecondaryIndexes",
];

/// Its input: `source` is its `S3BucketSource`, and the table is made as `create` says. An error of
/// class [`ErrorClass::Internal`] where it does not read what the objects are compressed with: no
/// backup of a table is compressed so.
pub(super) fn input(
    create: &Map<String, Value>,
    table: &str,
    compression: Algorithm,
    source: &Value,
) -> Result<Value> {
    let mut parameters: Map<_, _> = TAKEN
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), create.get(*name)?.clone())))
        .collect();
    parameters.insert("TableName".to_owned(), json!(table));
    keep_only_keys(&mut parameters);
    Ok(json!({
        "S3BucketSource": source,
        "InputFormat": "DYNAMODB_JSON",
        "InputCompressionType": type_of(compression)?,
        "TableCreationParameters": parameters,
    }))
}

fn type_of(compression: Algorithm) -> Result<&'static str> {
    match compression {
        Algorithm::None => Ok("NONE"),
        Algorithm::Gzip => Ok("GZIP"),
        Algorithm::Zstd => Ok("ZSTD"),
        Algorithm::Lz4 => Err(Error::new(
            ErrorClass::Internal,
            "an import of data that are compressed with lz4 was to be asked for",
            "Report this: it is a fault of AutoDump",
        )),
    }
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
    use autodump_core::table::definition::Definition;

    use super::*;

    #[test]
    fn what_an_import_does_not_take_is_left_out_and_what_it_does_not_read_is_refused() {
        let golden = include_str!("../../../../contract/table-definition.json");
        let mut create = Definition::parse(golden).unwrap().create;
        create.insert("Tags".to_owned(), json!([]));
        let ask = |how| input(&create, "copy", how, &json!({"S3Bucket": "backups"}));
        let asked = ask(Algorithm::Zstd).unwrap();
        let parameters = asked["TableCreationParameters"].as_object().unwrap();
        for left_out in ["Tags", "LocalSecondaryIndexes", "StreamSpecification", "TableClass"] {
            assert!(!parameters.contains_key(left_out), "{left_out}");
        }
        assert_eq!(parameters["TableName"], "copy");
        assert_eq!(asked["S3BucketSource"]["S3Bucket"], "backups");
        for (how, is) in
            [(Algorithm::None, "NONE"), (Algorithm::Gzip, "GZIP"), (Algorithm::Zstd, "ZSTD")]
        {
            assert_eq!(ask(how).unwrap()["InputCompressionType"], is);
        }
        let error = ask(Algorithm::Lz4).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Internal);
        assert!(error.what().contains("lz4"), "{error}");
    }
}
