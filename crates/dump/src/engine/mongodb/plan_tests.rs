use super::super::archive::Collection;
use super::*;

#[test]
fn only_ranges_on_one_server_are_gone_on_with() {
    let namespace = Namespace { database: "shop".to_owned(), collection: "a".to_owned() };
    let definition =
        Collection { namespace, metadata: String::new(), kind: "collection".to_owned() };
    let found = |whole| Found { definition: definition.clone(), uuid: None, size: None, whole };
    let ranges = Plan::Ranges(vec![Range::default()]);
    for (plan, whole, routed, sorting) in [
        (Plan::Whole(None), Some("it is capped"), false, Sorting::Own),
        (Plan::Whole(None), Some("it is capped"), true, Sorting::Own),
        (Plan::Whole(None), None, false, Sorting::Mixed),
        (Plan::Whole(None), None, true, Sorting::Merged),
        (ranges.clone(), None, true, Sorting::Merged),
        (ranges, None, false, Sorting::Uniform),
    ] {
        assert_eq!(plan.sorting(&found(whole), routed), sorting, "{plan:?} {routed}");
    }
}
