//! What goes over the wire, and what answers are taken to mean.

use autodump_aws::s3::{KmsKey, Options, S3Store};
use autodump_core::ports::{ObjectLocation, ObjectStore, PartReceipt, Upload};
use autodump_core::testing::contract::completion;
use autodump_core::{Error, ErrorClass};
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::SharedCredentialsProvider;
use bytes::Bytes;

use super::scripted::{Answer, Scripted};
use super::store;

/// The CRC64-NVME of `123456789`, as the catalogue of CRCs has it, and in S3's form.
const CRC: u64 = 0xae8b_1486_0a79_9888;
const CRC_IN_S3: &str = "rosUhgp5mIg=";

fn location() -> ObjectLocation {
    ObjectLocation { bucket: "backups".to_owned(), key: "postgres/app/app.dump".to_owned() }
}

fn created() -> Answer {
    let body =
        "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>";
    Answer::Http(200, "", body.to_owned())
}

fn part_accepted() -> Answer {
    Answer::Http(200, "ETag: \"part\"\r\n", String::new())
}

fn completed() -> Answer {
    let body =
        "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>";
    Answer::Http(200, "", body.to_owned())
}

fn refused(status: u16, code: &str) -> Answer {
    Answer::Http(status, "", format!("<Error><Code>{code}</Code><Message>No.</Message></Error>"))
}

/// Uploads one part and completes, against a server with this script.
async fn publish(server: &Scripted, store: &S3Store, only_if_absent: bool) -> Result<(), Error> {
    let upload = store.create(&location(), "application/json").await?;
    let part = upload.put_part(1, Bytes::from_static(b"123456789"), CRC).await?;
    assert_eq!(server.requests().len(), 2);
    upload.complete(completion(vec![part], only_if_absent)).await
}

async fn published(completions: &[Answer], only_if_absent: bool) -> (Result<(), Error>, usize) {
    let answers = [&[created(), part_accepted()], completions].concat();
    let server = Scripted::start(answers).await;
    let store = store(&server.endpoint, Options::default()).await;
    let outcome = publish(&server, &store, only_if_absent).await;
    (outcome, server.requests().len() - 2)
}

#[tokio::test]
async fn lengths_and_checksums_are_on_the_wire() {
    let server = Scripted::start(vec![created(), part_accepted(), completed()]).await;
    let store = store(&server.endpoint, Options::default()).await;
    publish(&server, &store, true).await.unwrap();
    let requests = server.requests();
    let [create, part, complete] = requests.as_slice() else { panic!("{requests:?}") };

    assert!(create.head.starts_with("post /backups/postgres/app/app.dump?uploads"));
    assert_eq!(create.header("x-amz-checksum-algorithm"), Some("crc64nvme"));
    assert_eq!(create.header("x-amz-checksum-type"), Some("full_object"));
    assert_eq!(create.header("content-type"), Some("application/json"));
    assert_eq!(create.header("x-amz-server-side-encryption"), None);

    let crc = CRC_IN_S3.to_lowercase();
    assert!(part.head.contains("partnumber=1&uploadid=id"), "{}", part.head);
    assert_eq!(part.header("x-amz-checksum-crc64nvme"), Some(crc.as_str()));
    assert_eq!(part.header("x-amz-content-sha256"), Some("unsigned-payload"));
    assert_eq!(part.body, b"123456789");

    assert_eq!(complete.header("x-amz-checksum-crc64nvme"), Some(crc.as_str()));
    assert_eq!(complete.header("x-amz-checksum-type"), Some("full_object"));
    assert_eq!(complete.header("x-amz-mp-object-size"), Some("9"));
    assert_eq!(complete.header("if-none-match"), Some("*"));
    let body = String::from_utf8_lossy(&complete.body);
    assert!(
        body.contains(&format!("<ChecksumCRC64NVME>{CRC_IN_S3}</ChecksumCRC64NVME>")),
        "{body}"
    );
    assert!(body.contains("<PartNumber>1</PartNumber>"), "{body}");
}

#[tokio::test]
async fn an_object_may_be_replaced_unless_told_not_to() {
    let server = Scripted::start(vec![created(), part_accepted(), completed()]).await;
    let store = store(&server.endpoint, Options::default()).await;
    publish(&server, &store, false).await.unwrap();
    assert_eq!(server.requests()[2].header("if-none-match"), None);
}

