//! Small objects: what goes over the wire, and what answers are taken to mean.

use autodump_aws::s3::{KmsKey, Options};
use autodump_core::ports::{ObjectLocation, ObjectWriter, Put};
use autodump_core::{Error, ErrorClass};
use bytes::Bytes;

use super::scripted::{Answer, Request, Scripted};
use super::store;

/// The CRC64-NVME of `123456789`, as the catalogue of CRCs has it, in S3's form.
const CRC: &str = "rosUhgp5mIg=";

fn location() -> ObjectLocation {
    ObjectLocation { bucket: "backups".to_owned(), key: "dynamodb/orders/plan.json".to_owned() }
}

fn refused(status: u16, code: &str) -> Answer {
    Answer::Http(status, "", format!("<Error><Code>{code}</Code><Message>No.</Message></Error>"))
}

fn accepted() -> Answer {
    Answer::Http(200, "ETag: \"e\"\r\n", String::new())
}

async fn put(answers: Vec<Answer>, options: Options) -> (Result<Put, Error>, Vec<Request>) {
    let server = Scripted::start(answers).await;
    let store = store(&server.endpoint, options).await;
    let put = store.put(&location(), "application/json", Bytes::from_static(b"123456789")).await;
    (put, server.requests())
}

async fn remove(answers: Vec<Answer>, count: usize) -> (Result<(), Error>, Vec<Request>) {
    let server = Scripted::start(answers).await;
    let store = store(&server.endpoint, Options::default()).await;
    let keys: Vec<_> = (0..count).map(|number| format!("state/{number:05}")).collect();
    (store.remove("backups", &keys).await, server.requests())
}

/// What S3 says of the keys that it did not remove, in an answer that is a success.
fn not_removed(failures: &[(&str, &str)]) -> Answer {
    let failures: Vec<_> = failures
        .iter()
        .map(|(key, code)| {
            format!("<Error><Key>{key}</Key><Code>{code}</Code><Message>No.</Message></Error>")
        })
        .collect();
    Answer::Http(200, "", format!("<DeleteResult>{}</DeleteResult>", failures.concat()))
}

#[tokio::test]
async fn an_object_is_put_in_one_request_on_condition_that_it_is_not_there() {
    let (put_, requests) = put(vec![accepted()], Options::default()).await;
    assert_eq!(put_.unwrap(), Put::Written);
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(request.head.starts_with("put /backups/dynamodb/orders/plan.json"));
    assert_eq!(request.body, b"123456789");
    for (name, value) in [
        ("if-none-match", Some("*")),
        ("content-type", Some("application/json")),
        ("content-length", Some("9")),
        ("x-amz-checksum-crc64nvme", Some(CRC.to_lowercase().as_str())),
        ("x-amz-content-sha256", Some("unsigned-payload")),
        ("x-amz-server-side-encryption", None),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn the_key_of_the_bucket_encrypts_it_and_no_other() {
    let key_arn = "arn:aws:kms:eu-central-1:111122223333:key/k".to_owned();
    for (bucket, method) in [("backups", Some("aws:kms")), ("another", None)] {
        let kms_key = Some(KmsKey { bucket: bucket.to_owned(), key_arn: key_arn.clone() });
        let options = Options { kms_key, ..Options::default() };
        let (_, requests) = put(vec![accepted()], options).await;
        assert_eq!(requests[0].header("x-amz-server-side-encryption"), method);
        let id = requests[0].header("x-amz-server-side-encryption-aws-kms-key-id");
        assert_eq!(id, method.map(|_| key_arn.as_str()));
    }
}

#[tokio::test]
async fn what_is_there_already_is_no_error() {
    let (put_, requests) = put(vec![refused(412, "PreconditionFailed")], Options::default()).await;
    assert_eq!((put_.unwrap(), requests.len()), (Put::AlreadyThere, 1));
    let lost = vec![Answer::HangUp, refused(503, "SlowDown"), refused(412, "PreconditionFailed")];
    let (put_, requests) = put(lost, Options::default()).await;
    assert_eq!((put_.unwrap(), requests.len()), (Put::AlreadyThere, 3));
}

#[tokio::test]
async fn a_put_that_met_another_one_is_sent_again() {
    let conflict = || refused(409, "ConditionalRequestConflict");
    for (last, put_) in
        [(accepted(), Put::Written), (refused(412, "PreconditionFailed"), Put::AlreadyThere)]
    {
        let answers = vec![conflict(), conflict(), last];
        let (outcome, requests) = put(answers, Options::default()).await;
        assert_eq!((outcome.unwrap(), requests.len()), (put_, 3));
    }
    let (outcome, requests) = put(vec![conflict()], Options::default()).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.class(), requests.len()), (ErrorClass::Destination, 5), "{error}");
    assert!(error.what().contains("plan.json: an object was not put: Conditional"), "{error}");
}

