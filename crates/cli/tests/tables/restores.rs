//! `autodump restore` of a table.

use serde_json::json;

use crate::cloud::{ACCOUNT, Cloud, REGION};
use crate::{assert_fails, assert_same, assert_success, autodump, backed_up, events, make, text};

const MANIFEST: &str = "s3://backups/exports/orders/manifest.json";

#[test]
fn a_table_is_restored_by_its_name_and_by_its_arn() {
    let (cloud, url) = backed_up(60);
    let common = ["restore", MANIFEST, "--to", "copy"];
    let dry = autodump(&url, &[&common[..], &["--dry-run"]].concat());
    assert_success(&dry);
    let stdout = text(&dry.stdout);
    let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/copy");
    assert!(stdout.contains("Nothing was changed"), "{stdout}");
    assert!(stdout.contains(&format!("writing 60 items into {arn}")), "{stdout}");
    assert!(stdout.contains("setting time to live"), "{stdout}");
    assert!(cloud.tables.items("copy").is_none());

    let options = ["--workers", "3", "--max-write-rate", "100000", "--json"];
    let done = autodump(&url, &[&common[..], &options].concat());
    assert_success(&done);
    let told = events(&done);
    let names: Vec<_> = told.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["planned", "phase", "phase", "phase", "restored"]);
    assert_eq!((&told[0]["plan"]["table"], &told[0]["plan"]["workers"]), (&json!(arn), &json!(3)));
    assert_eq!(told[4]["result"]["items"], 60);
    assert_same(&cloud, "orders", "copy");

    let again = autodump(&url, &["restore", MANIFEST, "--to", &arn]);
    assert_fails(&again, 10, "the table copy is not empty");
    let again = autodump(&url, &["restore", MANIFEST, "--to", &arn, "--into-existing"]);
    assert_success(&again);
    assert!(text(&again.stderr).contains("all others stay"), "{}", text(&again.stderr));
    assert!(text(&again.stdout).starts_with("Restored: 60 items"), "{}", text(&again.stdout));
    // Without a name it is the backup's own table.
    assert_fails(&autodump(&url, &["restore", MANIFEST]), 10, "the table orders is not empty");
}

#[test]
fn a_table_mirrors_a_backup() {
    let (cloud, url) = backed_up(40);
    make(&cloud, "copy", 65);
    let common = ["restore", MANIFEST, "--to", "copy", "--mirror"];
    let refused = autodump(&url, &common);
    assert_fails(&refused, 10, "the table copy is not empty");
    assert!(text(&refused.stderr).contains("all others are deleted"), "{refused:?}");

    let common = [&common[..], &["--into-existing"]].concat();
    let dry = autodump(&url, &[&common[..], &["--dry-run"]].concat());
    assert_success(&dry);
    let stdout = text(&dry.stdout);
    assert!(stdout.contains("deleting the items of arn:"), "{stdout}");
    assert_eq!(cloud.tables.items("copy").unwrap().len(), 65);

    let done = autodump(&url, &[&common[..], &["--json"]].concat());
    assert_success(&done);
    let told = events(&done);
    let phases: Vec<_> = told.iter().filter_map(|event| event["phase"].as_str()).collect();
    assert_eq!(phases, ["items", "mirror"]);
    assert_eq!(told[0]["plan"]["mirrors"], true);
    assert_eq!(told.last().unwrap()["result"]["deleted"], 25);
    assert_same(&cloud, "orders", "copy");

    let again = autodump(&url, &common);
    assert_success(&again);
    let stdout = text(&again.stdout);
    assert!(stdout.contains("0 items that are not in the backup were deleted"), "{stdout}");
}

