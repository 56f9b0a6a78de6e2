use std::sync::Mutex;

use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_sdk_sfn::config::SharedCredentialsProvider;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::*;

const KEY: (&str, &str) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
const HOST: &str = "shop.abcdefghijkl.eu-central-1.rds.amazonaws.com";

fn credentials(session: Option<&str>) -> Credentials {
    Credentials::new(KEY.0, KEY.1, session.map(str::to_owned), None, "test")
}

/// Both tokens were made by botocore 1.44.5, `generate_db_auth_token`, with its clock held.
#[test]
fn tokens_are_those_of_botocore() {
    let now: DateTime<Utc> = "2026-11-22T08:00:00Z".parse().unwrap();
    for (login, region, session, expected) in [
        (
            Login { host: HOST, port: 5432, username: "backup" },
            "eu-central-1",
            None,
            "shop.abcdefghijkl.eu-central-1.rds.amazonaws.com:5432/?Action=connect&DBUser=backup\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261122\
             %2Feu-central-1%2Frds-db%2Faws4_request&X-Amz-Date=20261122T080000Z\
             &X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=\
             0672dccfb74b40df14c0a0500e840c7f94e352d00b3e32cad0e710174911c222",
        ),
        (
            Login {
                host: "proxy.proxy-abc.eu-west-1.rds.amazonaws.com",
                port: 6432,
                username: "bäck up+@&",
            },
            "eu-west-1",
            Some("IQoJb3JpZ2lu/+=="),
            "proxy.proxy-abc.eu-west-1.rds.amazonaws.com:6432/?Action=connect\
             &DBUser=b%C3%A4ck%20up%2B%40%26&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Feu-west-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20261122T080000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Security-Token=IQoJb3JpZ2lu%2F%2B%3D%3D&X-Amz-Signature=\
             9de5fea9128378011df1e94ac3760c382bb7a4172d5a0a859c5e02d48cf523ec",
        ),
    ] {
        let token = token(&login, region, credentials(session), now.into()).unwrap();
        assert_eq!(token.expose(), expected);
    }
}

#[test]
fn the_region_is_in_the_names_of_rds_and_in_no_other() {
    for (host, region) in [
        (HOST, Some("eu-central-1")),
        ("c.cluster-ro-x.us-east-1.rds.amazonaws.com.", Some("us-east-1")),
        ("d.x.cn-north-1.rds.amazonaws.com.cn", Some("cn-north-1")),
        ("db.internal", None),
        ("rds.amazonaws.com", None),
        ("127.0.0.1", None),
    ] {
        assert_eq!(region_of(host), region, "{host}");
    }
}

/// A secret whose value is another one each time.
struct Rotating(Mutex<Vec<Value>>);

impl SecretReader for Rotating {
    async fn value(&self, id: &str) -> Result<String> {
        assert_eq!(id, "prod/app");
        Ok(self.0.lock().unwrap().remove(0).to_string())
    }
}

fn access(values: &[Value], config: SdkConfig) -> Access<Rotating> {
    Access::new(Rotating(Mutex::new(values.to_vec())), "prod/app", config)
}

fn iam(host: &str) -> Value {
    json!({
        "username": "backup", "host": host, "dbname": "shop", "engine": "postgres",
        "authentication": "iam",
    })
}

fn config(
    region: Option<&'static str>,
    provider: Option<impl ProvideCredentials + 'static>,
) -> SdkConfig {
    let mut config = SdkConfig::builder().region(region.map(Region::from_static));
    config.set_credentials_provider(provider.map(SharedCredentialsProvider::new));
    config.build()
}

fn with_key(region: Option<&'static str>) -> SdkConfig {
    config(region, Some(credentials(None)))
}

#[tokio::test]
async fn the_secret_is_read_anew_each_time() {
    let value = |password: &str| {
        json!({
            "username": "app", "host": "h", "dbname": "d", "engine": "postgres",
            "password": password,
        })
    };
    let access = access(&[value("old"), value("new"), json!([])], SdkConfig::builder().build());
    assert_eq!(access.secret().await.unwrap().password.expose(), "old");
    assert_eq!(access.secret().await.unwrap().password.expose(), "new");
    assert_eq!(access.secret().await.unwrap_err().class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn with_iam_the_password_is_a_token_of_the_right_region() {
    for (host, region) in [(HOST, "eu-central-1"), ("db.internal", "us-west-2")] {
        let access = access(&[iam(host)], with_key(Some("us-west-2")));
        let secret = access.secret().await.unwrap();
        let token = secret.password.expose();
        assert!(token.starts_with(&format!("{host}:5432/?Action=connect&DBUser=backup&")));
        assert!(token.contains(&format!("%2F{region}%2Frds-db%2F")), "{token}");
        assert!(!format!("{secret:?}").contains("X-Amz"));
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_made_is_an_error_of_its_cause() {
    let none = config(Some("eu-central-1"), None::<Credentials>);
    let passing = provide_credentials_fn(|| async {
        Err(CredentialsError::provider_error("the container's endpoint said 500"))
    });
    let passing = config(Some("eu-central-1"), Some(passing));
    for (host, config, class, says) in [
        ("h", none, ErrorClass::Credentials, "there is no source of them"),
        ("h", passing, ErrorClass::Source, "said 500"),
        ("h", with_key(None), ErrorClass::Configuration, "the region of h is not known"),
        ("a b", with_key(Some("x")), ErrorClass::Configuration, "no IAM token could be made"),
    ] {
        let error = access(&[iam(host)], config).secret().await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains(KEY.1), "{error}");
    }
}
