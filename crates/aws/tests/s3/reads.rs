//! Reading: what goes over the wire, how broken connections are mended, and what answers are
//! taken to mean.

use autodump_aws::s3::Options;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::testing::reading::read;
use autodump_core::{Error, ErrorClass};

use super::scripted::{Answer, Request, Scripted};
use super::store;

fn location() -> ObjectLocation {
    ObjectLocation { bucket: "backups".to_owned(), key: "postgres/app/toc.dat".to_owned() }
}

/// `sent` of the bytes that were asked for, the first of which is `start`, of an object of
/// ten.
fn partial(start: usize, announced: usize, sent: &str) -> Answer {
    let range = format!("bytes {start}-{}/10", start + announced - 1);
    let headers = format!("ETag: \"one\"\r\nContent-Range: {range}\r\n");
    Answer::Cut(206, headers, announced, sent.to_owned())
}

fn whole(sent: &str) -> Answer {
    Answer::Cut(200, "ETag: \"one\"\r\n".to_owned(), 10, sent.to_owned())
}

fn refused(status: u16, code: &str) -> Answer {
    Answer::Http(status, "", format!("<Error><Code>{code}</Code><Message>No.</Message></Error>"))
}

async fn got(
    answers: Vec<Answer>,
    range: Option<std::ops::Range<u64>>,
) -> (Result<String, Error>, Vec<Request>) {
    let server = Scripted::start(answers).await;
    let store = store(&server.endpoint, Options::default()).await;
    let content = read(&store, &location(), range).await;
    (content.map(|bytes| String::from_utf8(bytes).unwrap()), server.requests())
}

#[tokio::test]
async fn an_object_is_asked_for_once_and_without_checksums() {
    let (content, requests) = got(vec![whole("0123456789")], None).await;
    assert_eq!((content.unwrap().as_str(), requests.len()), ("0123456789", 1));
    assert!(requests[0].head.starts_with("get /backups/postgres/app/toc.dat"));
    for name in ["range", "if-match", "x-amz-checksum-mode"] {
        assert_eq!(requests[0].header(name), None, "{name}");
    }
    let (content, requests) = got(vec![partial(2, 5, "23456")], Some(2..7)).await;
    assert_eq!(content.unwrap(), "23456");
    assert_eq!(requests[0].header("range"), Some("bytes=2-6"));
}

#[tokio::test]
async fn a_content_that_breaks_off_goes_on_with_the_rest_of_the_same_object() {
    let answers = vec![whole("0123"), partial(4, 6, "45"), partial(6, 4, "6789")];
    let (content, requests) = got(answers, None).await;
    assert_eq!(content.unwrap(), "0123456789");
    let asked: Vec<_> =
        requests.iter().map(|asked| (asked.header("range"), asked.header("if-match"))).collect();
    let one = Some("\"one\"");
    assert_eq!(asked, [(None, None), (Some("bytes=4-9"), one), (Some("bytes=6-9"), one)]);

    let (content, requests) =
        got(vec![partial(2, 5, "2"), partial(3, 4, "3456")], Some(2..7)).await;
    assert_eq!(content.unwrap(), "23456");
    assert_eq!(requests[1].header("range"), Some("bytes=3-6"));
}

#[tokio::test]
async fn an_object_that_was_replaced_meanwhile_is_not_mixed_with_the_first() {
    let (content, _) = got(vec![whole("0123"), refused(412, "PreconditionFailed")], None).await;
    let error = content.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification, "{error}");
    assert!(error.to_string().contains("wrote another object there meanwhile"), "{error}");
}

#[tokio::test]
async fn a_content_that_breaks_off_for_ever_is_an_error() {
    let (content, requests) = got(vec![whole("0123"), partial(4, 6, "")], None).await;
    let error = content.unwrap_err();
    assert_eq!((error.class(), requests.len()), (ErrorClass::Destination, 6), "{error}");
    assert!(error.what().contains("toc.dat: reading broke off at byte 4"), "{error}");
}