#[test]
fn a_copy_of_a_backup_is_one_and_its_damage_is_found() {
    let (cloud, url) = backed_up(10);
    let at = "/backups/exports/orders/";
    for path in cloud.keys() {
        let content = cloud.objects.lock().unwrap()[&path].clone();
        if let Some(name) = path.strip_prefix(at) {
            cloud.put(&format!("/others/deep/down/{name}"), content);
        }
        cloud.objects.lock().unwrap().remove(&path);
    }
    let copied = "s3://others/deep/down/manifest.json";
    assert_success(&autodump(&url, &["restore", copied, "--to", "copy"]));
    assert_same(&cloud, "orders", "copy");

    let data = cloud.keys().into_iter().find(|key| key.contains("/data/")).unwrap();
    cloud.objects.lock().unwrap().get_mut(&data).unwrap()[20] ^= 1;
    let damaged = autodump(&url, &["restore", copied, "--to", "other"]);
    assert_fails(&damaged, 16, "s3://others/deep/down/data/");
    assert!(text(&damaged.stderr).contains("delete it before you try again"), "{damaged:?}");
}

#[test]
fn another_region_is_asked_there() {
    let (cloud, url) = backed_up(1);
    // The fake is of one region, and says of which.
    let done = autodump(&url, &["restore", MANIFEST, "--region", "us-east-1"]);
    assert_fails(&done, 10, "not arn:aws:dynamodb:us-east-1:");
    assert!(cloud.regions_of("DescribeTable").contains(&"us-east-1".to_owned()));
    let arn = "arn:aws:dynamodb:eu-west-3:111122223333:table/copy";
    let done = autodump(&url, &["restore", MANIFEST, "--to", arn, "--dry-run"]);
    assert_success(&done);
    assert!(cloud.regions_of("DescribeTable").contains(&"eu-west-3".to_owned()));
    assert!(cloud.regions_of("GetCallerIdentity").contains(&"eu-west-3".to_owned()));
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let (cloud, url) = backed_up(1);
    let arn = "arn:aws:dynamodb:eu-central-1:444455556666:table/copy";
    let role = "arn:aws:iam::111122223333:role/x";
    let known = cloud.keys();
    for (options, says) in [
        (&["--to", "copy", "--clean", "--jobs", "3"][..], "--jobs, --clean was given"),
        (&["--jobs", "3", "--workers", "3"], "--jobs goes with databases, and --workers with"),
        (&["--to", "postgres://u@h/d", "--workers", "3"], "--workers goes with DynamoDB tables"),
        (&["--to", "postgres://u@h/d"], "no name of a table"),
        (&["--to", "a"], "3 to 255 letters"),
        (&["--to", arn], "is not of account 111122223333 in eu-central-1"),
        (&["--workers", "0"], "'0'"),
        (&["--workers", "1001"], "1001 is not in 1..=1000"),
        (&["--max-write-rate", "0"], "'0'"),
        (&["--method", "scan"], "allowed are auto, import and write"),
        (&["--kms-key", " "], "the KMS key is empty"),
        (&["--region", "Frankfurt"], "its region is none"),
        (&["--external-id", "x1"], "--role-arn"),
        (&["--role-arn", role, "--external-id", "a b"], "its externalId is none"),
    ] {
        let done = autodump(&url, &[&["restore", MANIFEST], options].concat());
        assert_fails(&done, 10, says);
    }
    assert_eq!(cloud.keys(), known);
    assert!(cloud.tables.items("copy").is_none());
}

#[test]
fn options_of_tables_do_not_go_with_a_database() {
    let cloud = Cloud::new();
    let url = cloud.serve();
    cloud.put("/backups/x/manifest.json", include_str!("../../../../contract/manifest.json"));
    let manifest = "s3://backups/x/manifest.json";
    let done = autodump(&url, &["restore", manifest, "--to", "x", "--region", "eu-west-1"]);
    assert_fails(&done, 10, "the backup is of a database, and --region was given");
    let done = autodump(&url, &["restore", manifest]);
    assert_fails(&done, 10, "the backup is of a database, and --to was not given");
    let help = autodump(&url, &["restore", "--help"]);
    assert_success(&help);
    for heading in ["Options for databases:", "Options for DynamoDB tables:"] {
        assert!(text(&help.stdout).contains(heading), "{}", text(&help.stdout));
    }
}
