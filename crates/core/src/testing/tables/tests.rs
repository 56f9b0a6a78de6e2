use bytes::Bytes;

use super::*;
use crate::table::ports::{Answer, TableWriter};

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
