use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::SslMode;
use super::*;
use crate::error::ErrorClass;

fn parse(fields: &Value) -> Result<SecretValue> {
    SecretValue::parse(&fields.to_string())
}

/// A secret with these fields over those of `base`.
fn with(base: &Value, fields: &Value) -> Result<SecretValue> {
    let mut all = base.as_object().cloned().unwrap_or_else(Map::new);
    all.extend(fields.as_object().unwrap().clone());
    parse(&all.into())
}

fn flat(fields: &Value) -> Result<SecretValue> {
    let base = json!({
        "engine": "mongo", "username": "app", "password": "geheim", "host": "db.internal",
    });
    with(&base, fields)
}

fn of(uri: &str, fields: &Value) -> Result<SecretValue> {
    with(&json!({ "engine": "mongodb", "uri": uri }), fields)
}

fn options(secret: &SecretValue) -> Vec<(&str, &str)> {
    let uri = secret.mongodb.as_ref().unwrap();
    uri.options.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn what_rds_writes_for_documentdb_is_read() {
    let secret = flat(&json!({ "ssl": true, "port": 27018, "dbClusterIdentifier": "x" })).unwrap();
    assert_eq!((secret.engine, secret.sslmode), (EngineName::Mongodb, SslMode::VerifyFull));
    assert_eq!((secret.host.as_str(), secret.port), ("db.internal", 27018));
    assert_eq!((secret.username.as_str(), secret.password.expose()), ("app", "geheim"));
    assert_eq!(secret.database, "");
    let error = secret.named_database().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("names no database"), "{error}");
    assert_eq!(options(&secret), [("authSource", "admin"), ("retryWrites", "false")]);
    let uri = secret.mongodb.unwrap();
    assert_eq!(uri.shown(), "mongodb://db.internal:27018/");
    assert!(uri.username.is_none() && uri.password.is_none() && uri.database.is_none());
}

#[test]
fn the_seeds_fields_are_read() {
    for engine in ["mongodb", "mongo", "documentdb", "DocDB"] {
        let fields = json!({
            "engine": engine, "databasename": "shop", "authsource": "users", "replicaset": "rs0",
            "bucketname": "elsewhere", "read-preference": "nearest", "collections": ["a.b", "c*"],
            "oplog": false, "method": "client",
        });
        let secret = flat(&fields).unwrap();
        assert_eq!((secret.port, secret.named_database().unwrap()), (27017, "shop"));
        let expected = [("authSource", "users"), ("replicaSet", "rs0"), ("retryWrites", "false")];
        assert_eq!(options(&secret), expected);
        assert_eq!(secret.options.read_preference, Some(ReadPreference::Nearest));
        assert_eq!(secret.options.selection.collections.len(), 2);
        assert_eq!(secret.bucket.as_deref(), Some("elsewhere"));
        assert!(secret.options.checked_for(EngineName::Mongodb).is_ok());
    }
}

#[test]
fn a_connection_string_stands_for_the_fields() {
    let uri = "mongodb://a%40b:p%26%25%2F@one.example:1,two.example/shop?replicaSet=rs0\
               &readPreference=primary&tls=true&compressors=zlib&w=majority";
    let secret = of(uri, &json!({ "host": "", "port": null, "password": "" })).unwrap();
    assert_eq!((secret.host.as_str(), secret.port), ("one.example", 1));
    assert_eq!((secret.username.as_str(), secret.password.expose()), ("a@b", "p&%/"));
    assert_eq!((secret.database.as_str(), secret.sslmode), ("shop", SslMode::VerifyFull));
    // The tag oplog may yet want another one, which is no conflict.
    assert_eq!(secret.options.read_preference, None);
    assert_eq!(
        options(&secret),
        [
            ("replicaSet", "rs0"),
            ("readPreference", "primary"),
            ("w", "majority"),
            ("authSource", "shop")
        ]
    );
    let uri = secret.mongodb.as_ref().unwrap();
    let hosts = [("one.example", 1), ("two.example", 27017)];
    assert_eq!(uri.hosts, hosts.map(|(host, port)| (host.to_owned(), port)));
    assert!(uri.username.is_none() && uri.password.is_none() && uri.database.is_none());
    assert_eq!(secret.with_password(Hidden::from("new".to_owned())).username, "a@b");
}

#[test]
fn a_database_may_complete_a_connection_string() {
    for (uri, database, source) in [
        ("mongodb://u:p@h", "shop", None),
        ("mongodb://u:p@h/?authSource=x", "shop", Some("x")),
        ("mongodb+srv://u:p@h/", "shop", None),
    ] {
        for name in ["databasename", "dbname"] {
            let secret = of(uri, &json!({ name: database })).unwrap();
            assert_eq!(secret.database, database);
            assert_eq!(secret.mongodb.unwrap().option("authSource"), source, "{uri}");
        }
    }
    let secret = of("mongodb+srv://u:p@h.example/shop", &json!({})).unwrap();
    assert_eq!((secret.database.as_str(), secret.host.as_str()), ("shop", "h.example"));
    // DNS may say it.
    assert_eq!(secret.mongodb.unwrap().option("authSource"), None);
    assert_eq!(of("mongodb://u:p@h", &json!({})).unwrap().database, "");
}

