use super::*;
use crate::replay::{Answer, Sent, replay};

const ARN: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
const KEY: &str = "autodump:start-schedule";

fn mapping(arn: &str) -> Value {
    json!({"ResourceARN": arn, "Tags": [{"Key": KEY, "Value": "@daily"}, {"Key": "x", "Value": ""}]})
}

fn described(arn: &str, status: &str) -> Answer {
    Answer::ok(&json!({"Table": {"TableArn": arn, "TableStatus": status}}))
}

fn tagged(key: &str, next: &Value) -> Answer {
    Answer::ok(&json!({"Tags": [{"Key": key, "Value": "@daily"}], "NextToken": next}))
}

async fn find(answers: Vec<Answer>) -> (Result<Option<Resource>>, Sent) {
    let (config, sent) = replay(answers).await;
    (Tables::new(&config).find(ARN).await, sent)
}

#[tokio::test]
async fn lists_page_by_page() {
    let index = format!("{ARN}/index/by-name");
    let (config, sent) = replay(vec![
        Answer::ok(&json!({
            "ResourceTagMappingList": [mapping(ARN), mapping(&index)], "PaginationToken": "more"
        })),
        Answer::error(400, "ThrottledException", "Rate exceeded"),
        Answer::ok(&json!({"ResourceTagMappingList": [], "PaginationToken": ""})),
    ])
    .await;
    let tables = Tables::new(&config);
    let first = tables.page(KEY, None).await.unwrap();
    let [orders] = first.resources.as_slice() else { panic!("{first:?}") };
    assert_eq!((orders.arn.as_str(), orders.name.as_str()), (ARN, "orders"));
    assert_eq!((orders.tags[KEY].as_str(), orders.tags["x"].as_str()), ("@daily", ""));
    let second = tables.page(KEY, first.next).await.unwrap();
    assert_eq!((second.resources.len(), second.next), (0, None));

    let asked = json!({
        "TagFilters": [{"Key": KEY}], "ResourceTypeFilters": ["dynamodb:table"],
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
    let error = Tables::new(&config).page(KEY, None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials);
    assert!(error.what().starts_with("cannot list the tables with tag autodump:start-schedule"));
    assert!(error.hint().contains("tag:GetResources"), "{error}");
}

#[tokio::test]
async fn finds_one_with_the_tags_of_all_pages() {
    let more = Value::from("more");
    let answers = vec![described(ARN, "ACTIVE"), tagged(KEY, &more), tagged("b", &Value::Null)];
    let (found, sent) = find(answers).await;
    let found = found.unwrap().unwrap();
    assert_eq!((found.arn.as_str(), found.name.as_str()), (ARN, "orders"));
    assert_eq!(found.tags.keys().collect::<Vec<_>>(), [KEY, "b"]);
    let asked: Vec<(_, Value)> = sent
        .requests()
        .map(|request| {
            let target = request.headers().get("x-amz-target").unwrap();
            (target, serde_json::from_slice(request.body().bytes().unwrap()).unwrap())
        })
        .collect();
    let tags = "DynamoDB_20120810.ListTagsOfResource";
    assert_eq!(
        asked,
        [
            ("DynamoDB_20120810.DescribeTable", json!({"TableName": "orders"})),
            (tags, json!({"ResourceArn": ARN})),
            (tags, json!({"ResourceArn": ARN, "NextToken": "more"})),
        ]
    );
}

#[tokio::test]
async fn what_is_deleted_missing_or_another_table_is_not_found() {
    let missing = || Answer::error(400, "ResourceNotFoundException", "Not found.");
    for answers in [
        vec![missing()],
        vec![described(ARN, "DELETING")],
        vec![described(&ARN.replace("111122223333", "444455556666"), "ACTIVE")],
        vec![described(ARN, "ACTIVE"), missing()],
        vec![described(ARN, "ACTIVE"), tagged(KEY, &"more".into()), missing()],
    ] {
        assert_eq!(find(answers).await.0.unwrap(), None);
    }
}

#[tokio::test]
async fn only_a_missing_table_is_not_found() {
    for (code, status, class) in [
        ("AccessDeniedException", 400, ErrorClass::Credentials),
        ("ValidationException", 400, ErrorClass::Configuration),
        ("InternalServerError", 500, ErrorClass::Source),
    ] {
        let answers = (0..20).map(|_| Answer::error(status, code, "No.")).collect();
        let error = find(answers).await.0.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.what().contains("orders") && error.what().contains(code), "{error}");
    }
}

#[tokio::test]
async fn a_name_that_is_no_arn_is_refused_and_not_asked_for() {
    let (config, sent) = replay(Vec::new()).await;
    for id in ["orders", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:x-AbCdEf"] {
        let error = Tables::new(&config).find(id).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains("is no ARN of a table"), "{error}");
    }
    assert_eq!(sent.requests().count(), 0);
}
