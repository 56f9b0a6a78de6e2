use serde_json::json;

use super::*;
use crate::replay::{Answer, Sent, replay};

async fn describe(answers: Vec<Answer>) -> (Result<Called>, Sent) {
    let (config, sent) = replay(answers).await;
    let input = json!({"TableName": "orders"});
    (Control::new(&config).dynamodb("DescribeTable", input).await, sent)
}

#[tokio::test]
async fn what_the_service_says_is_given_whole() {
    let answer = json!({"Table": {"TableName": "orders", "WhatComesNext": {"a": [1.5, null]}}});
    let (called, sent) = describe(vec![Answer::ok(&answer)]).await;
    assert_eq!(called.unwrap(), Called::Answered(answer));
    let bodies = sent.bodies("DynamoDB_20120810.DescribeTable");
    assert_eq!(bodies, [json!({"TableName": "orders"})]);
    // TagResource, for one, answers nothing.
    assert_eq!(describe(vec![Answer::text("")]).await.0.unwrap(), Called::Answered(json!({})));
}

#[tokio::test]
async fn auto_scaling_is_called_in_the_same_way() {
    let answer = json!({"ScalableTargets": [{"ResourceId": "table/orders"}], "New": 1});
    let (config, sent) = replay(vec![Answer::ok(&answer)]).await;
    let input = json!({"ServiceNamespace": "dynamodb", "ResourceIds": ["table/orders"]});
    let called = Control::new(&config).auto_scaling("DescribeScalableTargets", input.clone()).await;
    assert_eq!(called.unwrap(), Called::Answered(answer));
    assert_eq!(sent.bodies("AnyScaleFrontendService.DescribeScalableTargets"), [input]);
    let request = sent.requests().next().unwrap();
    assert_eq!(request.uri(), "https://application-autoscaling.eu-central-1.amazonaws.com/");
    assert_eq!(request.headers().get("content-type"), Some("application/x-amz-json-1.1"));
    let signed = request.headers().get("authorization").unwrap();
    assert!(signed.contains("/eu-central-1/application-autoscaling/aws4_request"), "{signed}");
}

#[tokio::test]
async fn another_operation_of_auto_scaling_is_refused_in_words() {
    let refusal = Answer::error(400, "ObjectNotFoundException", "No scalable target found.");
    let (config, sent) = replay(vec![refusal]).await;
    let input = json!({"ResourceId": "table/orders"});
    let called =
        Control::new(&config).auto_scaling("DeregisterScalableTarget", input.clone()).await;
    let (code, message) =
        ("ObjectNotFoundException".to_owned(), "No scalable target found.".to_owned());
    assert_eq!(called.unwrap(), Called::Refused { code, message });
    assert_eq!(sent.bodies("AnyScaleFrontendService.DeregisterScalableTarget"), [input]);
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    for code in ["ResourceNotFoundException", "ResourceInUseException", "ValidationException"] {
        let refusal = Answer::error(400, &format!("com.amazonaws#{code}"), "No.");
        let (called, sent) = describe(vec![refusal]).await;
        let expected = Called::Refused { code: code.to_owned(), message: "No.".to_owned() };
        assert_eq!((called.unwrap(), sent.requests().count()), (expected, 1));
    }
}

#[tokio::test]
async fn throttling_and_faults_of_the_service_are_waited_out() {
    for (status, code) in [
        (400, "ThrottlingException"),
        (400, "LimitExceededException"),
        (500, "InternalServerError"),
    ] {
        let answers = vec![Answer::error(status, code, "Later."), Answer::ok(&json!({"a": 1}))];
        let (called, sent) = describe(answers).await;
        let answered = Called::Answered(json!({"a": 1}));
        assert_eq!((called.unwrap(), sent.requests().count()), (answered, 2), "{code}");
    }
}

#[tokio::test]
async fn what_does_not_pass_and_missing_rights_are_errors() {
    for (status, code, class, requests) in [
        (400, "ThrottlingException", ErrorClass::Source, 10),
        (500, "InternalServerError", ErrorClass::Source, 10),
        (400, "AccessDeniedException", ErrorClass::Credentials, 1),
    ] {
        let answers = (0..20).map(|_| Answer::error(status, code, "No.")).collect();
        let (called, sent) = describe(answers).await;
        let error = called.unwrap_err();
        assert_eq!((error.class(), sent.requests().count()), (class, requests), "{error}");
        assert_eq!(error.what(), format!("dynamodb:DescribeTable on orders: {code}: No"));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_an_error_without_it() {
    let error = describe(vec![Answer::text("s3cr3t")]).await.0.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
    assert!(error.what().contains("the answer cannot be read"), "{error}");
    assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
}
