use bytes::Bytes;

use super::*;
use crate::table::ports::{Answer, PageRequest, TableReader, TableWriter};

async fn made() -> MemoryTables {
    let tables = MemoryTables::new("eu-central-1", "111122223333");
    let create = json!({
        "TableName": "orders",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let called = tables.dynamodb("CreateTable", create).await.unwrap();
    assert!(matches!(called, Called::Answered(_)), "{called:?}");
    for _ in 0..=POLLS {
        tables.dynamodb("DescribeTable", json!({"TableName": "orders"})).await.unwrap();
    }
    tables
}

fn item(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

#[tokio::test]
async fn what_the_service_refuses_is_refused() {
    let tables = made().await;
    let writer = tables.writer("orders");
    let good = item(r#"{"id":{"S":"1"}}"#);
    let long = item(&format!(r#"{{"id":{{"S":"1"}},"a":{{"S":"{}"}}}}"#, "x".repeat(410_000)));
    for (items, why) in [
        (vec![], "a batch of 0 items"),
        (vec![good.clone(); 26], "a batch of 26 items"),
        (vec![good.clone(); 2], "twice in a batch"),
        (vec![item(r#"{"id":{"N":"1"}}"#)], "is no S"),
        (vec![item(r#"{"other":{"S":"1"}}"#)], "has no"),
        (vec![long], "more than 400 KB"),
    ] {
        let error = writer.write(&items).await.unwrap_err();
        assert!(error.what().contains(why), "{error}");
    }
    let error = tables.writer("others").write(std::slice::from_ref(&good)).await.unwrap_err();
    assert!(error.what().contains("no table others"), "{error}");
    assert_eq!(tables.items("orders").unwrap().len(), 0);
    assert!(matches!(writer.write(&[good]).await.unwrap(), Answer::Done(_)));
    assert_eq!(tables.items("orders").unwrap().len(), 1);
}

#[tokio::test]
async fn an_item_that_an_index_cannot_have_is_refused() {
    let tables = MemoryTables::new("eu-central-1", "111122223333").at_once();
    let attribute = |name| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |name| json!([{"AttributeName": name, "KeyType": "HASH"}]);
    let create = json!({
        "TableName": "orders",
        "AttributeDefinitions": [attribute("id"), attribute("state")],
        "KeySchema": key("id"),
        "GlobalSecondaryIndexes": [{"IndexName": "by-state", "KeySchema": key("state"),
            "Projection": {"ProjectionType": "ALL"}}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let called = tables.dynamodb("CreateTable", create).await.unwrap();
    assert!(matches!(called, Called::Answered(_)), "{called:?}");
    let writer = tables.writer("orders");
    for value in [r#"{"N":"1"}"#, r#"{"S":""}"#, r#"{"NULL":true}"#] {
        let item = item(&format!(r#"{{"id":{{"S":"1"}},"state":{value}}}"#));
        let error = writer.write(&[item]).await.unwrap_err();
        assert!(error.what().contains("the index key state is no S"), "{error}");
    }
    let fitting = [r#"{"id":{"S":"1"}}"#, r#"{"id":{"S":"2"},"state":{"S":"open"}}"#].map(item);
    assert!(matches!(writer.write(&fitting).await.unwrap(), Answer::Done(_)));
}

#[tokio::test]
async fn a_table_on_its_way_out_says_so() {
    let tables = made().await;
    tables.delete("orders");
    for _ in 0..3 {
        let asked = tables.dynamodb("DescribeTable", json!({"TableName": "orders"})).await;
        let Called::Answered(answer) = asked.unwrap() else { panic!("refused") };
        assert_eq!(answer["Table"]["TableStatus"], "DELETING");
    }
}

#[tokio::test]
async fn a_reader_tells_the_id_that_the_description_has() {
    let tables = made().await;
    let described = tables.dynamodb("DescribeTable", json!({"TableName": "orders"})).await.unwrap();
    let Called::Answered(described) = described else { panic!("{described:?}") };
    let id = tables.reader("orders").id().await.unwrap();
    assert_eq!(id.as_deref(), described["Table"]["TableId"].as_str());
    assert!(id.is_some());
    assert_eq!(tables.reader("others").id().await.unwrap(), None);
}

#[tokio::test]
async fn writes_are_hindered_and_faults_come_when_they_are_asked_for() {
    let tables = made().await;
    tables.hinder(2, 3);
    tables.fail("Write", 4, ErrorClass::Source);
    let writer = tables.writer("orders");
    let items = [item(r#"{"id":{"S":"1"}}"#), item(r#"{"id":{"S":"2"}}"#)];
    assert!(matches!(writer.write(&items).await.unwrap(), Answer::Done(_)));
    assert_eq!(writer.write(&items).await.unwrap(), Answer::Throttled);
    let Answer::Done(body) = writer.write(&items).await.unwrap() else { panic!("throttled") };
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["UnprocessedItems"]["orders"].as_array().unwrap().len(), 1);
    assert_eq!(writer.write(&items).await.unwrap_err().class(), ErrorClass::Source);
}

#[tokio::test]
async fn these_tables_keep_the_contract() {
    let tables = MemoryTables::new("eu-central-1", "111122223333");
    let strict = contract::Strictness { duplicate_keys: true, batch_size: true };
    let here = tables.clone();
    contract::all(&tables, |name| here.writer(name), "contract", strict).await;
}

#[tokio::test]
async fn what_is_no_key_is_not_deleted_and_deletes_are_hindered_too() {
    let tables = made().await;
    let writer = tables.writer("orders");
    let keys = [item(r#"{"id":{"S":"1"}}"#), item(r#"{"id":{"S":"2"}}"#)];
    writer.write(&keys).await.unwrap();
    let more = item(r#"{"id":{"S":"1"},"a":{"S":"1"}}"#);
    let error = writer.delete(&[more]).await.unwrap_err();
    assert!(error.what().contains("other attributes"), "{error}");
    tables.hinder(0, 1);
    tables.fail("Delete", 2, ErrorClass::Source);
    let Answer::Done(body) = writer.delete(&keys).await.unwrap() else { panic!("throttled") };
    let body: Value = serde_json::from_slice(&body).unwrap();
    let left = json!([{"DeleteRequest": {"Key": {"id": {"S": "2"}}}}]);
    assert_eq!(body["UnprocessedItems"]["orders"], left);
    assert_eq!(writer.delete(&keys).await.unwrap_err().class(), ErrorClass::Source);
    tables.hinder(1, 0);
    assert_eq!(writer.delete(&keys).await.unwrap(), Answer::Throttled);
    assert_eq!(tables.items("orders").unwrap(), [json!({"id": {"S": "2"}})]);
}

#[tokio::test]
async fn numbers_of_keys_are_written_as_the_service_does() {
    let tables = MemoryTables::new("eu-central-1", "111122223333").at_once();
    let create = json!({
        "TableName": "numbers",
        "AttributeDefinitions": [{"AttributeName": "n", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    tables.dynamodb("CreateTable", create).await.unwrap();
    let writer = tables.writer("numbers");
    for (given, stored) in
        [("1.0", "1"), ("-1e2", "-100"), ("0.00", "0"), ("15E-4", "0.0015"), ("-2.50", "-2.5")]
    {
        let text = item(&format!(r#"{{"n":{{"N":"{given}"}}}}"#));
        writer.write(std::slice::from_ref(&text)).await.unwrap();
        assert_eq!(tables.items("numbers").unwrap(), [json!({"n": {"N": stored}})], "{given}");
        writer.delete(&[text]).await.unwrap();
        assert!(tables.items("numbers").unwrap().is_empty(), "{given}");
    }
    assert!(writer.write(&[item(r#"{"n":{"N":"one"}}"#)]).await.is_err());
}

#[tokio::test]
async fn all_segments_together_have_each_item_once() {
    let tables = made().await;
    let writer = tables.writer("orders");
    for number in 0..100 {
        writer.write(&[item(&format!(r#"{{"id":{{"S":"{number}"}}}}"#))]).await.unwrap();
    }
    let reader = tables.reader("orders");
    let mut found = Vec::new();
    for segment in 0..3 {
        let mut request =
            PageRequest { segment, total_segments: 3, from: None, consistent: true, limit: None };
        loop {
            let Answer::Done(body) = reader.page(&request).await.unwrap() else {
                panic!("throttled")
            };
            let body: Value = serde_json::from_slice(&body).unwrap();
            found.extend(body["Items"].as_array().unwrap().iter().map(ToString::to_string));
            let Some(next) = body.get("LastEvaluatedKey") else { break };
            request.from = Some(next.to_string());
        }
    }
    found.sort();
    let mut all: Vec<_> = tables.items("orders").unwrap().iter().map(ToString::to_string).collect();
    all.sort();
    assert_eq!(found, all);
    tables.hinder_pages(1);
    let request =
        PageRequest { segment: 0, total_segments: 1, from: None, consistent: true, limit: None };
    assert_eq!(reader.page(&request).await.unwrap(), Answer::Throttled);
}