#[test]
fn tls_is_checked_unless_something_says_otherwise() {
    use SslMode::{Disable, Require, VerifyFull};
    for (uri_options, fields, mode) in [
        ("", json!({}), VerifyFull),
        ("tls=true", json!({}), VerifyFull),
        ("ssl=false", json!({}), Disable),
        ("tls=false&tlsInsecure=false", json!({ "ssl": "false" }), Disable),
        ("tlsInsecure=true", json!({}), Require),
        ("tls=true&tlsInsecure=true", json!({ "sslmode": "require" }), Require),
        ("tls=true", json!({ "sslmode": "require" }), Require),
        ("tls=true", json!({ "tls": "verify-full", "ssl": true }), VerifyFull),
        ("", json!({ "tls": false }), Disable),
    ] {
        let uri = format!("mongodb://u:geheim@h/d?{uri_options}");
        let secret = of(&uri, &fields).unwrap();
        assert_eq!(secret.sslmode, mode, "{uri_options} {fields}");
        let left = secret.mongodb.unwrap().options;
        assert_eq!(left, [("authSource", "d".to_owned())], "{uri_options}");
        if uri_options.is_empty() {
            assert_eq!(flat(&fields).unwrap().sslmode, mode, "{fields}");
        }
    }
    for (uri_options, fields, says) in [
        ("tls=false", json!({ "ssl": true }), "says ssl = true and tls=false in its uri"),
        ("tls=true", json!({ "sslmode": "disable" }), "says sslmode = disable and tls=true in"),
        ("tlsInsecure=true", json!({ "sslmode": "verify-full" }), "and tlsInsecure=true in its"),
        ("tlsInsecure=false", json!({ "sslmode": "require" }), "and tlsInsecure=false in its uri"),
        ("tls=true&ssl=false", json!({}), "says tls=true in its uri and ssl=false in its uri"),
        ("tls=false&tlsInsecure=true", json!({}), "tls=false in its uri and tlsInsecure=true in"),
        ("", json!({ "tls": "require", "sslmode": "disable" }), "= disable and tls = require"),
        ("tls=yes", json!({}), "has an option tls that is no truth value"),
        ("", json!({ "sslmode": "prefer" }), "sslmode is \"prefer\", which the engine mongodb"),
        ("", json!({ "tls": "verify-ca" }), "tls is \"verify-ca\", which the engine mongodb has"),
        ("", json!({ "sslmode": true }), "sslmode is \"true\", which the engine mongodb has not"),
        ("", json!({ "ssl": 1 }), "field ssl is no text"),
    ] {
        let error = of(&format!("mongodb://u:geheim@h/d?{uri_options}"), &fields).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(says), "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
    let error = flat(&json!({ "sslmode": "prefer" })).unwrap_err();
    assert!(error.hint().contains("disable, require or verify-full"), "{error}");
}

#[test]
fn what_a_connection_string_says_no_field_says_too() {
    for name in ["endpoint", "host", "username", "password", "authsource", "replicaset"] {
        let error = of("mongodb://u:geheim@h/d", &json!({ name: "geheim" })).unwrap_err();
        let says = format!("has the field uri and the field {name}, which say the same");
        assert!(error.what().contains(&says), "{error}");
        assert!(!format!("{error:?} {error}").contains("geheim"), "{error}");
    }
    assert!(of("mongodb://u:p@h/d", &json!({ "port": 1 })).is_err());
    for name in ["databasename", "dbname"] {
        let error = of("mongodb://u:p@h/d", &json!({ name: "d" })).unwrap_err();
        assert!(
            error.what().contains(&format!("the field uri and the field {name}, which")),
            "{error}"
        );
    }
}

#[test]
fn a_connection_string_may_have_its_older_name() {
    let base = json!({ "engine": "mongodb", "MongoURI": "mongodb://u:p@h/shop?tls=false" });
    let secret = parse(&base).unwrap();
    assert_eq!((secret.host.as_str(), secret.database.as_str()), ("h", "shop"));
    assert_eq!((secret.password.expose(), secret.sslmode), ("p", SslMode::Disable));
    assert!(with(&base, &json!({ "uri": "" })).is_ok());
    for (fields, says) in [
        (json!({ "uri": "mongodb://u:p@h/shop" }), "field uri and the field MongoURI, which say"),
        (json!({ "host": "h" }), "has the field MongoURI and the field host, which say the same"),
        (json!({ "MongoURI": "mongodb://u:geheim@h:x/d" }), "field MongoURI has a port of the"),
        (json!({ "MongoURI": 7 }), "field MongoURI is no text"),
        (json!({ "engine": "postgres" }), "field MongoURI, which the engine postgres has not"),
    ] {
        let error = with(&base, &fields).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(says), "{says}: {error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}

#[test]
fn a_database_has_a_name_that_it_can_have() {
    for name in ["a/b", "a\\b", "a.b", "a b", "a\"b", "$a", "a\0b", "*", "shop*"] {
        let uri = format!("mongodb://u:p@h/{}", percent_encoded(name));
        for found in [flat(&json!({ "dbname": name })), of(&uri, &json!({}))] {
            let error = found.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains("in its name"), "{name}: {error}");
        }
    }
    for name in ["shop-1_a", "Läden", "a<b>|?:'x", "admin"] {
        assert_eq!(flat(&json!({ "dbname": name })).unwrap().database, name);
    }
}

#[test]
fn errors_name_the_field_and_hide_the_password() {
    let nothing = json!({});
    for (found, says) in [
        (of("mongodb://h/d", &nothing), "uri names no user, or no password"),
        (of("mongodb://geheim@h/d", &nothing), "uri names no user, or no password"),
        (of("mongodb://geheim:@h/d", &nothing), "uri has an empty password"),
        (of("mongodb://u:ge@heim@h/d", &nothing), "field uri has @ where only"),
        (of("mongodb://u:geheim%40h/d?x%40=1", &nothing), "field uri has a port of the host u"),
        (of("mongodb://u?geheim%40h", &nothing), "field uri has an option, which is not"),
        (of("mongodb://u:p@geheim%40h/d", &nothing), "has a host that is neither a name nor"),
        (of("mongodb://h/d?authMechanism=MONGODB-AWS", &nothing), "MONGODB-AWS, which is not"),
        (of("mongodb://u:p@h/d?authMechanism=geheim", &nothing), "authMechanism that is not"),
        (of("mongodb://u:p@h/d?readPreference=all", &nothing), "that is no read preference: all"),
        (
            of("mongodb://u:p@h/d?readPreference=nearest", &json!({"read-preference": "primary"})),
            "read-preference is \"primary\", and its field uri has the option readPreference=near",
        ),
        (of("mongodb://u:p@h/d", &json!({"authentication": "iam"})), "\"iam\", which is not supp"),
        (flat(&json!({ "authentication": "iam" })), "\"iam\", which is not supported for mongodb"),
        (flat(&json!({ "host": "" })), "no field endpoint, host or uri"),
        (flat(&json!({ "host": "mongodb://u:geheim@h" })), "field host is neither a host's name"),
        (flat(&json!({ "endpoint": "h,geheim" })), "field endpoint is neither a host's name"),
        (flat(&json!({ "host": "db:27017" })), "field host is neither a host's name nor"),
        (flat(&json!({ "password": "" })), "no field password"),
        (flat(&json!({ "username": null })), "no field username"),
        (flat(&json!({ "uri": 7 })), "field uri is no text"),
        (flat(&json!({ "oplog": "maybe" })), "field oplog with value \"maybe\" is not allowed"),
        (flat(&json!({ "collections": "a|b" })), "field collections has the pattern \"a|b\" with"),
        (
            flat(&json!({ "engine": "postgres", "uri": "postgres://u:geheim@h/d" })),
            "has the field uri, which the engine postgres has not",
        ),
    ] {
        let error = found.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(says), "{says}: {error}");
        assert!(!format!("{error:?} {error}").contains("heim"), "{error}");
    }
    let secret = of("mongodb://u:geheim@h/d", &nothing).unwrap();
    assert!(!format!("{secret:?}").contains("geheim"));
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

proptest! {
    /// Whatever user and password are, they come back from both ways of saying them.
    #[test]
    fn user_and_password_come_back(user in "\\PC{0,8}[a-z]", password in "\\PC{1,20}") {
        // A field is trimmed.
        let user = user.trim();
        let uri = format!("mongodb://{}:{}@h", percent_encoded(user), percent_encoded(&password));
        let flat = flat(&json!({ "username": user, "password": &password })).unwrap();
        for secret in [of(&uri, &json!({})).unwrap(), flat] {
            prop_assert_eq!(&secret.username, user);
            prop_assert_eq!(secret.password.expose(), &password);
        }
    }

    /// Whatever else is wrong, and however badly the password is written, nobody sees it.
    #[test]
    fn no_error_shows_the_password(
        password in "[Q-Z]{6,12}",
        inside in "[@:/?#%&=, ]{0,2}",
        rest in prop::sample::select(vec![
            "", "/", "/d?tls=maybe", "/d?x=1", "/d?tls=false&tlsInsecure=true", ":x/d", ",/d",
            "/d?authMechanism=PLAIN", "/d?readPreference=x", "/d#y",
        ]),
        fields in prop::sample::select(vec![
            json!({}), json!({"host": "h"}), json!({"sslmode": "prefer"}), json!({"ssl": false}),
            json!({"databasename": "d"}), json!({"authentication": "iam"}), json!({"jobs": 0}),
        ]),
    ) {
        let (first, second) = password.split_at(3);
        let uri = format!("mongodb://app:{first}{inside}{second}@h{rest}");
        if let Err(error) = of(&uri, &fields) {
            let shown = format!("{error:?} {error}");
            prop_assert!(!shown.contains(first) && !shown.contains(second), "{}", shown);
        }
        if let Err(error) = flat(&json!({ "password": password, "host": rest })) {
            let shown = format!("{error:?} {error}");
            prop_assert!(!shown.contains(first), "{}", shown);
        }
    }
}
