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
