use bson::doc;

use super::*;

fn command(code: i32, name: &str, message: &str) -> DriverError {
    let reply = doc! {"code": code, "codeName": name, "errmsg": message};
    ErrorKind::Command(bson::deserialize_from_document(reply).unwrap()).into()
}

#[test]
fn what_the_server_refuses_has_its_class_and_its_own_words() {
    for (code, name, class, passes) in [
        (18, "AuthenticationFailed", ErrorClass::Credentials, true),
        (13, "Unauthorized", ErrorClass::Credentials, false),
        (26, "NamespaceNotFound", ErrorClass::Source, false),
        (43, "CursorNotFound", ErrorClass::Source, true),
        (63, "StaleShardVersion", ErrorClass::Source, true),
        (133, "FailedToSatisfyReadPreference", ErrorClass::Source, true),
        (136, "CappedPositionLost", ErrorClass::Source, false),
        (150, "StaleEpoch", ErrorClass::Source, true),
        (175, "QueryPlanKilled", ErrorClass::Source, false),
        (8000, "AtlasError", ErrorClass::Engine, false),
        (13388, "StaleConfig", ErrorClass::Source, true),
        (11600, "InterruptedAtShutdown", ErrorClass::Source, true),
        (13436, "NotPrimaryOrSecondary", ErrorClass::Source, true),
        (2, "BadValue", ErrorClass::Engine, false),
    ] {
        let error = command(code, name, "the words");
        assert_eq!(is_passing(&error), passes, "{name}");
        let error = explain(&error, "mongodb://h:1/", "shop.a cannot be read");
        assert_eq!(error.class(), class, "{error}");
        let expected =
            format!("shop.a cannot be read at mongodb://h:1/: the words ({name}, {code})");
        assert_eq!(error.what(), expected);
    }
    assert!(
        is_refusal(&command(2, "BadValue", "")) && is_refusal(&command(13, "Unauthorized", ""))
    );
    for code in [18, 136, 175, 13388] {
        assert!(!is_refusal(&command(code, "", "")), "{code}");
    }
}

#[test]
fn a_lost_connection_is_an_error_of_the_source() {
    let error = DriverError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    assert!(is_passing(&error) && !is_refusal(&error));
    assert_eq!(explain(&error, "h", "x").class(), ErrorClass::Source);
}

/// What the driver writes when no server can be used, as version 3.9 has it.
fn unreachable(cause: &str) -> String {
    format!(
        "Server selection timeout: No available servers. Topology: {{ Type: Unknown, Servers: [ {{ \
         Address: a:1, Type: Unknown, Error: Kind: {cause}, labels: {{}}, source: None, server \
         response: None }}, {{ Address: b:1, Type: Unknown, Error: Kind: {cause}, labels: \
         {{\"x\"}}, source: None, server response: None }} ] }}"
    )
}

#[test]
fn of_a_servers_state_only_the_causes_are_told() {
    for (cause, told, class, says) in [
        (
            "I/O error: Connection refused (os error 111)",
            "Connection refused (os error 111)",
            ErrorClass::Source,
            "security group",
        ),
        (
            "I/O error: invalid peer certificate: UnknownIssuer",
            "invalid peer certificate: UnknownIssuer",
            ErrorClass::Configuration,
            "sslrootcert",
        ),
        (
            "I/O error: failed to lookup address information: Name or service not known",
            "failed to lookup address information: Name or service not known",
            ErrorClass::Configuration,
            "endpoint",
        ),
        (
            "I/O error: received corrupt message of type InvalidContentType",
            "received corrupt message of type InvalidContentType",
            ErrorClass::Configuration,
            "has no TLS",
        ),
        // As a server ends that goes away, and one that has no TLS.
        ("I/O error: tls handshake eof", "tls handshake eof", ErrorClass::Source, "TLS"),
    ] {
        let (found, why, hint) = of_text(causes(&unreachable(cause)));
        assert_eq!((found, why.as_str()), (class, told));
        assert!(hint.contains(says), "{hint}");
    }
    let unsuitable = "Server selection timeout: None of the available servers suitable";
    assert_eq!(of_text(causes(unsuitable)).1, unsuitable);
}
