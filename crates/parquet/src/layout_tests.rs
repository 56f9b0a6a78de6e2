use proptest::prelude::*;

use super::*;

const UUID: &str = "0a1b2c3d-0000-4000-8000-000000000001-c000";

fn listed<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<Listed> {
    let object = |key: &str| Listed { key: key.to_owned(), bytes: 1, etag: "e".to_owned() };
    keys.into_iter().map(object).collect()
}

fn keys(table: &Table) -> Vec<&str> {
    table.files.iter().map(|file| file.key.as_str()).collect()
}

#[test]
fn an_export_is_read_by_batch_and_part() {
    let at = |rest: &str| format!("rds/db-1/export/run-1/shop/public.orders/{rest}");
    let part = |batch: &str, number: &str| at(&format!("{batch}/part-{number}-{UUID}.gz.parquet"));
    let names = [
        part("10", "00000"),
        part("2", "00010"),
        part("2", "00002"),
        part("1", "00000"),
        at("1/_SUCCESS"),
        at("2/_SUCCESS"),
        at("10/_SUCCESS"),
        at("1/_metadata.parquet"),
        at("1/notes.txt"),
        "rds/db-1/export/run-1/export_info_run-1.json".to_owned(),
    ];
    let tables = Layout::Rds.tables(&listed(names.iter().map(String::as_str)));
    let [table] = &tables[..] else { panic!("{tables:?}") };
    assert_eq!(table.name, "run-1/shop/public.orders");
    assert_eq!(table.directory, at(""));
    assert!(table.is_complete());
    let sorted = [("1", "00000"), ("2", "00002"), ("2", "00010"), ("10", "00000")];
    assert_eq!(keys(table), sorted.map(|(batch, number)| part(batch, number)));
}

#[test]
fn a_batch_without_success_is_growing() {
    let names = [
        "x/shop/shop.a/1/part-00000-u.gz.parquet",
        "x/shop/shop.a/1/_SUCCESS",
        "x/shop/shop.a/2/part-00000-u.gz.parquet",
        "x/shop/shop.b/1/_SUCCESS",
    ];
    let tables = Layout::Rds.tables(&listed(names));
    assert_eq!(tables[0].growing, ["x/shop/shop.a/2"]);
    assert!(!tables[0].is_complete());
    // Marked, and empty: whoever converts it says so.
    assert_eq!((tables[1].files.len(), tables[1].is_complete()), (0, true));
}

#[test]
fn tables_without_batches_are_tables_too() {
    let names = [
        "p/x/shop/public.new/1/part-00000-u.gz.parquet",
        "p/x/shop/public.new/1/_SUCCESS",
        "p/x/shop/public.old/part-00001-u.gz.parquet",
        "p/x/shop/public.old/part-00000-u.gz.parquet",
        "p/x/shop/public.old/_SUCCESS",
        "p/x/shop/public.open/part-00000-u.gz.parquet",
    ];
    let tables = Layout::Rds.tables(&listed(names));
    let seen: Vec<_> = tables.iter().map(|t| (t.name.as_str(), t.is_complete())).collect();
    let expected =
        [("x/shop/public.new", true), ("x/shop/public.old", true), ("x/shop/public.open", false)];
    assert_eq!(seen, expected);
    assert_eq!(keys(&tables[1]), [names[3], names[2]]);
    assert_eq!(tables[1].directory, "p/x/shop/public.old/");
    assert_eq!(tables[2].growing, ["p/x/shop/public.open"]);
    assert_eq!(Layout::Rds.directory_of(names[4]), Some("p/x/shop/public.old/"));
    assert_eq!(Layout::Rds.directory_of("shop/public.old/_SUCCESS"), None);
}

#[test]
fn every_directory_of_plain_parquet_is_a_table() {
    let names = ["in/a/b.parquet", "in/a/a.parquet", "in/c/x.parquet", "in/c/_SUCCESS", "top"];
    let tables = Layout::Plain.tables(&listed(names));
    let seen: Vec<_> = tables.iter().map(|t| (t.name.as_str(), t.is_complete())).collect();
    assert_eq!(seen, [("a", false), ("c", true)]);
    assert_eq!(keys(&tables[0]), ["in/a/a.parquet", "in/a/b.parquet"]);
    assert_eq!(tables[0].growing, ["in/a"]);
}

#[test]
fn an_event_names_the_directory_to_list() {
    let rds = |key| Layout::Rds.directory_of(key);
    assert_eq!(rds("p/x/shop/public.t/3/_SUCCESS"), Some("p/x/shop/public.t/"));
    assert_eq!(rds("x/shop/public.t/3/_SUCCESS"), Some("x/shop/public.t/"));
    for other in ["shop/public.t/3/_SUCCESS", "x/shop/table/3/_SUCCESS", "_SUCCESS", "a/b.csv"] {
        assert_eq!(rds(other), None, "{other}");
    }
    assert_eq!(Layout::Plain.directory_of("in/a/_SUCCESS"), Some("in/a/"));
    assert_eq!(Layout::Plain.directory_of("in/a/.hidden.parquet"), None);
}

#[test]
fn a_directory_is_of_a_table_or_not() {
    for (layout, directory, is) in [
        (Layout::Rds, "p/x/shop/public.t/", true),
        (Layout::Rds, "x/shop/public.t/", true),
        (Layout::Rds, "shop/public.t/", false),
        (Layout::Rds, "p/x/shop/table/", false),
        (Layout::Rds, "p/x/shop/public.t", false),
        (Layout::Plain, "in/a/", true),
        (Layout::Plain, "in/a", false),
        (Layout::Plain, "", false),
    ] {
        assert_eq!(layout.is_of_table(directory), is, "{layout:?} {directory}");
    }
    assert_eq!(Layout::Rds.stem("run-1/shop/public.t"), "shop/public.t");
    assert_eq!(Layout::Plain.stem("a"), "a");
}

proptest! {
    #[test]
    fn the_order_does_not_depend_on_the_listing(
        batches in prop::collection::vec(("[0-9a-z]{1,4}", 0u32..30, "[a-z0-9]{1,3}"), 1..20),
        seed in any::<prop::sample::Index>(),
    ) {
        let names: Vec<_> = batches
            .iter()
            .map(|(batch, part, id)| format!("x/d/s.t/{batch}/part-{part:05}-{id}.gz.parquet"))
            .collect();
        let objects = listed(names.iter().map(String::as_str));
        let mut turned = objects.clone();
        turned.rotate_left(seed.index(objects.len()));
        turned.reverse();
        prop_assert_eq!(Layout::Rds.tables(&objects), Layout::Rds.tables(&turned));
        prop_assert_eq!(Layout::Rds.tables(&objects)[0].files.len(), objects.len());
    }
}
