//! How tables are made and described.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Answer, State, Table, invalid, text};
use crate::table::arn::{TableArn, is_name};

/// What `CreateTable` takes.
const FIELDS: [&str; 13] = [
    "TableName",
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "ProvisionedThroughput",
    "OnDemandThroughput",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "StreamSpecification",
    "SSESpecification",
    "TableClass",
    "DeletionProtectionEnabled",
    "Tags",
];

impl State {
    pub(super) fn create_table(&mut self, input: &Value) -> Answer {
        let mut create = self.checked(input, &FIELDS)?;
        let name = text(input, "TableName")?.to_owned();
        create.remove("TableName");
        self.made += 1;
        let mut table = Table { number: self.made, polls: self.polls, ..Table::default() };
        if let Some(tags) = create.remove("Tags") {
            table.tag(&tags)?;
        }
        table.create = create;
        let described = table.described(&name, &self.arn(&name), "CREATING");
        self.tables.insert(name, table);
        Ok(json!({"TableDescription": described}))
    }

    /// The input of a table that may be made.
    pub(super) fn checked(
        &self,
        input: &Value,
        fields: &[&str],
    ) -> Result<Map<String, Value>, (&'static str, String)> {
        let create = input.as_object().ok_or_else(|| invalid("no object"))?;
        if let Some(field) = create.keys().find(|field| !fields.contains(&field.as_str())) {
            return Err(invalid(format!("unknown field {field}")));
        }
        let name = text(input, "TableName")?;
        if !is_name(name) {
            return Err(invalid(format!("{name} is no name of a table")));
        }
        if self.tables.contains_key(name) {
            return Err(("ResourceInUseException", format!("the table {name} is there")));
        }
        attributes(input)?;
        capacity(input)?;
        let key = input["SSESpecification"]["KMSMasterKeyId"].as_str();
        let arn: TableArn = self.arn(name).parse().map_err(invalid)?;
        if key.is_some_and(|key| key.starts_with("arn:") && !arn.is_beside(key)) {
            return Err(invalid("the KMS key is of another region or account"));
        }
        Ok(create.clone())
    }
}

/// The attributes that are defined are those of the keys, and no others.
fn attributes(input: &Value) -> Result<(), (&'static str, String)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let name = |part: &Value| part["AttributeName"].as_str().unwrap_or_default().to_owned();
    let mut used: BTreeSet<_> = list(&input["KeySchema"]).iter().map(name).collect();
    for kind in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        let indexes = input.get(kind).map(list);
        if indexes.as_ref().is_some_and(Vec::is_empty) {
            return Err(invalid(format!("{kind} is empty")));
        }
        for index in indexes.iter().flatten() {
            let allowed = ["IndexName", "KeySchema", "Projection"];
            let global = ["ProvisionedThroughput", "OnDemandThroughput"];
            let fields = index.as_object().into_iter().flat_map(Map::keys);
            for field in fields.map(String::as_str) {
                let known = allowed.contains(&field)
                    || (kind == "GlobalSecondaryIndexes" && global.contains(&field));
                if !known {
                    return Err(invalid(format!("unknown field {field} of an index")));
                }
            }
            used.extend(list(&index["KeySchema"]).iter().map(name));
        }
    }
    let defined: BTreeSet<_> = list(&input["AttributeDefinitions"]).iter().map(name).collect();
    if used != defined || used.is_empty() {
        return Err(invalid(format!("attributes {defined:?} are defined, and {used:?} used")));
    }
    Ok(())
}

fn capacity(input: &Value) -> Result<(), (&'static str, String)> {
    let is_on_demand = input["BillingMode"] == "PAY_PER_REQUEST";
    let indexes = input["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
    for one in std::iter::once(input).chain(indexes) {
        let given = one.get("ProvisionedThroughput");
        if given.is_some() == is_on_demand {
            return Err(invalid("provisioned throughput does not go with the billing mode"));
        }
        let units = given.and_then(Value::as_object).into_iter().flat_map(Map::values);
        if units.clone().any(|units| units.as_i64().unwrap_or_default() < 1) {
            return Err(invalid("less than one unit"));
        }
        if given.is_some() && units.count() != 2 {
            return Err(invalid("provisioned throughput is units for reads and for writes"));
        }
        if one.get("OnDemandThroughput").is_some() && !is_on_demand {
            return Err(invalid("limits do not go with the billing mode"));
        }
    }
    Ok(())
}

impl Table {
    /// No other table has it, even of the same name.
    pub(super) fn id(&self) -> String {
        format!("0f1e2d3c-{:04}", self.number)
    }

    pub(super) fn described(&self, name: &str, arn: &str, status: &str) -> Value {
        let mut table = self.create.clone();
        let is_on_demand = table["BillingMode"] == "PAY_PER_REQUEST";
        if let Some(mode) = table.remove("BillingMode").filter(|_| is_on_demand) {
            table.insert("BillingModeSummary".to_owned(), json!({"BillingMode": mode}));
            let zeros = json!({"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0,
                "WriteCapacityUnits": 0});
            table.insert("ProvisionedThroughput".to_owned(), zeros);
        }
        if let Some(class) = table.remove("TableClass") {
            table.insert("TableClassSummary".to_owned(), json!({"TableClass": class}));
        }
        if let Some(mut key) = table.remove("SSESpecification") {
            let described = json!({"Status": "ENABLED", "SSEType": "KMS",
                "KMSMasterKeyArn": key["KMSMasterKeyId"].take()});
            table.insert("SSEDescription".to_owned(), described);
        }
        for kind in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
            let indexes = table.get_mut(kind).and_then(Value::as_array_mut);
            for index in indexes.into_iter().flatten() {
                index["ItemCount"] = json!(0);
                index["IndexArn"] = json!(format!("{arn}/index"));
                if kind == "GlobalSecondaryIndexes" {
                    index["IndexStatus"] = json!("ACTIVE");
                }
            }
        }
        let protected = table.get("DeletionProtectionEnabled").cloned().unwrap_or(json!(false));
        table.insert("DeletionProtectionEnabled".to_owned(), protected);
        let replicas: Vec<_> =
            self.replicas.iter().map(|region| json!({"RegionName": region})).collect();
        let mut table = Value::Object(table);
        if !replicas.is_empty() {
            table["Replicas"] = Value::Array(replicas);
        }
        table["TableName"] = json!(name);
        table["TableArn"] = json!(arn);
        table["TableStatus"] = json!(status);
        table["ItemCount"] = json!(self.items.len());
        table["TableSizeBytes"] = json!(self.items.len() * 100);
        table["TableId"] = json!(self.id());
        table
    }
}
