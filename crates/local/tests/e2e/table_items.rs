//! Tables and their items: made, written, and compared.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use autodump_local::api::Api;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Map, Value, json};

use crate::world::{Target, World};

/// The account and region of the stack's source.
const FOREIGN: (&str, &str) = ("222233334444", "eu-west-1");
pub(crate) const FOREIGN_ROLE: &str = "arn:aws:iam::222233334444:role/AutoDumpSource";

impl World {
    /// The services of the account and region that a table or database is in.
    pub(crate) async fn tables_of(&self, target: &Target) -> Result<Api> {
        let parts: Vec<_> = target.arn.split(':').collect();
        if (parts[4], parts[3]) == FOREIGN { self.foreign().await } else { Ok(self.api().clone()) }
    }

    /// The services of the stack's source.
    pub(crate) async fn foreign(&self) -> Result<Api> {
        Ok(self.api().assume(FOREIGN_ROLE).await?.in_region(FOREIGN.1))
    }

    /// A table of strings and numbers as keys, on demand, with these tags.
    pub(crate) async fn table(&self, name: &str, tags: &[(&str, &str)]) -> Result<Target> {
        make(self.api(), &plain(name), tags).await
    }
}

/// The simplest table.
pub(crate) fn plain(name: &str) -> Value {
    json!({
        "TableName": name,
        "AttributeDefinitions": [
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        "KeySchema": [
            {"AttributeName": "id", "KeyType": "HASH"},
            {"AttributeName": "n", "KeyType": "RANGE"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

pub(crate) async fn call(api: &Api, operation: &str, input: &Value) -> Result<Value> {
    api.call(&format!("DynamoDB_20120810.{operation}"), input).await
}

pub(crate) async fn make(api: &Api, create: &Value, tags: &[(&str, &str)]) -> Result<Target> {
    let mut create = create.clone();
    let tags: Vec<_> =
        tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    if !tags.is_empty() {
        create["Tags"] = Value::Array(tags);
    }
    let made = call(api, "CreateTable", &create).await?;
    let arn = made["TableDescription"]["TableArn"].as_str().context("a table without an ARN")?;
    Ok(Target::of(arn))
}

/// An item of all types of attributes; its size depends on its number.
pub(crate) fn item(number: u64) -> Value {
    let state = if number.is_multiple_of(3) { "open" } else { "paid" };
    let text = format!("{number} ü\u{20ac}漢 \"quoted\" \\ \n")
        .repeat(if number.is_multiple_of(7) { 9 } else { 2 });
    json!({
        "id": {"S": format!("customer {}", number % 997)},
        "n": {"N": number.to_string()},
        "text": {"S": text},
        "empty": {"S": ""},
        "precise": {"N": format!("-{}.{}", number + 1, "1234567890123456789012345678")},
        "tiny": {"N": "1E-130"},
        "binary": {"B": "AAEC/f7/"},
        "no bytes": {"B": ""},
        "yes": {"BOOL": number.is_multiple_of(2)},
        "nothing": {"NULL": true},
        "strings": {"SS": ["a", "b ü", "c"]},
        "numbers": {"NS": ["1", "2.5", "-3"]},
        "binaries": {"BS": ["AA==", "/w=="]},
        "list": {"L": [{"S": "x"}, {"L": []}, {"M": {}}, {"N": "0"}]},
        "map": {"M": {"a b": {"M": {"c.d": {"NULL": true}}}, "": {"S": "an empty name"}}},
        "expires": {"N": (1_900_000_000 + number).to_string()},
        "state": {"S": state},
    })
}

/// The same with 4 KiB more, so that few items are many pages.
pub(crate) fn long_item(number: u64) -> Value {
    let mut item = item(number);
    item["padding"] = json!({"S": format!("{number:08}").repeat(512)});
    item
}

/// Writes items, whatever is left unprocessed again.
pub(crate) async fn write(
    api: &Api,
    table: &str,
    items: impl IntoIterator<Item = Value>,
) -> Result<()> {
    let items: Vec<_> = items.into_iter().collect();
    let batches: Vec<_> = items.chunks(25).map(|batch| puts(table, batch)).collect();
    let batches = batches.into_iter().map(|batch| written(api.clone(), batch));
    let mut all = stream::iter(batches).buffer_unordered(4);
    while let Some(done) = all.next().await {
        done?;
    }
    Ok(())
}

fn puts(table: &str, batch: &[Value]) -> Value {
    let put = |item: &Value| json!({"PutRequest": {"Item": item}});
    json!({table: batch.iter().map(put).collect::<Vec<_>>()})
}

async fn written(api: Api, mut left: Value) -> Result<()> {
    while left.as_object().is_some_and(|left| !left.is_empty()) {
        let input = json!({"RequestItems": left});
        let mut answer = call(&api, "BatchWriteItem", &input).await?;
        left = answer["UnprocessedItems"].take();
    }
    Ok(())
}

/// All items of a table by their keys, in one form for each.
pub(crate) async fn items(api: &Api, table: &str) -> Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    let mut input = json!({"TableName": table, "ConsistentRead": true});
    loop {
        let mut page = call(api, "Scan", &input).await?;
        for item in page["Items"].as_array_mut().context("no items")? {
            insert(&mut all, item.take())?;
        }
        match page["LastEvaluatedKey"].take() {
            Value::Null => return Ok(all),
            key => input["ExclusiveStartKey"] = key,
        }
    }
}

/// The items of DynamoDB JSON lines.
pub(crate) fn of_lines(text: &str, all: &mut BTreeMap<String, Value>) -> Result<()> {
    for line in text.lines() {
        let mut line: Map<String, Value> = serde_json::from_str(line)?;
        let item = line.remove("Item").context("a line without an item")?;
        ensure!(line.is_empty(), "a line with more than an item");
        insert(all, item)?;
    }
    Ok(())
}

fn insert(all: &mut BTreeMap<String, Value>, mut item: Value) -> Result<()> {
    let key = format!("{} {}", item["id"], item["n"]);
    sort_sets(&mut item);
    if all.insert(key.clone(), item).is_some() {
        bail!("the item {key} is there twice");
    }
    Ok(())
}

/// Sets have no order.
fn sort_sets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (kind, member) in members {
                if let (true, Value::Array(set)) =
                    (["SS", "NS", "BS"].contains(&kind.as_str()), &mut *member)
                {
                    set.sort_by_key(Value::to_string);
                }
                sort_sets(member);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(sort_sets),
        _ => {}
    }
}

/// Says which items differ, if any do.
pub(crate) fn assert_same(
    expected: &BTreeMap<String, Value>,
    found: &BTreeMap<String, Value>,
) -> Result<()> {
    let differs = expected.iter().find(|(key, item)| found.get(*key) != Some(item));
    ensure!(
        differs.is_none(),
        "{differs:?} is not so: {:?}",
        differs.map(|(key, _)| found.get(key))
    );
    ensure!(found.len() == expected.len(), "{} items, not {}", found.len(), expected.len());
    Ok(())
}
