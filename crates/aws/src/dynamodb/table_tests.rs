use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use crc_fast::{CrcAlgorithm, checksum};
use serde_json::json;

use super::*;
use crate::replay::{Answer as Scripted, Sent, replay};

/// Numbers and spaces as no program would write them again.
const PAGE: &str = "{ \"Items\":[{\"n\":{\"N\":\"1.0E+2\"},\"b\": {\"B\":\"AA==\"}}],\"Count\":1,\
                    \"New\":1.10,\"LastEvaluatedKey\":{\"id\":{\"S\":\"ü\\u0000\"}}}";

fn page() -> Scripted {
    let crc = checksum(CrcAlgorithm::Crc32IsoHdlc, PAGE.as_bytes());
    Scripted::text(PAGE).with("x-amz-crc32", crc.to_string())
}

fn first() -> PageRequest {
    PageRequest { segment: 3, total_segments: 8, from: None, consistent: false, limit: None }
}

async fn read(answers: Vec<Scripted>, request: &PageRequest) -> (Result<Answer<Bytes>>, Sent) {
    let (config, sent) = replay(answers).await;
    (Table::new(&config, "orders").page(request).await, sent)
}

async fn write(answers: Vec<Scripted>, items: &[&'static str]) -> (Result<Answer<Bytes>>, Sent) {
    let (config, sent) = replay(answers).await;
    let items: Vec<_> = items.iter().map(|item| Bytes::from_static(item.as_bytes())).collect();
    (Table::new(&config, "orders").write(&items).await, sent)
}

async fn delete(answers: Vec<Scripted>, keys: &[&'static str]) -> (Result<Answer<Bytes>>, Sent) {
    let (config, sent) = replay(answers).await;
    let keys: Vec<_> = keys.iter().map(|key| Bytes::from_static(key.as_bytes())).collect();
    (Table::new(&config, "orders").delete(&keys).await, sent)
}

fn done() -> Answer<Bytes> {
    Answer::Done(Bytes::from_static(PAGE.as_bytes()))
}

#[tokio::test]
async fn a_page_is_asked_for_and_given_as_it_is() {
    let (answer, sent) = read(vec![page()], &first()).await;
    assert_eq!(answer.unwrap(), done());
    let request = sent.requests().next().unwrap();
    assert_eq!(request.uri(), "https://dynamodb.eu-central-1.amazonaws.com/");
    assert_eq!(request.method(), "POST");
    assert_eq!(request.headers().get("x-amz-target"), Some("DynamoDB_20120810.Scan"));
    assert_eq!(request.headers().get("content-type"), Some("application/x-amz-json-1.0"));
    let body = request.body().bytes().unwrap();
    assert_eq!(request.headers().get("content-length"), Some(body.len().to_string().as_str()));
    let signed = request.headers().get("authorization").unwrap();
    assert!(signed.contains("/eu-central-1/dynamodb/aws4_request"), "{signed}");
    assert_eq!(
        std::str::from_utf8(body).unwrap(),
        "{\"TableName\":\"orders\",\"Segment\":3,\"TotalSegments\":8,\"ConsistentRead\":false,\
         \"ReturnConsumedCapacity\":\"TOTAL\"}"
    );
}

#[tokio::test]
async fn a_page_goes_on_at_the_key_as_it_was_given() {
    let from = Some("{\"id\": {\"S\":\"ü\\u0000\"}}".to_owned());
    let request = PageRequest { from, consistent: true, limit: Some(17), ..first() };
    let (_, sent) = read(vec![page()], &request).await;
    let body = sent.requests().next().unwrap().body().bytes().unwrap();
    let body = std::str::from_utf8(body).unwrap();
    assert!(body.contains("\"ConsistentRead\":true,"), "{body}");
    let end = ",\"Limit\":17,\"ExclusiveStartKey\":{\"id\": {\"S\":\"ü\\u0000\"}}}";
    assert!(body.ends_with(end), "{body}");
}

#[tokio::test]
async fn throttling_is_told_at_once() {
    for code in [
        "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "com.amazon.coral.availability#ThrottlingException",
        "RequestLimitExceeded",
    ] {
        let throttled = || vec![Scripted::error(400, code, "Slower.")];
        let (answer, sent) = read(throttled(), &first()).await;
        assert_eq!((answer.unwrap(), sent.requests().count()), (Answer::Throttled, 1), "{code}");
        let (answer, sent) = write(throttled(), &["{}"]).await;
        assert_eq!((answer.unwrap(), sent.requests().count()), (Answer::Throttled, 1), "{code}");
    }
}

#[tokio::test]
async fn a_fault_of_the_service_or_a_damaged_answer_is_tried_again() {
    let damaged = Scripted::text(&PAGE.replace("1.0E+2", "1.0E+3"));
    let crc = checksum(CrcAlgorithm::Crc32IsoHdlc, PAGE.as_bytes()).to_string();
    for passing in [
        Scripted::error(500, "InternalServerError", "Oh."),
        Scripted::error(503, "ServiceUnavailable", "Oh."),
        Scripted::unreadable(502, "<html>Bad Gateway</html>"),
        damaged.with("x-amz-crc32", crc),
        Scripted::text(PAGE).with("x-amz-crc32", "no number"),
    ] {
        let what = format!("{passing:?}");
        let (answer, sent) = read(vec![passing, page()], &first()).await;
        assert_eq!((answer.unwrap(), sent.requests().count()), (done(), 2), "{what}");
        let bodies: Vec<_> = sent.requests().map(|request| request.body().bytes()).collect();
        assert_eq!(bodies[0], bodies[1], "{what}");
    }
    // Servers other than AWS send none.
    assert_eq!(read(vec![Scripted::text(PAGE)], &first()).await.0.unwrap(), done());
}

#[tokio::test]
async fn only_what_a_person_has_to_change_is_of_class_configuration() {
    for (status, code, class, says) in [
        (400, "ResourceNotFoundException", ErrorClass::Configuration, "not there any more"),
        (400, "ValidationException", ErrorClass::Engine, "the table's state"),
        (400, "AccessDeniedException", ErrorClass::Credentials, "do dynamodb:Scan"),
        (400, "UnrecognizedClientException", ErrorClass::Credentials, "do dynamodb:Scan"),
        (403, "no code", ErrorClass::Engine, "the table's state"),
    ] {
        let (answer, sent) = read(vec![Scripted::error(status, code, "No.")], &first()).await;
        let error = answer.unwrap_err();
        assert_eq!((error.class(), sent.requests().count()), (class, 1), "{error}");
        assert_eq!(error.what(), format!("Scan on table orders: {code}: No"));
        assert!(error.hint().contains(says), "{error}");
    }
    let refused = Scripted::error(400, "ValidationException", "The provided key is invalid.");
    let error = write(vec![refused], &["{}"]).await.0.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    for says in ["key attribute of an index", "make the table without that index"] {
        assert!(error.hint().contains(says), "{error}");
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let (config, sent) = replay(Vec::new()).await;
    let none =
        provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("there are none")) });
    let none = SharedCredentialsProvider::new(none);
    let config = config.into_builder().credentials_provider(none).build();
    let error = Table::new(&config, "orders").page(&first()).await.unwrap_err();
    assert_eq!((error.class(), sent.requests().count()), (ErrorClass::Credentials, 0), "{error}");
    assert!(error.what().contains("there are none"), "{error}");
}

