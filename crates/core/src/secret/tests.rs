use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parse(value: &Value) -> Result<SecretValue> {
    SecretValue::parse(&value.to_string())
}

#[test]
fn the_seeds_fields_are_read() {
    let secret = parse(&json!({
        "username": "app", "password": " p'w\"$*%\\ü ", "databasename": "shop",
        "endpoint": "db.internal", "engine": "postgres", "bucketname": "elsewhere",
    }))
    .unwrap();
    assert_eq!(secret.password.expose(), " p'w\"$*%\\ü ");
    assert_eq!((secret.host.as_str(), secret.port), ("db.internal", 5432));
    assert_eq!(secret.database, "shop");
    assert_eq!(secret.bucket.as_deref(), Some("elsewhere"));
    assert_eq!(secret.sslmode, SslMode::VerifyFull);
    assert_eq!(secret.authentication, Authentication::Password);
    assert_eq!(secret.options, DumpOptions::default());
}

#[test]
fn what_rds_writes_is_read() {
    for port in [json!(6432), json!("6432")] {
        let secret = parse(&json!({
            "username": "app", "password": "x", "dbname": "shop", "host": "db.internal",
            "engine": "aurora-postgresql", "port": port, "sslmode": "require",
            "dbInstanceIdentifier": "shop", "masterarn": null,
        }))
        .unwrap();
        assert_eq!((secret.port, secret.sslmode), (6432, SslMode::Require));
        assert_eq!(secret.bucket, None);
    }
}

#[test]
fn options_are_read_in_the_types_of_json_or_as_text() {
    let base = json!({
        "username": "app", "password": "x", "dbname": "shop", "host": "h", "engine": "postgres",
    });
    let with = |options: Value| {
        let mut secret = base.clone();
        secret.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        parse(&secret).unwrap().options
    };
    let typed = with(json!({
        "compression": "zstd:3", "jobs": 8, "lock-timeout": "2h", "databases": "all",
        "globals": true, "tables": ["app.*", "\"My Table\""], "exclude-table-data": ["log"],
        "schemas": [], "exclude-schemas": null,
    }));
    let text = with(json!({
        "compression": " zstd:3", "jobs": "8", "lock-timeout": "120m", "databases": "all",
        "globals": "yes", "tables": "app.* \"My Table\"", "exclude-table-data": "log",
        "exclude-tables": "",
    }));
    assert_eq!(typed, text);
    assert_eq!((typed.jobs, typed.globals), (Some(8), Some(true)));
    assert_eq!(typed.lock_timeout, Some(Duration::from_hours(2)));
    assert_eq!(typed.selection.tables[1].name_regex(), "^(My\\ Table)$");
}

#[test]
fn with_iam_no_password_is_needed_and_none_is_kept() {
    let iam = |extra: &[(&str, &str)]| {
        let mut secret = json!({
            "username": "app", "dbname": "shop", "host": "h", "engine": "postgres",
            "authentication": "iam",
        });
        for (name, value) in extra {
            secret[*name] = json!(value);
        }
        parse(&secret)
    };
    for extra in [&[][..], &[("password", "old")], &[("sslmode", "require")]] {
        let secret = iam(extra).unwrap();
        assert_eq!(secret.authentication, Authentication::Iam);
        assert_eq!(secret.password.expose(), "");
        let secret = secret.with_password(Hidden::from("token".to_owned()));
        assert_eq!((secret.password.expose(), secret.username.as_str()), ("token", "app"));
    }
    for mode in ["disable", "prefer"] {
        let error = iam(&[("sslmode", mode)]).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        let says = format!("field sslmode is {mode:?} and authentication is \"iam\". RDS takes");
        assert!(error.to_string().contains(&says), "{error}");
    }
}

#[test]
fn errors_name_the_field_and_hide_the_password() {
    let good = json!({
        "username": "app", "password": "s3cr3t", "dbname": "shop", "host": "h", "engine": "postgres",
    });
    let with = |field: &str, value: Value| {
        let mut secret = good.clone();
        secret[field] = value;
        parse(&secret).unwrap_err().to_string()
    };
    for (error, says) in [
        (with("engine", json!("oracle")), "field engine is \"oracle\""),
        (with("engine", json!(null)), "no field engine"),
        (with("host", json!("")), "no field endpoint or host"),
        (with("password", json!(12)), "field password is no text"),
        (with("port", json!(70000)), "field port is \"70000\""),
        (with("sslmode", json!("maybe")), "field sslmode is \"maybe\""),
        (with("username", json!(["app"])), "field username is no text"),
        (with("authentication", json!("ldap")), "field authentication is \"ldap\""),
        (with("jobs", json!(65)), "field jobs with value \"65\" is no number of connections"),
        (with("jobs", json!([8])), "field jobs is no text"),
        (with("compression", json!("bz2")), "field compression with value \"bz2\" is no"),
        (with("globals", json!("true")), "field globals with value \"true\" is not allowed"),
        (with("tables", json!(["a", 1])), "field tables holds something else than texts"),
        (with("tables", json!({})), "field tables is neither an array nor a text"),
        (with("tables", json!("a.b.c")), "field tables has the pattern \"a.b.c\" with more"),
        (with("schemas", json!(["a.b"])), "field schemas has the pattern \"a.b\", but"),
    ] {
        assert!(error.contains(says), "{error}");
        assert!(!error.contains("s3cr3t"), "{error}");
    }
    for text in ["s3cr3t", "{\"password\": \"s3cr3t\"", "[\"s3cr3t\"]", ""] {
        let error = SecretValue::parse(text).unwrap_err();
        assert!(error.to_string().contains("no JSON object"));
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }
    let shown = format!("{:?}", parse(&good).unwrap());
    assert!(shown.contains("(hidden)") && !shown.contains("s3cr3t"), "{shown}");
}

proptest! {
    #[test]
    fn the_parser_never_panics(text in "\\PC{0,60}") {
        let _ = SecretValue::parse(&text);
    }
}