#[tokio::test]
async fn the_kms_key_is_used_in_its_own_bucket_only() {
    for (bucket, encryption) in [("backups", Some("aws:kms")), ("elsewhere", None)] {
        let server = Scripted::start(vec![created()]).await;
        let kms_key = KmsKey { bucket: bucket.to_owned(), key_arn: "arn:key".to_owned() };
        let options = Options { kms_key: Some(kms_key), path_style: true };
        store(&server.endpoint, options).await.create(&location(), "text/plain").await.unwrap();
        let request = &server.requests()[0];
        assert_eq!(request.header("x-amz-server-side-encryption"), encryption);
        let key = request.header("x-amz-server-side-encryption-aws-kms-key-id");
        assert_eq!(key, encryption.map(|_| "arn:key"));
    }
}

#[tokio::test]
async fn already_there_is_an_error_at_the_first_try() {
    let (outcome, tries) = published(&[refused(412, "PreconditionFailed")], true).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.class(), tries), (ErrorClass::Destination, 1));
    assert!(error.what().contains("app.dump is already there"), "{error}");
}

#[tokio::test]
async fn already_there_after_a_lost_answer_was_ourselves() {
    for lost in [Answer::HangUp, refused(500, "InternalError"), refused(503, "SlowDown")] {
        let answers = [lost.clone(), refused(412, "PreconditionFailed")];
        let (outcome, tries) = published(&answers, true).await;
        assert!(outcome.is_ok(), "{lost:?}: {outcome:?}");
        assert_eq!(tries, 2, "{lost:?}");
    }
}

#[tokio::test]
async fn a_vanished_upload_is_never_taken_for_success() {
    let answers = [refused(500, "InternalError"), refused(404, "NoSuchUpload")];
    let (outcome, tries) = published(&answers, true).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.class(), tries), (ErrorClass::Destination, 2));
    assert!(error.what().contains("perhaps published and perhaps not"), "{error}");
}

#[tokio::test]
async fn a_conflict_and_an_answer_without_etag_are_tried_again() {
    let without = "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>".to_owned();
    for first in [refused(409, "ConditionalRequestConflict"), Answer::Http(200, "", without)] {
        let (outcome, tries) = published(&[first.clone(), completed()], true).await;
        assert!(outcome.is_ok(), "{first:?}: {outcome:?}");
        assert_eq!(tries, 2, "{first:?}");
    }
}

#[tokio::test]
async fn a_success_that_holds_a_passing_error_is_tried_again() {
    for code in ["InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout"] {
        let (outcome, tries) = published(&[refused(200, code), completed()], true).await;
        assert!(outcome.is_ok(), "{code}: {outcome:?}");
        assert_eq!(tries, 2, "{code}");
    }
}

#[tokio::test]
async fn a_success_that_holds_an_error_is_an_error() {
    let hidden = "<Error><Code>AccessDenied</Code><Message>No</Message></Error>".to_owned();
    let (outcome, _) = published(&[Answer::Http(200, "", hidden)], false).await;
    assert_eq!(outcome.unwrap_err().class(), ErrorClass::Credentials);
}

#[tokio::test]
async fn refusals_say_whose_turn_it_is() {
    for (status, code, class, says) in [
        (403, "AccessDenied", ErrorClass::Credentials, "additionalBuckets"),
        (403, "SignatureDoesNotMatch", ErrorClass::Credentials, "clock"),
        (404, "NoSuchBucket", ErrorClass::Configuration, "no bucket backups"),
        (301, "PermanentRedirect", ErrorClass::Configuration, "another region"),
        (400, "KMS.DisabledException", ErrorClass::Configuration, "KMS key"),
        (400, "InvalidRequest", ErrorClass::Internal, "fault of AutoDump"),
    ] {
        let server = Scripted::start(vec![refused(status, code)]).await;
        let store = store(&server.endpoint, Options::default()).await;
        let error = store.create(&location(), "text/plain").await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.what().starts_with("s3://backups/postgres/app/app.dump: "), "{error}");
        assert_eq!(server.requests().len(), 1, "{code} was tried again");
    }
}