#[tokio::test]
async fn a_put_that_is_refused_or_damaged_is_an_error() {
    let other = "ETag: \"e\"\r\nx-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\n";
    for (answer, class, says) in [
        (refused(403, "AccessDenied"), ErrorClass::Credentials, "AccessDenied"),
        (refused(404, "NoSuchBucket"), ErrorClass::Configuration, "NoSuchBucket"),
        (refused(400, "BadDigest"), ErrorClass::Destination, "BadDigest"),
        (Answer::Http(200, other, String::new()), ErrorClass::Destination, "another checksum"),
    ] {
        let (outcome, requests) = put(vec![answer], Options::default()).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.class(), requests.len()), (class, 1), "{error}");
        assert!(error.what().contains(says) && error.what().contains("plan.json"), "{error}");
    }
}

#[tokio::test]
async fn keys_are_removed_by_the_thousand() {
    let (outcome, requests) = remove(vec![not_removed(&[])], 2001).await;
    outcome.unwrap();
    let counts: Vec<_> = requests
        .iter()
        .map(|request| {
            assert!(request.head.starts_with("post /backups/?delete"), "{}", request.head);
            String::from_utf8_lossy(&request.body).matches("<Key>").count()
        })
        .collect();
    assert_eq!(counts, [1000, 1000, 1]);
    let (outcome, requests) = remove(vec![not_removed(&[])], 0).await;
    assert!(outcome.is_ok() && requests.is_empty(), "nothing to remove: nothing asked");
}

#[tokio::test]
async fn what_a_success_says_of_keys_that_stayed_is_heard() {
    let answer = not_removed(&[("state/00001", "AccessDenied"), ("state/00002", "AccessDenied")]);
    let (outcome, requests) = remove(vec![answer], 3).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.class(), requests.len()), (ErrorClass::Credentials, 1));
    assert_eq!(
        error.what(),
        "s3://backups/state/00001: was not removed, as 1 others: AccessDenied: No"
    );
    let (outcome, _) = remove(vec![not_removed(&[("state/00001", "NoSuchKey")])], 3).await;
    outcome.unwrap();
}

#[tokio::test]
async fn keys_that_stayed_for_now_and_no_others_are_removed_again() {
    let answers = vec![not_removed(&[("state/00001", "InternalError")]), not_removed(&[])];
    let (outcome, requests) = remove(answers, 3).await;
    outcome.unwrap();
    let again = String::from_utf8_lossy(&requests[1].body);
    assert!(again.contains("<Key>state/00001</Key>"), "{again}");
    assert_eq!((requests.len(), again.matches("<Key>").count()), (2, 1));

    let (outcome, requests) = remove(vec![not_removed(&[("state/00001", "SlowDown")])], 3).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.class(), requests.len()), (ErrorClass::Destination, 5), "{error}");
}

#[tokio::test]
async fn a_removal_that_is_refused_is_an_error() {
    let (outcome, requests) = remove(vec![refused(403, "AccessDenied")], 3).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.class(), requests.len()), (ErrorClass::Credentials, 1), "{error}");
    assert!(error.what().starts_with("s3://backups/state/00000: this object and others"));
}
