use proptest::prelude::*;

use super::*;

fn contents(paths: &[&str]) -> Contents {
    let mut contents = Contents::default();
    for path in paths {
        contents.add(path, 10);
    }
    contents
}

#[test]
fn objects_are_counted_by_table_and_batch() {
    let contents = contents(&[
        "export_info_x.json",
        "shop/public.orders/1/part-00000-a.gz.parquet",
        "shop/public.orders/1/part-00002-b.gz.parquet",
        "shop/public.orders/1/_SUCCESS",
        "shop/public.orders/2/_SUCCESS",
        "shop/public.users/1/part-00000-a.gz.parquet",
        "shop/public.users/2/part-00000-a.gz.parquet",
        "shop/public.users/1/_SUCCESS",
        "shop/public.old/part-00000-a.gz.parquet",
        "shop/public.old/_SUCCESS",
    ]);
    assert_eq!(contents.files, ["export_info_x.json"]);
    let whole: Vec<_> = contents
        .all()
        .map(|(place, found)| (place, found.objects, found.bytes, found.is_whole()))
        .collect();
    assert_eq!(
        whole,
        [
            ("shop/public.old", 1, 10, true),
            ("shop/public.orders", 2, 20, true),
            // The second batch is still being written.
            ("shop/public.users", 2, 20, false),
        ]
    );
    assert!(!Found::default().is_whole());
}

#[test]
fn a_table_is_found_by_its_name_in_the_lists() {
    let contents = contents(&[
        "shop/public.orders/1/_SUCCESS",
        "shop/public.order_items/1/_SUCCESS",
        "shop/public.v1.2/1/_SUCCESS",
        "shop/shop.DataInsert_7ADB5D19965123A2/1/_SUCCESS",
        "shop/shop.users/1/_SUCCESS",
        "shop/public.twice_0000000000000001/1/_SUCCESS",
        "shop/public.twice_0000000000000002/1/_SUCCESS",
    ]);
    let directories = contents.directories();
    for (target, directory) in [
        ("shop.public.orders", Some("shop/public.orders")),
        ("shop.public.order items", Some("shop/public.order_items")),
        ("shop.public.v1.2", Some("shop/public.v1.2")),
        ("shop.shop.DataInsert", Some("shop/shop.DataInsert_7ADB5D19965123A2")),
        ("shop.DataInsert", Some("shop/shop.DataInsert_7ADB5D19965123A2")),
        ("shop.users", Some("shop/shop.users")),
        ("shop.shop.users", Some("shop/shop.users")),
        ("shop.public.twice_0000000000000002", Some("shop/public.twice_0000000000000002")),
        ("shop.public.twice", None),
        ("shop.orders", None),
        ("other.public.orders", None),
    ] {
        assert_eq!(directories.of(target), directory, "{target}");
    }
}

proptest! {
    /// Whatever the names: a table has its own directory, and no other.
    #[test]
    fn every_table_is_found(
        names in prop::collection::btree_set(("[a-c]", "[a-c]{1,2}", "[A-Cx._ `]{1,4}"), 1..8),
    ) {
        let plain = |name: &str| name.replace([' ', '`'], "_");
        let mut contents = Contents::default();
        let mut places = BTreeMap::new();
        for (database, schema, table) in &names {
            let place = format!("{database}/{schema}.{}", plain(table));
            contents.add(&format!("{place}/1/_SUCCESS"), 0);
            places.insert(format!("{database}.{schema}.{table}"), place);
        }
        let directories = contents.directories();
        for (target, place) in places {
            prop_assert_eq!(directories.of(&target), Some(place.as_str()));
        }
    }

    #[test]
    fn no_key_makes_it_panic(paths in prop::collection::vec("[a./_]{0,12}|\\PC{0,12}", 0..8)) {
        let mut contents = Contents::default();
        for path in &paths {
            contents.add(path, 1);
        }
        let counted: u64 = contents.all().map(|(_, found)| found.objects).sum();
        prop_assert!(counted + contents.files.len() as u64 <= paths.len() as u64);
        let _ = contents.directories().of("a.b.c");
    }
}
