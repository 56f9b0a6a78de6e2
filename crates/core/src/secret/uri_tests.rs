use proptest::prelude::*;

use super::*;
use crate::error::ErrorClass;

fn parse(text: &str) -> MongoUri {
    MongoUri::parse(text).unwrap()
}

#[test]
fn a_whole_one_is_taken_apart() {
    let uri = parse(
        "mongodb://app%40x:p&s%25%2f%3a@db-1.example,[::1]:2,db-3.example:27018/sh%20op\
         ?TLS=true&replicaset=rs0&readPreference=secondaryPreferred",
    );
    assert_eq!(uri.username.as_deref(), Some("app@x"));
    assert_eq!(uri.password.as_ref().map(Hidden::expose), Some("p&s%/:"));
    let hosts = [("db-1.example", 27017), ("::1", 2), ("db-3.example", 27018)];
    assert_eq!(uri.hosts, hosts.map(|(host, port)| (host.to_owned(), port)));
    assert_eq!(uri.database.as_deref(), Some("sh op"));
    assert_eq!(uri.option("tls"), Some("true"));
    assert_eq!(uri.option("replicaSet"), Some("rs0"));
    assert_eq!(uri.option("authSource"), None);
    assert_eq!(uri.shown(), "mongodb://db-1.example:27017,[::1]:2,db-3.example:27018/sh op");
}

#[test]
fn little_is_needed() {
    let uri = parse("mongodb://h");
    assert_eq!((uri.srv, uri.hosts), (false, vec![("h".to_owned(), 27017)]));
    assert_eq!((uri.username, uri.password, uri.database), (None, None, None));
    let uri = parse(" mongodb+srv://u:p@cluster.example/?retryWrites=false\n");
    assert_eq!(uri.rebuilt().expose(), "mongodb+srv://u:p@cluster.example/?retryWrites=false");
    assert!(parse("mongodb://u@h?tls=true").password.is_none());
}

#[test]
fn what_is_wrong_is_said_and_the_password_is_not() {
    for (text, says) in [
        ("postgres://u:geheim@h/d", "begins with neither"),
        ("mongodb://u:ge@heim@h/d", "has @ where"),
        ("mongodb://u:ge:heim@h/d", "has : where"),
        ("mongodb://u:ge/heim@h/d", "has /, ?, # or @ where"),
        ("mongodb://u:ge?heim@h/d", "has /, ?, # or @ where"),
        ("mongodb://u:ge#heim@h/d", "has /, ?, # or @ where"),
        ("mongodb://u:geheim%zz@h/d", "has a % in the password"),
        ("mongodb://u:geheim%2@h/d", "has a % in the password"),
        ("mongodb://geheim%@h/d", "has a % in the user name"),
        ("mongodb://u:geheim%ff@h/d", "in the password that are no UTF-8"),
        ("mongodb://:geheim@h/d", "no user name"),
        ("mongodb://u:geheim@/d", "empty name for a host"),
        ("mongodb://u:geheim@h,/d", "empty name for a host"),
        ("mongodb://u:geheim@%2Ftmp%2Fx.sock/d", "a socket"),
        ("mongodb://u:geheim@h:0/d", "port of the host h that is none"),
        ("mongodb://u:geheim@h:x/d", "port of the host h that is none"),
        ("mongodb://u:geheim@[::1]27017/d", "port of the host ::1 that is none"),
        ("mongodb+srv://u:geheim@h:27017/d", "with a port"),
        ("mongodb+srv://u:geheim@h,i/d", "several hosts"),
        ("mongodb://u:geheim@h/d?tls=true&tls=false", "the option tls twice"),
        ("mongodb://u:geheim@h/d?tlsCAFile=/x", "the option \"tlsCAFile\", which"),
        ("mongodb://u:geheim@h/d?serverSelectionTimeoutMS=5", "\"serverSelectionTimeoutMS\""),
        ("mongodb://u:geheim@h/d#x", "has a #"),
    ] {
        let error = MongoUri::parse(text).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{text}");
        assert!(error.what().starts_with("the secret's field uri "), "{error}");
        assert!(error.what().contains(says), "{text}: {error}");
        assert!(!format!("{error:?} {error}").contains("heim"), "{error}");
    }
}

#[test]
fn the_password_is_not_in_debug() {
    let uri = parse("mongodb://u:geheim@h/d");
    assert!(!format!("{uri:?} {:?} {}", uri.rebuilt(), uri.shown()).contains("geheim"));
}

proptest! {
    /// Whatever user, password and database are, they come back.
    #[test]
    fn what_is_rebuilt_is_read_alike(
        user in ".{1,20}",
        password in ".{0,20}",
        database in ".{1,9}",
    ) {
        let uri = MongoUri {
            srv: false,
            hosts: vec![("h".to_owned(), 1), ("::1".to_owned(), 2)],
            username: Some(user),
            password: Some(Hidden::from(password)),
            database: Some(database),
            options: vec![("authSource", "ad&min".to_owned()), ("tls", "true".to_owned())],
        };
        prop_assert_eq!(MongoUri::parse(uri.rebuilt().expose()).unwrap(), uri);
    }

    /// Nothing panics.
    #[test]
    fn nonsense_is_borne(text in "(mongodb(\\+srv)?://)?[a-z:@/?#%,&=\\[\\]0-9]{0,40}") {
        let _ = MongoUri::parse(&text);
    }
}
