use super::*;

#[test]
fn the_servers_own_collections_are_not_expected() {
    for (database, name, dumped) in [
        ("shop", "a", true),
        ("shop", "system.js", true),
        ("shop", "system.views", false),
        ("shop", "system.buckets.t", false),
        ("shop", "system.users", false),
        ("admin", "system.users", true),
        ("admin", "system.keys", false),
    ] {
        assert_eq!(is_dumped(database, name), dumped, "{database}.{name}");
    }
}

#[test]
fn what_is_lacking_is_named_and_not_too_much_of_it() {
    let all: Vec<_> = (0..7).map(|number| namespace("shop", format!("c{number}"))).collect();
    let all: Vec<_> = all.iter().collect();
    let error = lacks(&all[..2]);
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.what().ends_with("lacks shop.c0, shop.c1"), "{error}");
    assert!(lacks(&all).what().ends_with("shop.c4, 2 more"));
    assert!(error.hint().contains("may read them"), "{error}");
    for (name, is_odd) in [("a$b", true), ("$admin.system.users", false)] {
        let hint = lacks(&[&namespace("shop", name.to_owned())]);
        assert_eq!(hint.hint().contains("a $ in their name"), is_odd, "{hint}");
    }
}
