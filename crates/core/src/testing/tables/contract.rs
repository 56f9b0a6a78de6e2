//! What every [`TableService`] and [`TableWriter`] promises, as functions that panic when it does
//! not hold. The tables here keep it, and the adapter's tests run it against an emulator.

#![allow(clippy::missing_panics_doc, reason = "panicking is how these tell")]

use bytes::Bytes;
use serde_json::{Value, json};

use crate::table::calls::{self, NOT_FOUND};
use crate::table::ports::{Answer, Called, TableService, TableWriter};

/// What the service behind is laxer in than DynamoDB.
#[derive(Debug, Clone, Copy)]
pub struct Strictness {
    /// A batch with the same key twice is refused.
    pub duplicate_keys: bool,
    /// A batch of more than 25 items is refused.
    pub batch_size: bool,
}

/// Runs the whole contract with a table of this name, which is not there yet and stays. `writer`
/// gives who writes a table.
pub async fn all<W: TableWriter>(
    service: &impl TableService,
    writer: impl Fn(&str) -> W,
    table: &str,
    strict: Strictness,
) {
    refusals_are_told_by_their_codes(service, table).await;
    makes_a_table_once(service, table).await;
    let here = writer(table);
    items_are_written_as_they_are(service, &here, table).await;
    items_with_the_same_key_are_replaced(service, &here, table).await;
    items_are_deleted_by_their_keys(service, &here, table).await;
    if strict.duplicate_keys {
        let twice = [item("d", "1"), item("d", "2")];
        assert!(here.write(&twice).await.is_err(), "the same key twice in a batch was taken");
        let twice = [key("d"), key("d")];
        assert!(here.delete(&twice).await.is_err(), "the same key was deleted twice in a batch");
    }
    if strict.batch_size {
        let many: Vec<_> = (0..26).map(|n| item(&format!("m{n}"), "1")).collect();
        assert!(here.write(&many).await.is_err(), "a batch of 26 items was taken");
        let many: Vec<_> = (0..26).map(|n| key(&format!("m{n}"))).collect();
        assert!(here.delete(&many).await.is_err(), "a batch of 26 keys was taken");
    }
    let wrong = [Bytes::from_static(br#"{"other":{"S":"x"}}"#)];
    assert!(here.write(&wrong).await.is_err(), "an item without its key was taken");
    assert!(here.delete(&wrong).await.is_err(), "a key that is none was taken");
    let missing = writer(&format!("{table}-missing"));
    assert!(missing.write(&[item("a", "1")]).await.is_err(), "a missing table took an item");
    assert!(missing.delete(&[key("a")]).await.is_err(), "a missing table deleted an item");
}

fn key(id: &str) -> Bytes {
    Bytes::from(json!({"id": {"S": id}}).to_string())
}

fn item(id: &str, value: &str) -> Bytes {
    Bytes::from(json!({"id": {"S": id}, "v": {"N": value}}).to_string())
}

async fn ask(service: &impl TableService, operation: &str, input: Value) -> Called {
    let called = service.dynamodb(operation, input).await;
    called.unwrap_or_else(|error| panic!("{operation} failed: {error}"))
}

fn answered(called: Called) -> Value {
    match called {
        Called::Answered(answer) => answer,
        Called::Refused { code, message } => panic!("refused: {code}: {message}"),
    }
}

fn code(called: Called) -> String {
    match called {
        Called::Refused { code, .. } => code,
        Called::Answered(answer) => panic!("answered: {answer}"),
    }
}

/// A code is the bare name of the exception, without its namespace.
pub async fn refusals_are_told_by_their_codes(service: &impl TableService, table: &str) {
    let asked = ask(service, "DescribeTable", json!({"TableName": table})).await;
    assert_eq!(code(asked), NOT_FOUND);
    let asked = ask(service, "NoSuchOperation", json!({"TableName": table})).await;
    let told = code(asked);
    assert!(calls::is_unsupported(&told) || told == NOT_FOUND, "{told}");
}

/// A table is made, becomes active, and is not made twice.
pub async fn makes_a_table_once(service: &impl TableService, table: &str) {
    let create = json!({
        "TableName": table,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    answered(ask(service, "CreateTable", create.clone()).await);
    for _ in 0..100 {
        let answer = answered(ask(service, "DescribeTable", json!({"TableName": table})).await);
        if answer["Table"]["TableStatus"] == "ACTIVE" {
            let again = code(ask(service, "CreateTable", create).await);
            assert_eq!(again, "ResourceInUseException");
            return;
        }
    }
    panic!("the table {table} does not become active");
}

async fn written(service: &impl TableService, table: &str, id: &str) -> Value {
    let input = json!({"TableName": table, "Key": {"id": {"S": id}}, "ConsistentRead": true});
    answered(ask(service, "GetItem", input).await)["Item"].take()
}

/// All of a batch arrives, every type as it was.
pub async fn items_are_written_as_they_are(
    service: &impl TableService,
    writer: &impl TableWriter,
    table: &str,
) {
    let every = json!({
        "id": {"S": "every"},
        "text": {"S": "é\u{1F600}\n\"\\"},
        "number": {"N": "12345678901234567890123456789012345678"},
        "bytes": {"B": "AAECAwQF/w=="},
        "nothing": {"NULL": true},
        "map": {"M": {"list": {"L": [{"BOOL": false}, {"M": {}}]}}},
    });
    let mut items: Vec<_> = (0..24).map(|n| item(&format!("i{n}"), "7")).collect();
    items.push(Bytes::from(every.to_string()));
    let Ok(Answer::Done(body)) = writer.write(&items).await else {
        panic!("a batch of 25 items was not taken");
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_else(|e| panic!("no JSON: {e}"));
    let left = body["UnprocessedItems"].as_object();
    assert!(left.is_none_or(serde_json::Map::is_empty), "items are left over: {body}");
    assert_eq!(written(service, table, "every").await, every);
    for number in 0..24 {
        let found = written(service, table, &format!("i{number}")).await;
        assert_eq!(found["v"]["N"], "7", "i{number}");
    }
}

/// The later item of a key is the one that is there.
pub async fn items_with_the_same_key_are_replaced(
    service: &impl TableService,
    writer: &impl TableWriter,
    table: &str,
) {
    for value in ["1", "2"] {
        let Ok(Answer::Done(_)) = writer.write(&[item("same", value)]).await else {
            panic!("an item was not taken");
        };
    }
    assert_eq!(written(service, table, "same").await["v"]["N"], "2");
}

/// What has the keys is gone, and nothing else; a key without an item is deleted as well.
pub async fn items_are_deleted_by_their_keys(
    service: &impl TableService,
    writer: &impl TableWriter,
    table: &str,
) {
    let items: Vec<_> = (0..25).map(|n| item(&format!("g{n}"), "1")).collect();
    let Ok(Answer::Done(_)) = writer.write(&items).await else {
        panic!("a batch of 25 items was not taken");
    };
    let mut keys: Vec<_> = (1..25).map(|n| key(&format!("g{n}"))).collect();
    keys.push(key("was never there"));
    for _ in 0..2 {
        let Ok(Answer::Done(body)) = writer.delete(&keys).await else {
            panic!("a batch of 25 keys was not taken");
        };
        let body: Value = serde_json::from_slice(&body).unwrap_or_else(|e| panic!("no JSON: {e}"));
        let left = body["UnprocessedItems"].as_object();
        assert!(left.is_none_or(serde_json::Map::is_empty), "keys are left over: {body}");
        assert_eq!(written(service, table, "g0").await["v"]["N"], "1", "g0 is gone");
        for number in 1..25 {
            let found = written(service, table, &format!("g{number}")).await;
            assert!(found.is_null(), "g{number} is still there: {found}");
        }
    }
}
