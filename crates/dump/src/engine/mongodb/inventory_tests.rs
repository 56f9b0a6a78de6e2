use autodump_core::pattern::Pattern;
use bson::{Bson, Document, RawDocumentBuf, doc};

use super::*;

fn raw(document: &Document) -> Vec<u8> {
    RawDocumentBuf::try_from(document).unwrap().into_bytes()
}

fn listed(document: &Document) -> Listed {
    Listed::of(&raw(document)).unwrap()
}

fn uuid() -> Bson {
    Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![0xab; 16] })
}

#[test]
fn definitions_are_written_as_mongodump_writes_them() {
    let orders = listed(&doc! {
        "name": "or\"ders", "type": "collection", "options": {}, "info": {"readOnly": false, "uuid": uuid()},
        "idIndex": {"v": 2, "key": {"_id": 1}, "name": "_id_"},
    });
    let index = extjson::document(&raw(&doc! {"v": 2, "key": {"b": 1, "a": -1}})).unwrap();
    assert_eq!(
        orders.metadata(vec![index]),
        format!(
            r#"{{"indexes":[{{"v":{{"$numberInt":"2"}},"key":{{"b":{{"$numberInt":"1"}},"a":{{"$numberInt":"-1"}}}}}}],"uuid":"{}","collectionName":"or\"ders","type":"collection"}}"#,
            "ab".repeat(16)
        )
    );
    let view = listed(&doc! {
        "name": "v", "type": "view", "options": {"viewOn": "a", "pipeline": [{"$match": {"x": 1}}]},
        "info": {"readOnly": true},
    });
    assert_eq!(
        view.metadata(Vec::new()),
        r#"{"options":{"viewOn":"a","pipeline":[{"$match":{"x":{"$numberInt":"1"}}}]},"indexes":[],"collectionName":"v","type":"view"}"#
    );
}

#[test]
fn what_has_an_order_or_another_comparison_is_read_whole() {
    let whole = |options: Document, kind: &str| {
        listed(&doc! {"name": "a", "type": kind, "options": options}).whole()
    };
    assert_eq!(whole(doc! {}, "collection"), None);
    assert_eq!(whole(doc! {"capped": false, "validator": {}}, "collection"), None);
    for (options, kind, why) in [
        (doc! {"capped": true, "size": 1}, "collection", "capped"),
        (doc! {"collation": {"locale": "de"}}, "collection", "collation"),
        (doc! {"timeseries": {"timeField": "t"}}, "timeseries", "time series"),
    ] {
        assert!(whole(options, kind).unwrap().contains(why));
    }
}

fn selection(of: &[&str], but: &[&str]) -> Selection {
    let patterns =
        |texts: &[&str]| texts.iter().map(|text| Pattern::collection(text).unwrap()).collect();
    Selection {
        collections: patterns(of),
        exclude_collections: patterns(but),
        ..Selection::default()
    }
}

#[test]
fn patterns_choose_and_one_that_fits_nothing_is_an_error() {
    for (of, but, fitting) in [
        (&[][..], &[][..], &["orders", "Orders.old", "v"][..]),
        (&["orders", "v"], &[], &["orders", "v"]),
        (&["*r*"], &["*.old"], &["orders"]),
        (&[], &["?"], &["orders", "Orders.old"]),
    ] {
        let selection = selection(of, but);
        let chosen = Chosen::of(&selection).unwrap();
        let names = ["orders", "Orders.old", "v"].into_iter().filter(|name| chosen.has(name));
        assert_eq!(names.collect::<Vec<_>>(), fitting, "{of:?} {but:?}");
    }
    let selection = selection(&["orders", "Orders"], &["nothing"]);
    let error = Chosen::of(&selection).unwrap().check(&["orders"], "shop").unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert_eq!(error.what(), "no collection of shop fits the pattern \"Orders\"");
}

#[test]
fn a_time_series_without_its_buckets_is_found() {
    let listed = |name: &str, kind: &str| Listed {
        name: name.to_owned(),
        kind: kind.to_owned(),
        ..Listed::default()
    };
    let wanted = [listed("a", "collection"), listed("s", "timeseries"), listed("t", "timeseries")];
    let mut names = Identities::from([("system.buckets.s".to_owned(), None)]);
    assert_eq!(without_buckets(&wanted, &names), Some("t"));
    names.insert("system.buckets.t".to_owned(), None);
    assert_eq!(without_buckets(&wanted, &names), None);
}
