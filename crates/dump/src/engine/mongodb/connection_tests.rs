use serde_json::{Value, json};

use super::*;

const BUNDLE: &str = "/nowhere/bundle.pem";
/// Of nobody: it is only read.
const CERTIFICATE: &str = include_str!("certificate.pem").trim_ascii();

fn secret(changes: &Value) -> SecretValue {
    let mut fields = json!({"engine": "mongodb"});
    if changes.get("uri").is_none() {
        fields = json!({
            "engine": "mongodb", "host": "h", "dbname": "shop", "username": "u@", "password": "p%&",
        });
    }
    for (name, value) in changes.as_object().unwrap() {
        fields[name] = value.clone();
    }
    SecretValue::parse(&fields.to_string()).unwrap()
}

/// What the driver makes of a secret.
async fn parsed(secret: &SecretValue, preference: Option<ReadPreference>) -> ClientOptions {
    let uri = uri(secret, preference).unwrap();
    ClientOptions::parse(uri.rebuilt().expose()).await.unwrap()
}

#[tokio::test]
async fn the_driver_gets_user_password_and_hosts_as_they_are() {
    for fields in [
        json!({"host": "h", "port": 27018, "username": "ü:@/", "password": "%25&?#ä ", "sslmode": "disable"}),
        json!({"uri": "mongodb://%C3%BC%3A%40%2F:%2525%26%3F%23%C3%A4%20@h:27018/shop?tls=false"}),
    ] {
        let options = parsed(&secret(&fields), None).await;
        let credential = options.credential.unwrap();
        assert_eq!(credential.username.as_deref(), Some("ü:@/"));
        assert_eq!(credential.password.as_deref(), Some("%25&?#ä "));
        assert_eq!(options.hosts.len(), 1);
        assert_eq!(options.hosts[0].to_string(), "h:27018");
    }
}

#[tokio::test]
async fn secondaries_are_preferred_unless_something_else_is_asked_for() {
    let mode = |options: ClientOptions| format!("{:?}", options.selection_criteria.unwrap());
    let plain = secret(&json!({}));
    assert!(mode(parsed(&plain, None).await).contains("SecondaryPreferred"));
    assert!(mode(parsed(&plain, Some(ReadPreference::Nearest)).await).contains("Nearest"));
    let tagged = secret(&json!({"uri": "mongodb://u:p@h/shop?readPreferenceTags=dc:a"}));
    let kept = mode(parsed(&tagged, Some(ReadPreference::Secondary)).await);
    assert!(kept.contains("Secondary {") && kept.contains("\"dc\": \"a\""), "{kept}");
    let replaced = mode(parsed(&tagged, Some(ReadPreference::Primary)).await);
    assert_eq!(replaced, "ReadPreference(Primary)");
}

#[test]
fn certificates_are_checked_unless_the_secret_says_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("bundle.pem");
    std::fs::write(&bundle, CERTIFICATE).unwrap();
    let of = |fields: &Value, srv| tls(&secret(fields), srv, &bundle).unwrap();
    let checked = |tls: Tls| match tls {
        Tls::Enabled(options) => Some((options.allow_invalid_certificates, options.ca_file_path)),
        Tls::Disabled => None,
    };
    assert_eq!(checked(of(&json!({}), false).0), Some((None, Some(bundle.clone()))));
    assert_eq!(checked(of(&json!({}), true).0), Some((None, None)));
    assert_eq!(checked(of(&json!({"sslmode": "require"}), false).0), Some((Some(true), None)));
    assert_eq!(checked(of(&json!({"sslmode": "disable"}), false).0), None);
    for srv in [false, true] {
        let (tls, file) = of(&json!({"sslrootcert": CERTIFICATE}), srv);
        let (unchecked, path) = checked(tls).unwrap();
        assert_eq!(unchecked, None);
        assert_eq!(std::fs::read_to_string(path.unwrap()).unwrap(), CERTIFICATE);
        assert!(file.is_some(), "the file is gone with it");
    }
}

#[test]
fn files_without_certificates_are_errors_that_name_them() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for (fields, bundle, says) in [
        (json!({}), Path::new(BUNDLE), "/nowhere/bundle.pem cannot be read"),
        (json!({}), empty.as_path(), "empty.pem holds no certificate"),
        (json!({"sslrootcert": "-----BEGIN"}), empty.as_path(), "sslrootcert holds no certificate"),
    ] {
        let error = tls(&secret(&fields), false, bundle).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(says), "{error}");
    }
}

#[tokio::test]
async fn nothing_that_is_shown_holds_the_password() {
    let secret = secret(&json!({"password": "geheim", "sslmode": "disable"}));
    let connection = Connection::new(&secret, Path::new(BUNDLE), None, 2).await.unwrap();
    let shown = format!("{} {connection:?}", connection.at());
    assert!(shown.contains("mongodb://h:27017/"), "{shown}");
    assert!(!shown.contains("geheim"), "{shown}");
}

#[tokio::test]
async fn a_setting_that_the_driver_refuses_is_an_error_of_configuration() {
    let secret =
        secret(&json!({"uri": "mongodb://u:geheim@h/shop?tls=false&directConnection=perhaps"}));
    let error = Connection::new(&secret, Path::new(BUNDLE), None, 2).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().to_lowercase().contains("directconnection"), "{error}");
    assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
}
