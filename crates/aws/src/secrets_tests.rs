use serde_json::{Value, json};

use super::*;
use crate::replay::{Answer, replay};

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf";
const KEY: &str = "autodump:start-schedule";

fn entry(name: &str) -> Value {
    json!({
        "ARN": format!("arn:{name}"),
        "Name": name,
        "Tags": [{"Key": KEY, "Value": "@daily"}, {"Key": "team", "Value": ""}]
    })
}

#[tokio::test]
async fn lists_page_by_page() {
    let (config, sent) = replay(vec![
        Answer::ok(&json!({"SecretList": [entry("a"), entry("b")], "NextToken": "more"})),
        Answer::error(400, "ThrottlingException", "Rate exceeded"),
        Answer::ok(&json!({"SecretList": [entry("c")], "NextToken": ""})),
    ])
    .await;
    let secrets = Secrets::new(&config);
    let first = secrets.page(KEY, None).await.unwrap();
    assert_eq!(first.next.as_deref(), Some("more"));
    assert_eq!(first.resources.len(), 2);
    assert_eq!((first.resources[1].arn.as_str(), first.resources[1].name.as_str()), ("arn:b", "b"));
    let tags =
        BTreeMap::from([(KEY, "@daily"), ("team", "")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert_eq!(first.resources[1].tags, tags);
    let second = secrets.page(KEY, first.next).await.unwrap();
    assert_eq!((second.resources.len(), second.next), (1, None));

    let asked = json!({"MaxResults": 100, "Filters": [{"Key": "tag-key", "Values": [KEY]}]});
    let mut more = asked.clone();
    more["NextToken"] = "more".into();
    assert_eq!(sent.bodies("secretsmanager.ListSecrets"), [asked, more.clone(), more]);
}

#[tokio::test]
async fn what_is_scheduled_for_deletion_is_not_listed() {
    let mut deleted = entry("b");
    deleted["DeletedDate"] = 1_795_000_000.into();
    let (config, _) =
        replay(vec![Answer::ok(&json!({"SecretList": [entry("a"), deleted, {"Name": "c"}]}))])
            .await;
    let page = Secrets::new(&config).page(KEY, None).await.unwrap();
    assert_eq!(page.resources.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn a_listing_that_is_refused_says_what_the_role_lacks() {
    let refused = Answer::error(400, "AccessDeniedException", "User x is not authorized.");
    let (config, _) = replay(vec![refused]).await;
    let error = Secrets::new(&config).page(KEY, None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials);
    assert_eq!(
        error.to_string(),
        "cannot list the secrets with tag autodump:start-schedule: AccessDeniedException: User x \
         is not authorized. Let the function's role do secretsmanager:ListSecrets and \
         DescribeSecret. A retry does not help."
    );
}

async fn find(answers: Vec<Answer>) -> Result<Option<Resource>> {
    let (config, sent) = replay(answers).await;
    let found = Secrets::new(&config).find(ARN).await;
    for body in sent.bodies("secretsmanager.DescribeSecret") {
        assert_eq!(body, json!({"SecretId": ARN}));
    }
    found
}

#[tokio::test]
async fn finds_one() {
    let found = find(vec![Answer::ok(&entry("a"))]).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.tags.len()), ("a", 2));
    let untagged = find(vec![Answer::ok(&json!({"ARN": ARN, "Name": "x"}))]).await;
    assert_eq!(untagged.unwrap().unwrap().tags, BTreeMap::new());
}

#[tokio::test]
async fn what_is_deleted_or_missing_is_not_found() {
    let mut deleted = entry("a");
    deleted["DeletedDate"] = 1_795_000_000.into();
    assert_eq!(find(vec![Answer::ok(&deleted)]).await.unwrap(), None);
    let missing = Answer::error(400, "ResourceNotFoundException", "Secrets Manager can't find it.");
    assert_eq!(find(vec![missing]).await.unwrap(), None);
}

#[tokio::test]
async fn only_a_missing_secret_is_not_found() {
    for (code, status, class) in [
        ("AccessDeniedException", 400, ErrorClass::Credentials),
        ("InvalidParameterException", 400, ErrorClass::Configuration),
        ("InternalServiceError", 500, ErrorClass::Source),
        ("ThrottlingException", 400, ErrorClass::Source),
    ] {
        let answers = (0..20).map(|_| Answer::error(status, code, "No.")).collect();
        let error = find(answers).await.unwrap_err();
        assert_eq!(error.class(), class, "{code}");
        assert!(error.to_string().contains(ARN), "{error}");
    }
}

async fn value(answer: Answer) -> Result<String> {
    let (config, sent) = replay(vec![answer]).await;
    let value = Secrets::new(&config).value(ARN).await;
    assert_eq!(sent.bodies("secretsmanager.GetSecretValue"), [json!({"SecretId": ARN})]);
    value
}

#[tokio::test]
async fn reads_a_value_as_it_is() {
    let text = "{\"password\": \"a b\\\"$*%\\\\ü\"}";
    let answer = Answer::ok(&json!({"ARN": ARN, "Name": "a", "SecretString": text}));
    assert_eq!(value(answer).await.unwrap(), text);
}

#[tokio::test]
async fn a_value_that_cannot_be_had_is_an_error_with_a_hint() {
    let binary = Answer::ok(&json!({"ARN": ARN, "Name": "a", "SecretBinary": "c2VjcmV0"}));
    for (answer, class, part) in [
        (binary, ErrorClass::Configuration, "it is binary. Store the connection as JSON text"),
        (
            Answer::error(400, "ResourceNotFoundException", "can't find the secret"),
            ErrorClass::Configuration,
            "Check that the secret exists",
        ),
        (
            Answer::error(400, "InvalidRequestException", "marked for deletion"),
            ErrorClass::Configuration,
            "scheduled for deletion",
        ),
        (
            Answer::error(400, "AccessDeniedException", "Access to KMS is not allowed"),
            ErrorClass::Credentials,
            "the policy of its KMS key",
        ),
        (
            Answer::error(400, "DecryptionFailure", "can't decrypt"),
            ErrorClass::Credentials,
            "bear the schedule tag",
        ),
    ] {
        let error = value(answer).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        let text = error.to_string();
        assert!(text.contains(part) && text.contains(ARN), "{text}");
        assert!(!text.contains("c2VjcmV0"), "{text}");
    }
}

#[tokio::test]
async fn nothing_of_a_value_is_in_an_error() {
    for body in [
        r#"{"ARN": "a", "SecretString": "s3cr3t"#,
        r#"{"ARN": "a", "SecretString": s3cr3t}"#,
        r#"{"ARN": "a", "SecretString": "\s3cr3t"}"#,
        "s3cr3t",
    ] {
        let (config, _) = replay((0..20).map(|_| Answer::text(body)).collect()).await;
        let error = Secrets::new(&config).value(ARN).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Source, "{error}");
        assert!(error.to_string().contains(ARN), "{error}");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("s3cr3t"), "{text}");
        }
        assert!(std::error::Error::source(&error).is_none(), "the SDK's error holds the answer");
    }
}

#[tokio::test]
async fn an_answer_is_not_in_the_text_of_an_error() {
    let answers = (0..20).map(|_| Answer::text("{\"Name\": \"s3cr3t")).collect();
    let error = find(answers).await.unwrap_err();
    assert!(!error.to_string().contains("s3cr3t"), "{error}");
}
