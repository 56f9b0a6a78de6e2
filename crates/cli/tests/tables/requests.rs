//! `autodump run --request`.

use serde_json::json;

use crate::cloud::Cloud;
use crate::{
    assert_fails, assert_same, assert_success, autodump, backed_up, events, make, program, request,
    text,
};

const PREFIX: &str = "/backups/exports/orders/";

#[test]
fn a_table_is_copied_out_and_back() {
    let cloud = Cloud::new();
    make(&cloud, "orders", 60);
    let (url, directory) = (cloud.serve(), tempfile::tempdir().unwrap());
    let file = request(&directory, &json!({}));
    let done = autodump(&url, &["run", "--request", &file, "--json"]);
    assert_success(&done);
    let told = events(&done);
    assert_eq!((&told[0]["event"], &told[0]["plan"]["segments"]), (&json!("planned"), &json!(3)));
    let last = told.last().unwrap();
    assert_eq!((&last["event"], &last["result"]["items"]), (&json!("backed-up"), &json!(60)));
    assert_eq!(last["result"]["manifest"], "s3://backups/exports/orders/manifest.json");
    let manifest = cloud.object(&format!("{PREFIX}manifest.json"));
    assert_eq!((&manifest["items"], &manifest["method"]["jobs"]), (&json!(60), &json!(1)));
    assert_eq!(manifest["executionArn"], "autodump run --request");
    assert_eq!(cloud.regions_of("PUT"), ["eu-west-1"]);
    assert_eq!(cloud.regions_of("Scan"), ["eu-central-1"]);

    let back = json!({"action": "restore", "table-name": "copy", "total-segments": 7});
    let file = request(&directory, &back);
    let done = autodump(&url, &["run", "--request", &file]);
    assert_success(&done);
    assert!(text(&done.stdout).starts_with("Restored: 60 items in arn:"), "{done:?}");
    assert!(text(&done.stderr).contains("written by 7 workers"), "{}", text(&done.stderr));
    assert_same(&cloud, "orders", "copy");

    // It is not empty any more.
    let again = autodump(&url, &["run", "--request", &file]);
    assert_fails(&again, 10, "the table copy is not empty");
}

#[test]
fn a_used_prefix_is_refused_and_left_as_it_is() {
    let (cloud, url) = backed_up(3);
    let before = cloud.keys();
    let directory = tempfile::tempdir().unwrap();
    let file = request(&directory, &json!({}));
    let again = autodump(&url, &["run", "--request", &file]);
    assert_fails(&again, 10, "below it is s3://backups/exports/orders/manifest.json");

    let file = request(&directory, &json!({"bucket-prefix": "exports"}));
    let above = autodump(&url, &["run", "--request", &file]);
    assert_fails(&above, 10, "the bucket-prefix \"exports\" is used");
    assert_eq!(cloud.keys(), before);
}

#[test]
fn an_unfinished_run_goes_on() {
    let (cloud, url) = backed_up(3);
    // As it is when a program was killed just before its end.
    cloud.objects.lock().unwrap().remove(&format!("{PREFIX}manifest.json"));
    let before = cloud.regions_of("Scan").len();
    let directory = tempfile::tempdir().unwrap();
    let file = request(&directory, &json!({}));
    let done = autodump(&url, &["run", "--request", &file]);
    assert_success(&done);
    assert!(text(&done.stderr).contains("going on with the run that is there"), "{done:?}");
    assert!(text(&done.stdout).starts_with("Backed up: 3 items in 1 objects"), "{done:?}");
    assert_eq!(cloud.regions_of("Scan").len(), before, "what was read is not read again");

    cloud.objects.lock().unwrap().remove(&format!("{PREFIX}manifest.json"));
    let file = request(&directory, &json!({"total-segments": 4}));
    let other = autodump(&url, &["run", "--request", &file]);
    assert_fails(&other, 10, "state/plan.json, the plan of a run with 3 segments in 1 jobs");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_asked() {
    let cloud = Cloud::new();
    let (url, directory) = (cloud.serve(), tempfile::tempdir().unwrap());
    for (changed, says) in [
        (json!({"action": "copy"}), "unknown variant `copy`"),
        (json!({"total-segments": 0}), "total-segments \"0\""),
        (json!({"bucket-prefix": ""}), "bucket-prefix \"\""),
        (json!({"overwrite": true}), "unknown field `overwrite`"),
    ] {
        let done = autodump(&url, &["run", "--request", &request(&directory, &changed)]);
        assert_fails(&done, 10, says);
    }
    assert_fails(&autodump(&url, &["run", "--request", "/no/such/file"]), 10, "/no/such/file");
    assert_fails(&autodump(&url, &["run"]), 10, "--request");
    assert!(cloud.asked.lock().unwrap().is_empty());

    let done = autodump(&url, &["run", "--request", &request(&directory, &json!({})), "--json"]);
    assert_fails(&done, 10, "DescribeTable of orders");
    assert_eq!(events(&done).last().unwrap()["event"], "failed");
    assert!(cloud.keys().is_empty());
}

#[test]
fn the_request_names_all_regions_that_are_needed() {
    let cloud = Cloud::new();
    make(&cloud, "orders", 3);
    let (url, directory) = (cloud.serve(), tempfile::tempdir().unwrap());
    for (changed, says) in [
        (json!({}), "Backed up: 3 items"),
        (json!({"action": "restore", "table-name": "copy"}), "Restored: 3 items"),
    ] {
        let file = request(&directory, &changed);
        let done = program(&url, &["run", "--request", &file]).env_remove("AWS_REGION").output();
        let done = done.unwrap();
        assert_success(&done);
        assert!(text(&done.stdout).starts_with(says), "{done:?}");
    }
    assert_eq!(cloud.regions_of("PUT"), ["eu-west-1"]);
    assert_eq!(cloud.regions_of("Scan"), ["eu-central-1"]);
}
