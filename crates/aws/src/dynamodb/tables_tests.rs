use super::*;
use crate::replay::{Answer, Sent, replay};

const ARN: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
const KEY: &str = "autodump:start-schedule";

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