#[tokio::test]
async fn a_table_is_known_by_its_id() {
    let described = || Scripted::text(r#"{"Table":{"TableName":"orders","TableId":"0f1e-2d3c"}}"#);
    let gone = Scripted::error(400, "ResourceNotFoundException", "Requested resource not found");
    let slower = Scripted::error(400, "ThrottlingException", "Slower.");
    for (answers, id) in [
        (vec![described()], Some("0f1e-2d3c")),
        (vec![slower, described()], Some("0f1e-2d3c")),
        (vec![Scripted::text(r#"{"Table":{"TableName":"orders"}}"#)], None),
        (vec![gone], None),
    ] {
        let (config, sent) = replay(answers).await;
        assert_eq!(Table::new(&config, "orders").id().await.unwrap().as_deref(), id);
        let request = sent.requests().next().unwrap();
        let operation = request.headers().get("x-amz-target");
        assert_eq!(operation, Some("DynamoDB_20120810.DescribeTable"));
        assert_eq!(request.body().bytes().unwrap(), br#"{"TableName":"orders"}"#);
    }
    let forbidden = Scripted::error(400, "AccessDeniedException", "not authorized");
    let (config, _) = replay(vec![forbidden]).await;
    let error = Table::new(&config, "orders").id().await.unwrap_err();
    assert!(error.hint().contains("dynamodb:DescribeTable"), "{error}");
}

#[tokio::test]
async fn items_are_written_as_they_are() {
    let items = ["{\"n\":{\"N\": \"1.0E+2\"}}", "{}"];
    let (answer, sent) = write(vec![page()], &items).await;
    assert_eq!(answer.unwrap(), done());
    let put = |item: &str| serde_json::from_str::<Value>(item).unwrap();
    let puts = items.map(|item| json!({"PutRequest": {"Item": put(item)}}));
    let expected = json!({"RequestItems": {"orders": puts}, "ReturnConsumedCapacity": "TOTAL"});
    assert_eq!(sent.bodies("DynamoDB_20120810.BatchWriteItem"), [expected]);
    let body = sent.requests().next().unwrap().body().bytes().unwrap();
    let as_given = format!("{{\"PutRequest\":{{\"Item\":{}}}}}", items[0]);
    assert!(std::str::from_utf8(body).unwrap().contains(&as_given));
}

#[tokio::test]
async fn items_are_deleted_by_their_keys_as_they_are() {
    let keys = ["{\"n\":{\"N\": \"1.0E+2\"}}", "{\"n\":{\"N\":\"2\"}}"];
    let (answer, sent) = delete(vec![page()], &keys).await;
    assert_eq!(answer.unwrap(), done());
    let key = |key: &str| serde_json::from_str::<Value>(key).unwrap();
    let deletes = keys.map(|text| json!({"DeleteRequest": {"Key": key(text)}}));
    let expected = json!({"RequestItems": {"orders": deletes}, "ReturnConsumedCapacity": "TOTAL"});
    assert_eq!(sent.bodies("DynamoDB_20120810.BatchWriteItem"), [expected]);
    let body = sent.requests().next().unwrap().body().bytes().unwrap();
    let as_given = format!("{{\"DeleteRequest\":{{\"Key\":{}}}}}", keys[0]);
    assert!(std::str::from_utf8(body).unwrap().contains(&as_given));

    let throttled = Scripted::error(400, "ThrottlingException", "Slower.");
    let (answer, sent) = delete(vec![throttled], &keys).await;
    assert_eq!((answer.unwrap(), sent.requests().count()), (Answer::Throttled, 1));
    let refused = Scripted::error(400, "AccessDeniedException", "No.");
    let error = delete(vec![refused], &keys).await.0.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials);
    assert!(error.hint().contains("dynamodb:BatchWriteItem"), "{error}");
}

#[tokio::test]
async fn a_batch_of_none_or_too_many_is_not_sent() {
    for count in [0, 26] {
        let (answer, sent) = write(vec![page()], &vec!["{}"; count]).await;
        let error = answer.unwrap_err();
        assert_eq!((error.class(), sent.requests().count()), (ErrorClass::Internal, 0), "{error}");
        let (answer, sent) = delete(vec![page()], &vec!["{}"; count]).await;
        let error = answer.unwrap_err();
        assert_eq!((error.class(), sent.requests().count()), (ErrorClass::Internal, 0), "{error}");
    }
    assert_eq!(delete(vec![page()], &["{}"; 25]).await.0.unwrap(), done());
    assert_eq!(write(vec![page()], &["{}"; 25]).await.0.unwrap(), done());
}

#[test]
fn what_is_shown_of_an_exchange_holds_no_items() {
    let exchange = super::super::exchange("BatchWriteItem", Bytes::from_static(b"s3cr3t"));
    let shown = format!("{exchange:?}");
    assert!(shown.contains("BatchWriteItem") && !shown.contains("s3cr3t"), "{shown}");
}
