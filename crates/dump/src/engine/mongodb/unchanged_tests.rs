use super::*;
use crate::engine::mongodb::archive::{Collection, Namespace};

fn found(name: &str, kind: &str, uuid: Option<&str>) -> Found {
    let namespace = Namespace { database: "shop".to_owned(), collection: name.to_owned() };
    let definition = Collection { namespace, metadata: String::new(), kind: kind.to_owned() };
    Found { definition, uuid: uuid.map(str::to_owned), size: None, whole: None }
}

#[test]
fn what_was_dropped_or_replaced_is_found() {
    let of = |names: &[(&str, Option<&str>)]| -> HashMap<_, _> {
        names.iter().map(|(name, uuid)| ((*name).to_owned(), uuid.map(str::to_owned))).collect()
    };
    let read = [
        found("v", "view", None),
        found("a", "collection", Some("1")),
        found("b", "collection", None),
        found("s", "timeseries", Some("2")),
    ];
    let same = [("a", Some("1")), ("b", None), ("system.buckets.s", Some("2")), ("new", None)];
    assert!(changed(&read, &of(&same)).is_none());
    for (place, now, named) in [
        (0, None, "shop.a"),
        (0, Some(("a", Some("9"))), "shop.a"),
        (1, None, "shop.b"),
        (1, Some(("b", Some("9"))), "shop.b"),
        (2, None, "shop.system.buckets.s"),
    ] {
        let mut names = same.to_vec();
        names.remove(place);
        names.extend(now);
        let error = changed(&read, &of(&names)).unwrap();
        assert_eq!(error.class(), ErrorClass::Source);
        let what = format!("{named} was replaced or dropped while it was read");
        assert_eq!(error.what(), what);
    }
}
