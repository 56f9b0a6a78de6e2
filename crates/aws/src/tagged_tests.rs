use serde_json::{Value, json};

use super::*;
use crate::replay::{Answer, replay};

const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
const INSTANCE: &str = "arn:aws:rds:eu-central-1:111122223333:db:shop";
const CLUSTER: &str = "arn:aws:rds:eu-central-1:111122223333:cluster:users";
const KEY: &str = "autodump:start-schedule";

fn mapping(arn: &str) -> Value {
    let tags = json!([{"Key": KEY, "Value": "@daily"}, {"Key": "x", "Value": ""}]);
    json!({"ResourceARN": arn, "Tags": tags})
}

#[tokio::test]
async fn lists_page_by_page() {
    let index = format!("{TABLE}/index/by-name");
    let snapshot = "arn:aws:rds:eu-central-1:111122223333:snapshot:shop-1";
    let found: Vec<_> = [TABLE, &index, INSTANCE, snapshot, CLUSTER].map(mapping).into();
    let (config, sent) = replay(vec![
        Answer::ok(&json!({"ResourceTagMappingList": found, "PaginationToken": "more"})),
        Answer::error(400, "ThrottledException", "Rate exceeded"),
        Answer::ok(&json!({"ResourceTagMappingList": [], "PaginationToken": ""})),
    ])
    .await;
    let tagged = Tagged::new(&config);
    let first = tagged.page(KEY, None).await.unwrap();
    let seen: Vec<_> =
        first.resources.iter().map(|one| (one.arn.as_str(), one.name.as_str())).collect();
    assert_eq!(seen, [(TABLE, "orders"), (INSTANCE, "shop"), (CLUSTER, "users")]);
    for found in &first.resources {
        assert_eq!((found.tags[KEY].as_str(), found.tags["x"].as_str()), ("@daily", ""));
    }
    let second = tagged.page(KEY, first.next).await.unwrap();
    assert_eq!((second.resources.len(), second.next), (0, None));

    let asked = json!({
        "TagFilters": [{"Key": KEY}],
        "ResourceTypeFilters": ["dynamodb:table", "rds:db", "rds:cluster"],
        "ResourcesPerPage": 100
    });
    let mut more = asked.clone();
    more["PaginationToken"] = "more".into();
    let bodies = sent.bodies("ResourceGroupsTaggingAPI_20170126.GetResources");
    assert_eq!(bodies, [asked, more.clone(), more]);
}

#[tokio::test]
async fn a_listing_that_is_refused_says_what_the_role_lacks() {
    let refused = Answer::error(400, "AccessDeniedException", "User x is not authorized.");
    let (config, _) = replay(vec![refused]).await;
    let error = Tagged::new(&config).page(KEY, None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials);
    let what = "cannot list the tables and databases with tag autodump:start-schedule";
    assert!(error.what().starts_with(what), "{error}");
    assert!(error.hint().contains("tag:GetResources"), "{error}");
}

#[tokio::test]
async fn each_kind_is_asked_for_in_its_own_service() {
    let missing = |code: &str| {
        Answer::unreadable(
            404,
            &format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"),
        )
    };
    for (arn, answer, host) in [
        (TABLE, Answer::error(400, "ResourceNotFoundException", "No."), "dynamodb"),
        (INSTANCE, missing("DBInstanceNotFound"), "rds"),
        (CLUSTER, missing("DBClusterNotFoundFault"), "rds"),
    ] {
        let (config, sent) = replay(vec![answer]).await;
        assert_eq!(Tagged::new(&config).find(arn).await.unwrap(), None);
        let uris: Vec<_> = sent.requests().map(|request| request.uri().to_owned()).collect();
        assert_eq!(uris, [format!("https://{host}.eu-central-1.amazonaws.com/")]);
    }
    let (config, sent) = replay(Vec::new()).await;
    for id in ["orders", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:x-AbCdEf"] {
        let error = Tagged::new(&config).find(id).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains("is no ARN of a table or of a database"), "{error}");
    }
    assert_eq!(sent.requests().count(), 0);
}