#[tokio::test]
async fn a_job_without_credentials_is_told_so() {
    // Tests run without AWS's variables, so this one finds nothing.
    let nobody = aws_config::environment::EnvironmentVariableCredentialsProvider::new();
    let config = super::config("http://127.0.0.1:1").await.into_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(nobody)).build();
    let store = S3Store::new(&config, Options::default());
    let error = store.create(&location(), "text/plain").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials, "{error:?}");
}

#[tokio::test]
async fn credentials_that_do_not_come_may_come_later() {
    let source = provide_credentials_fn(|| async {
        Err(CredentialsError::provider_error("169.254.170.2 does not answer"))
    });
    let config = super::config("http://127.0.0.1:1").await.into_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(source)).build();
    let store = S3Store::new(&config, Options::default());
    let error = store.create(&location(), "text/plain").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Destination, "{error:?}");
    assert!(error.what().contains("169.254.170.2 does not answer"), "{error}");
    assert!(error.hint().contains("credentials"), "{error}");
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_may_be_there_later() {
    let store = store("http://127.0.0.1:1", Options::default()).await;
    let error = store.create(&location(), "text/plain").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Destination, "{error:?}");
}

#[tokio::test]
async fn a_part_is_sent_again_when_the_server_stumbles() {
    let answers = vec![created(), refused(503, "SlowDown"), Answer::HangUp, part_accepted()];
    let server = Scripted::start(answers).await;
    let store = store(&server.endpoint, Options::default()).await;
    let upload = store.create(&location(), "text/plain").await.unwrap();
    let receipt = upload.put_part(1, Bytes::from_static(b"123456789"), CRC).await.unwrap();
    assert_eq!(receipt.etag, "\"part\"");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_part_stored_with_another_checksum_is_an_error() {
    let other = Answer::Http(
        200,
        "ETag: \"e\"\r\nx-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\n",
        String::new(),
    );
    let server = Scripted::start(vec![created(), other]).await;
    let store = store(&server.endpoint, Options::default()).await;
    let upload = store.create(&location(), "text/plain").await.unwrap();
    let error = upload.put_part(1, Bytes::from_static(b"123456789"), CRC).await.unwrap_err();
    assert!(error.what().contains("another checksum"), "{error}");
}

#[tokio::test]
async fn abort_takes_a_vanished_upload_for_aborted_and_tells_other_failures() {
    for (answer, fine) in [
        (Answer::Http(204, "", String::new()), true),
        (refused(404, "NoSuchUpload"), true),
        (refused(403, "AccessDenied"), false),
    ] {
        let server = Scripted::start(vec![created(), answer]).await;
        let store = store(&server.endpoint, Options::default()).await;
        let upload = store.create(&location(), "text/plain").await.unwrap();
        assert_eq!(upload.abort().await.is_ok(), fine);
        assert!(server.requests()[1].head.starts_with("delete "));
    }
}

/// What the log says about the end of an upload whose completion ended in `lost`.
async fn logged_end(lost: Answer, abort: Answer) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    let writer = std::sync::Mutex::new(file.reopen().unwrap());
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
    let _guard = tracing::subscriber::set_default(log);
    let server = Scripted::start(vec![created(), lost, abort]).await;
    let store = store(&server.endpoint, Options::default()).await;
    let upload = store.create(&location(), "text/plain").await.unwrap();
    let part = PartReceipt { number: 1, bytes: 9, etag: "\"e\"".to_owned(), crc64nvme: CRC };
    upload.complete(completion(vec![part], true)).await.unwrap_err();
    upload.abort().await.unwrap();
    std::fs::read_to_string(file.path()).unwrap()
}

#[tokio::test]
async fn an_upload_of_unknown_fate_that_is_gone_was_not_aborted() {
    let gone = refused(404, "NoSuchUpload");
    let log = logged_end(Answer::HangUp, gone.clone()).await;
    assert!(log.contains("gone: completed or removed") && !log.contains("aborted"), "{log}");
    let log = logged_end(refused(403, "AccessDenied"), Answer::Http(204, "", String::new())).await;
    assert!(log.contains("upload aborted") && !log.contains("gone"), "{log}");
}
