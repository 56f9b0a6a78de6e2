use autodump_core::testing::{Call, Cut, Fault, FaultyStore, MemoryStore};
use serde_json::{Value, json};

use super::*;

fn put(store: &MemoryStore, key: &str, content: &impl ToString) {
    let location = ObjectLocation { bucket: "rules".to_owned(), key: key.to_owned() };
    store.put(&location, content.to_string());
}

fn schema(column: &str) -> Value {
    json!({"type": "object", "properties": {column: {"type": "integer"}}})
}

fn each() -> Schemas {
    Schemas::Each { bucket: "rules".to_owned(), prefix: "s/".to_owned() }
}

fn all() -> Schemas {
    Schemas::All { bucket: "rules".to_owned(), key: "all.json".to_owned() }
}

const TABLE: &str = "run-1/shop/public.orders";

/// Which schema a table has.
async fn found(
    schemas: &Schemas,
    store: &MemoryStore,
    layout: Layout,
    name: &str,
) -> Option<String> {
    let schema = schemas.of(store, layout, name).await.unwrap();
    schema.as_ref().map(TableSchema::sha256)
}

#[tokio::test]
async fn a_table_has_the_schema_of_its_name() {
    let store = MemoryStore::default();
    put(&store, "s/shop/public.orders.json", &schema("a"));
    put(&store, "s/shop/public.orders.json.old", &"{");
    put(&store, "s/orders.json", &schema("b"));
    put(&store, "s/t.json.bak", &schema("c"));
    put(&store, "all.json", &json!({"tables": {"shop/public.orders": schema("d"), "x": {}}}));
    for (schemas, layout, name, column) in [
        (each(), Layout::Rds, TABLE, Some("a")),
        (each(), Layout::Rds, "run-2/shop/public.orders", Some("a")),
        (each(), Layout::Rds, "run-1/shop/public.order", None),
        (each(), Layout::Plain, "orders", Some("b")),
        (each(), Layout::Plain, "t", None),
        (all(), Layout::Rds, TABLE, Some("d")),
        (all(), Layout::Rds, "run-1/shop/public.items", None),
        (all(), Layout::Plain, "shop/public.orders", Some("d")),
    ] {
        let found = found(&schemas, &store, layout, name).await;
        let wanted = |column| TableSchema::read(schema(column).to_string().as_bytes()).unwrap();
        let wanted = column.map(|column| wanted(column).sha256());
        assert_eq!(found, wanted, "{schemas:?} {layout:?} {name}");
    }
}

#[tokio::test]
async fn an_object_that_is_not_understood_is_named() {
    let store = MemoryStore::default();
    let a = json!({"type": "string", "pattern": "("});
    let bad = json!({"type": "object", "properties": {"a": a}});
    for (schemas, key, content, says) in [
        (each(), "s/shop/public.orders.json", "{".to_owned(), "shop/public.orders.json: "),
        (
            each(),
            "s/shop/public.orders.json",
            bad.to_string(),
            "shop/public.orders.json: the table schema, column a: it has a pattern",
        ),
        (all(), "all.json", "[]".to_owned(), "all.json is none of {\"tables\": {…}}"),
        (all(), "all.json", json!({"tables": {}, "x": 1}).to_string(), "unknown field `x`"),
        (
            all(),
            "all.json",
            json!({"tables": {"shop/public.orders": bad}}).to_string(),
            "all.json, table shop/public.orders: the table schema, column a: it has a pattern",
        ),
    ] {
        put(&store, key, &content);
        let error = schemas.of(&store, Layout::Rds, TABLE).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(error.what().contains("s3://rules/"), "{error}");
        assert!(error.what().contains(says), "{error}");
    }
}

#[tokio::test]
async fn schemas_for_all_tables_have_to_be_there() {
    let error = all().of(&MemoryStore::default(), Layout::Rds, TABLE).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert_eq!(error.what(), "the object of schemas s3://rules/all.json is not there");
}

#[tokio::test]
async fn an_object_that_is_too_long_is_not_read() {
    let store = MemoryStore::default();
    put(&store, "all.json", &" ".repeat(usize::try_from(LONGEST).unwrap() + 1));
    let store = FaultyStore::new(store, Vec::new());
    let error = all().of(&store, Layout::Rds, TABLE).await.unwrap_err();
    assert!(error.what().contains("has 33554433 bytes, more than 33554432"), "{error}");
    assert_eq!(store.count(Call::Get), 0);
}

/// A schema that cannot be had is not one that is not there.
#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    let memory = MemoryStore::default();
    put(&memory, "s/shop/public.orders.json", &schema("a"));
    for fault in [Fault::nth(Call::List, 1), Fault::nth(Call::Get, 1)] {
        let store = FaultyStore::new(memory.clone(), vec![fault]);
        let error = each().of(&store, Layout::Rds, TABLE).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{fault:?}");
    }
    let cut = Cut { nth_get: 1, after: 5, class: ErrorClass::Source };
    let store = FaultyStore::new(memory, Vec::new()).with_cuts(vec![cut]);
    let error = each().of(&store, Layout::Rds, TABLE).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
}
