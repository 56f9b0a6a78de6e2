use super::*;

fn body(severity: &str, code: &str, message: &str) -> Vec<u8> {
    format!("SFEHLER\0V{severity}\0C{code}\0M{message}\0R_somewhere\0\0").into_bytes()
}

const CASES: &[(ErrorClass, &str, &str, &str)] = &[
    (ErrorClass::Credentials, "FATAL", "28P01", "password authentication failed for user \"a\""),
    (ErrorClass::Credentials, "FATAL", "28000", "no pg_hba.conf entry for host \"10.0.0.9\""),
    (ErrorClass::Credentials, "FATAL", "28000", "role \"nobody\" does not exist"),
    (ErrorClass::Credentials, "FATAL", "42501", "permission denied for database \"shop\""),
    (ErrorClass::Configuration, "FATAL", "3D000", "database \"shop\" does not exist"),
    (
        ErrorClass::Configuration,
        "FATAL",
        "55000",
        "database \"shop\" is not currently accepting connections",
    ),
    (ErrorClass::Source, "FATAL", "53300", "sorry, too many clients already"),
    (ErrorClass::Source, "FATAL", "57P03", "the database system is starting up"),
    (ErrorClass::Source, "FATAL", "57P01", "terminating connection due to administrator command"),
    (ErrorClass::Source, "FATAL", "25P03", "terminating connection due to idle-in-transaction"),
    (ErrorClass::Source, "FATAL", "08006", "connection failure"),
    (ErrorClass::Source, "ERROR", "57014", "canceling statement due to statement timeout"),
    (ErrorClass::Source, "ERROR", "55P03", "could not obtain lock on relation \"t\""),
    (ErrorClass::Source, "ERROR", "40001", "canceling statement due to conflict with recovery"),
    (ErrorClass::Source, "ERROR", "40P01", "deadlock detected"),
    (ErrorClass::Source, "ERROR", "53100", "could not write to file: No space left on device"),
    (ErrorClass::Source, "ERROR", "53200", "out of memory"),
    (ErrorClass::Engine, "ERROR", "42501", "permission denied for table t"),
    (ErrorClass::Engine, "ERROR", "42501", "query would be affected by row-level security policy"),
    (ErrorClass::Engine, "ERROR", "42P01", "relation \"t\" does not exist"),
    (ErrorClass::Engine, "ERROR", "XX001", "missing chunk number 0 for toast value 16409"),
    (ErrorClass::Engine, "ERROR", "22012", "division by zero"),
];

#[test]
fn codes_mean_what_they_mean() {
    for (class, severity, code, message) in CASES {
        let failure = Failure::database(&body(severity, code, message));
        assert_eq!(failure.code(), Some(*code));
        assert_eq!(failure.is_lost(), *severity == "FATAL", "{failure}");
        let error = Error::from(failure);
        assert_eq!(error.class(), *class, "{error}");
        assert_eq!(error.what(), format!("{severity}: {message} (SQLSTATE {code})"));
        assert!(!error.hint().is_empty() && !error.hint().ends_with('.'), "{error}");
    }
}

#[test]
fn hints_are_those_of_the_clients_messages() {
    let hint = |code: &str, message: &str| {
        Error::from(Failure::database(&body("ERROR", code, message))).hint().to_owned()
    };
    assert!(hint("42501", "permission denied for table t").contains("pg_read_all_data"));
    assert!(hint("42501", "affected by row-level security policy").contains("BYPASSRLS"));
    assert!(hint("40001", "due to conflict with recovery").contains("hot_standby_feedback"));
    assert!(hint("55P03", "could not obtain lock").contains("exclusive lock"));
}

#[test]
fn all_that_helps_is_shown_and_what_is_not_there_is_not() {
    let full = b"SERROR\0C22P02\0Mbad\0Done\0Htwo\0WCOPY t, line 3\0\0";
    let shown = Failure::database(full).to_string();
    assert_eq!(
        shown,
        "ERROR: bad (SQLSTATE 22P02); detail: one; hint: two; context: COPY t, line 3"
    );
    assert_eq!(Failure::database(b"").to_string(), ":  (SQLSTATE )");
    assert!(Failure::database(b"SERROR\0M\xff\0").to_string().contains('\u{fffd}'));
}

#[test]
fn a_broken_connection_may_come_back() {
    let lost = Failure::Lost("gone".to_owned(), io::ErrorKind::BrokenPipe.into());
    assert!(lost.is_lost() && lost.code().is_none());
    assert_eq!(Error::from(lost).class(), ErrorClass::Source);
    let refused = Failure::Unreachable("db".to_owned(), io::ErrorKind::ConnectionRefused.into());
    assert!(Error::from(refused).hint().contains("security group"));
    assert_eq!(Error::from(Failure::Protocol(String::new())).class(), ErrorClass::Engine);
}
