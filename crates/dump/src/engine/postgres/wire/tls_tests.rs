use serde_json::json;

use super::*;

fn secret(fields: &[(&str, &str)]) -> SecretValue {
    let mut value = json!({
        "engine": "postgres", "host": "h", "dbname": "d", "username": "u", "password": "p",
    });
    for (name, field) in fields {
        value[*name] = json!(field);
    }
    SecretValue::parse(&value.to_string()).unwrap()
}

#[test]
fn the_bundle_is_read_only_where_it_is_used() {
    let nowhere = Path::new("/nowhere/bundle.pem");
    assert!(config(&secret(&[("sslmode", "disable")]), nowhere).unwrap().is_none());
    for mode in ["prefer", "require"] {
        assert!(config(&secret(&[("sslmode", mode)]), nowhere).unwrap().is_some());
    }
    for mode in ["verify-ca", "verify-full"] {
        let error = config(&secret(&[("sslmode", mode)]), nowhere).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains("/nowhere/bundle.pem"), "{error}");
        assert!(error.hint().contains("sslrootcert"));
    }
}

#[test]
fn certificates_that_are_none_are_refused() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["no PEM at all", broken, "-----BEGIN CERTIFICATE-----\n"] {
        let secret = secret(&[("sslrootcert", pem)]);
        let error = config(&secret, Path::new("/nowhere")).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().starts_with("sslrootcert holds no "), "{error}");
    }
}
