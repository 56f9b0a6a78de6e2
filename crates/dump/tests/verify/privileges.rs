//! As whom a backup is restored: what its tables' owners can make is no reason for a superuser.

use autodump_core::ErrorClass;
use autodump_core::verification::Level;

use super::{Backup, refuses, shop, tried, verify};

/// A server of an ordinary role, who makes a mapping for herself.
const MAPPING: &str = "
    CREATE ROLE carol;
    CREATE EXTENSION postgres_fdw;
    GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO carol;
    SET ROLE carol;
    CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1');
    CREATE USER MAPPING FOR carol SERVER far OPTIONS (password 'x', password_required 'true');
";

#[tokio::test]
async fn a_mapping_of_an_ordinary_role_is_no_reason_for_a_superuser() {
    let Some(server) = shop() else { return };
    server.sql("shop", &refuses("app", ""));
    server.sql("shop", MAPPING);
    let done = verify(&Backup::of(&server).await, Level::Restore, None).await;
    assert_eq!(done.problems, Vec::<String>::new());

    let alter = "ALTER USER MAPPING FOR carol SERVER far OPTIONS (SET password_required";
    for (value, carol, superuser) in [
        ("True", true, true),
        ("ON", true, true),
        ("Off", false, true),
        ("FALSE", false, true),
        ("no", false, false),
        ("f", false, false),
        ("0", false, false),
    ] {
        for (role, may) in [("carol", carol), ("postgres", superuser)] {
            let sql = format!("BEGIN; SET LOCAL ROLE {role}; {alter} '{value}'); ROLLBACK");
            let done = server.psql("shop", &sql);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(said.is_empty(), may, "{role}: {value}: {said}");
        }
    }

    server.sql("shop", &format!("{alter} 'false')"));
    let backup = Backup::of(&server).await;
    let done = tried(&backup.store, backup.write_manifest(), Level::Restore, None).await;
    let error = done.unwrap_err();
    assert!(error.what().contains("this is restored as superuser"), "{error}");
}

/// A range that its own function names, which needs a superuser to be restored: not verified,
/// and nothing of it has run as one.
#[tokio::test]
async fn a_range_in_a_circle_is_no_reason_for_a_superuser() {
    let Some(server) = shop() else { return };
    if server.major() < 14 {
        eprintln!("SKIPPED: functions with a parsed body need PostgreSQL 14");
        return;
    }
    server.sql("shop", &refuses("app", ""));
    server.sql(
        "shop",
        "GRANT ALL ON SCHEMA app TO alice; SET ROLE alice;
         CREATE FUNCTION app.apart(a float8, b float8) RETURNS float8 IMMUTABLE LANGUAGE sql
            RETURN a - b;
         CREATE TYPE app.span AS RANGE (subtype = float8, subtype_diff = app.apart);
         CREATE OR REPLACE FUNCTION app.apart(a float8, b float8) RETURNS float8 IMMUTABLE
            LANGUAGE sql RETURN a - b + lower('[0,1]'::app.span);",
    );
    let backup = Backup::of(&server).await;
    assert!(String::from_utf8_lossy(&backup.content("toc.dat")).contains("SHELL TYPE"));
    let done = tried(&backup.store, backup.write_manifest(), Level::Restore, None).await;
    let error = done.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine, "{error}");
    assert!(error.what().contains("must be superuser to create a base type"), "{error}");
}