#[tokio::test]
async fn answers_that_are_not_what_was_asked_for_are_refused() {
    let other = |start| partial(start, 5, "01234");
    for (answer, range) in [(whole("0123456789"), 2..7), (other(3), 2..7), (other(2), 2..5)] {
        let (content, _) = got(vec![answer], Some(range)).await;
        let error = content.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{error}");
        assert!(error.what().contains("gave other bytes than those asked for"), "{error}");
    }
    let (content, _) = got(vec![partial(2, 5, "23456")], Some(2..12)).await;
    let error = content.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification, "{error}");
    assert!(error.what().contains("toc.dat ends at byte 7, before 12"), "{error}");
}

#[tokio::test]
async fn refusals_mean_for_reading_what_they_do() {
    for (status, code, class, says) in [
        (404, "NoSuchKey", ErrorClass::Verification, "look who removed it"),
        (416, "InvalidRange", ErrorClass::Verification, "with all its bytes"),
        (403, "AccessDenied", ErrorClass::Credentials, "may not read there"),
        (403, "ExpiredToken", ErrorClass::Credentials, "the clock of the job"),
        (404, "NoSuchBucket", ErrorClass::Configuration, "no bucket backups"),
        (403, "InvalidObjectState", ErrorClass::Configuration, "archive class"),
        (400, "KMS.DisabledException", ErrorClass::Configuration, "KMS key"),
    ] {
        let (content, requests) = got(vec![refused(status, code)], None).await;
        let error = content.unwrap_err();
        assert_eq!((error.class(), requests.len()), (class, 1), "{error}");
        let text = error.to_string();
        let start = format!("s3://backups/postgres/app/toc.dat: cannot be read: {code} (HTTP");
        assert!(text.starts_with(&start) && text.contains(says), "{text}");
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_is_tried_again() {
    let (content, requests) = got(vec![refused(503, "SlowDown")], None).await;
    let error = content.unwrap_err();
    assert_eq!((error.class(), requests.len()), (ErrorClass::Destination, 6), "{error}");
    assert!(error.hint().starts_with("S3 did not give it"), "{error}");

    let answers = vec![refused(503, "SlowDown"), Answer::HangUp, whole("0123456789")];
    assert_eq!(got(answers, None).await.0.unwrap(), "0123456789");
}

#[tokio::test]
async fn a_list_that_fails_names_bucket_and_prefix() {
    let server = Scripted::start(vec![refused(403, "AccessDenied")]).await;
    let store = store(&server.endpoint, Options::default()).await;
    let error = store.list("backups", "postgres/app").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials);
    assert!(error.what().starts_with("s3://backups/postgres/app: cannot be listed: AccessDenied"));
}

/// A page of a listing.
fn listed(keys: &[&str], more: bool) -> Answer {
    let each = |key: &&str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
    let contents: String = keys.iter().map(each).collect();
    let body =
        format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{contents}</ListBucketResult>");
    Answer::Http(200, "", body)
}

#[tokio::test]
async fn a_page_begins_after_the_last_key_of_the_one_before() {
    let pages = vec![listed(&["a/1", "a/2 ü"], true), listed(&["a/3"], false)];
    let server = Scripted::start(pages).await;
    let store = store(&server.endpoint, Options::default()).await;
    let found = store.list("backups", "a/").await.unwrap();
    let keys: Vec<_> = found.iter().map(|found| found.key.as_str()).collect();
    assert_eq!(keys, ["a/1", "a/2 ü", "a/3"]);
    let requests = server.requests();
    assert!(!requests[0].head.contains("start-after"), "{}", requests[0].head);
    assert!(requests[1].head.contains("start-after=a%2f2%20%c3%bc"), "{}", requests[1].head);
    assert!(requests.iter().all(|one| one.head.contains("prefix=a%2f")));
}

#[tokio::test]
async fn a_listing_that_does_not_get_on_is_an_error() {
    for pages in [
        vec![listed(&[], true)],
        vec![listed(&["a/1"], true), listed(&["a/1"], true)],
        vec![listed(&["a/1"], true), listed(&[], true)],
    ] {
        let server = Scripted::start(pages).await;
        let store = store(&server.endpoint, Options::default()).await;
        let error = store.list("backups", "a/").await.unwrap_err();
        assert!(error.what().contains("gave no end of a list, and nothing new"), "{error}");
    }
}
