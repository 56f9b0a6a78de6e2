use autodump_core::ErrorClass;
use autodump_core::ports::TargetSource;
use aws_sdk_sfn::config::http::HttpRequest;

use super::*;
use crate::replay::{Answer, replay};
use crate::tagged::Tagged;

const KEY: &str = "autodump:start-schedule";

fn source(role_arn: Option<&str>, external_id: Option<&str>) -> Source {
    Source {
        region: "eu-west-1".to_owned(),
        role_arn: role_arn.map(str::to_owned),
        external_id: external_id.map(str::to_owned),
    }
}

const ROLE: &str = "arn:aws:iam::333344445555:role/AutoDumpSource";

fn assumed() -> Answer {
    Answer::text(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <AssumedRoleUser><AssumedRoleId>x:AutoDump</AssumedRoleId>\
         <Arn>arn:aws:sts::333344445555:assumed-role/AutoDumpSource/AutoDump</Arn>\
         </AssumedRoleUser><Credentials><AccessKeyId>ASIAASSUMED</AccessKeyId>\
         <SecretAccessKey>s</SecretAccessKey><SessionToken>token</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
         </AssumeRoleResponse>",
    )
}

fn nothing() -> Answer {
    Answer::text("{\"ResourceTagMappingList\": []}")
}

#[tokio::test]
async fn another_region_of_the_own_account_is_asked_with_the_own_credentials() {
    let (own, sent) = replay(vec![nothing()]).await;
    let config = config_of(&own, &source(None, None));
    Tagged::new(&config).page(KEY, None).await.unwrap();
    let requests: Vec<_> = sent.requests().collect();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].uri(), "https://tagging.eu-west-1.amazonaws.com/");
    let signed = requests[0].headers().get("authorization").unwrap();
    assert!(signed.contains("Credential=AKIDEXAMPLE/"), "{signed}");
}

#[tokio::test]
async fn a_role_is_assumed_once_and_its_credentials_sign() {
    let (own, sent) = replay(vec![assumed(), nothing(), nothing()]).await;
    let config = config_of(&own, &source(Some(ROLE), Some("8f1b1c52-backups")));
    for _ in 0..2 {
        Tagged::new(&config).page(KEY, None).await.unwrap();
    }
    let requests: Vec<_> = sent.requests().collect();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].uri(), "https://sts.eu-central-1.amazonaws.com/");
    let asked = std::str::from_utf8(requests[0].body().bytes().unwrap()).unwrap();
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A333344445555%3Arole%2FAutoDumpSource",
        "RoleSessionName=AutoDump",
        "ExternalId=8f1b1c52-backups",
    ] {
        assert!(asked.contains(part), "{part} is not in {asked}");
    }
    for request in &requests[1..] {
        assert_eq!(request.uri(), "https://tagging.eu-west-1.amazonaws.com/");
        let signed = request.headers().get("authorization").unwrap();
        assert!(signed.contains("Credential=ASIAASSUMED/"), "{signed}");
        assert_eq!(request.headers().get("x-amz-security-token"), Some("token"));
    }
}

#[tokio::test]
async fn without_an_external_id_none_is_sent() {
    let (own, sent) = replay(vec![assumed(), nothing()]).await;
    let config = config_of(&own, &source(Some(ROLE), None));
    Tagged::new(&config).page(KEY, None).await.unwrap();
    let request = sent.requests().next().unwrap();
    let asked = std::str::from_utf8(request.body().bytes().unwrap()).unwrap();
    assert!(asked.contains("RoleArn=") && !asked.contains("ExternalId"), "{asked}");
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_an_error_of_credentials() {
    let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                   <Message>User x is not authorized to perform: sts:AssumeRole</Message></Error>\
                   </ErrorResponse>";
    let (own, sent) = replay(vec![Answer::unreadable(403, refused)]).await;
    let config = config_of(&own, &source(Some(ROLE), Some("8f1b1c52-backups")));
    let error = Tagged::new(&config).page(KEY, None).await.unwrap_err();
    assert_eq!((error.class(), sent.requests().count()), (ErrorClass::Credentials, 1), "{error}");
    let text = error.to_string();
    assert!(text.contains("AccessDenied") && text.contains("assume"), "{text}");
    assert!(!text.contains("8f1b1c52"), "{text}");
}

#[tokio::test]
async fn all_places_are_listed_each_in_its_region_and_account() {
    let (own, sent) = replay(vec![
        Answer::text("{\"SecretList\": []}"),
        nothing(),
        nothing(),
        assumed(),
        nothing(),
    ])
    .await;
    let targets = targets(&own, vec![source(None, None), source(Some(ROLE), None)]);
    for start in targets.starts() {
        assert!(targets.page(KEY, start).await.unwrap().next.is_none());
    }
    assert_eq!(
        sent.requests().map(HttpRequest::uri).collect::<Vec<_>>(),
        [
            "https://secretsmanager.eu-central-1.amazonaws.com/",
            "https://tagging.eu-central-1.amazonaws.com/",
            "https://tagging.eu-west-1.amazonaws.com/",
            "https://sts.eu-central-1.amazonaws.com/",
            "https://tagging.eu-west-1.amazonaws.com/",
        ]
    );
}

/// A function's configuration has no clock of its own, which the SDK insists on.
#[tokio::test]
async fn a_function_can_assume_a_role() {
    let config = config_of(&crate::config::of_function(), &source(Some(ROLE), None));
    assert!(config.credentials_provider().is_some());
}
