use bson::{RawDocumentBuf, Regex, rawdoc};

use super::matches;

fn holds(filter: &RawDocumentBuf) -> bool {
    let document = rawdoc! { "_id": 5, "name": "system.js", "inner": { "a": 1 } };
    matches(filter, &document).unwrap_or_else(|failure| panic!("{failure:?}"))
}

#[test]
fn comparisons_look_at_one_kind_of_value() {
    assert!(holds(&rawdoc! { "_id": { "$gte": 5, "$lt": 5.5 } }));
    assert!(holds(&rawdoc! { "_id": { "$gt": 4_i64, "$lte": 5 } }));
    assert!(!holds(&rawdoc! { "_id": { "$lt": 5 } }));
    assert!(!holds(&rawdoc! { "_id": { "$lt": "a" } }));
    assert!(!holds(&rawdoc! { "missing": { "$lt": 5 } }));
}

#[test]
fn equality_takes_a_missing_field_for_null() {
    assert!(holds(&rawdoc! { "_id": 5, "missing": bson::RawBson::Null }));
    assert!(holds(&rawdoc! { "inner": { "a": 1 }, "inner.a": 1 }));
    assert!(!holds(&rawdoc! { "_id": { "$ne": 5 } }));
    assert!(holds(&rawdoc! { "_id": { "$in": [1, 5] } }));
    assert!(holds(&rawdoc! { "_id": { "$nin": [1] }, "missing": { "$exists": false } }));
}

#[test]
fn filters_are_combined() {
    assert!(holds(&rawdoc! { "$or": [{ "_id": 1 }, { "_id": 5 }] }));
    assert!(!holds(&rawdoc! { "$and": [{ "_id": 1 }, { "_id": 5 }] }));
    assert!(holds(&rawdoc! { "$nor": [{ "_id": 1 }] }));
}

#[test]
fn of_patterns_a_beginning_is_known() {
    let pattern = |text: &str| Regex {
        pattern: text.to_owned().try_into().unwrap(),
        options: String::new().try_into().unwrap(),
    };
    assert!(holds(&rawdoc! { "name": { "$regex": pattern("^system\\.") } }));
    assert!(!holds(&rawdoc! { "name": { "$not": { "$regex": pattern("^system\\.") } } }));
    assert!(!holds(&rawdoc! { "name": { "$regex": pattern("^other") } }));
}

#[test]
fn what_is_not_known_is_refused() {
    for filter in [
        rawdoc! { "_id": { "$mod": [2, 1] } },
        rawdoc! { "$where": "true" },
        rawdoc! { "name": { "$regex": "js$" } },
        rawdoc! { "$or": 1 },
    ] {
        matches(&filter, &rawdoc! { "_id": 5, "name": "x" }).unwrap_err();
    }
}
