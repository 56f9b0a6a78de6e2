//! What a restored backup reaches for outside of itself: this process, locales, other servers.

use autodump_core::ErrorClass;
use autodump_core::verification::Level;
use rustix::process::{DumpableBehavior, dumpable_behavior};

use super::{Backup, ours, shop, tried, verify};

/// Reads what it can of the processes above it, and says it in an error.
const PEEK: &str = r"
    CREATE FUNCTION app.peek() RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        pid text := 'self'; what text; seen text := '';
    BEGIN
        IF current_database() !~ '^autodump_verify_' THEN RETURN 'at home'; END IF;
        IF (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN
            seen := 'as superuser: ';
        END IF;
        BEGIN
            FOR i IN 1..2 LOOP
                what := encode(pg_read_binary_file('/proc/' || pid || '/stat', 0, 999), 'escape');
                pid := split_part(regexp_replace(what, '^.*[)] ', ''), ' ', 2);
            END LOOP;
            seen := seen || 'found; ';
        EXCEPTION WHEN OTHERS THEN seen := seen || sqlerrm || '; ';
        END;
        FOREACH what IN ARRAY ARRAY['environ', 'mem', 'maps'] LOOP
            BEGIN
                seen := seen || encode(pg_read_binary_file('/proc/' || pid || '/' || what, 0, 9999), 'escape');
            EXCEPTION WHEN OTHERS THEN seen := seen || sqlerrm || '; ';
            END;
        END LOOP;
        BEGIN
            seen := seen || array(SELECT pg_ls_dir('/proc/' || pid || '/fd'))::text;
        EXCEPTION WHEN OTHERS THEN seen := seen || sqlerrm || '; ';
        END;
        RAISE EXCEPTION 'peeked: %', seen;
    END $$;
    CREATE MATERIALIZED VIEW app.peeked AS SELECT app.peek();
";

/// What the owner of a table has made runs here as nobody in particular; and even where the
/// backup has what needs a superuser, it cannot look into this process. (A root's server runs as
/// another user, who could not anyway: so the state itself is looked at, too.)
#[tokio::test]
async fn what_is_restored_cannot_look_into_us() {
    let Some(server) = shop() else { return };
    server.sql("shop", PEEK);
    for with in [None, Some("CREATE PUBLICATION everything FOR ALL TABLES")] {
        if let Some(with) = with {
            server.sql("shop", with);
        }
        let backup = Backup::of(&server).await;
        let manifest = backup.write_manifest();
        let done = tried(&backup.store, manifest, Level::Restore, None).await;
        let error = done.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Engine, "{error}");
        let said = error.to_string();
        let (_, seen) = said.split_once("peeked: ").unwrap_or_else(|| panic!("{said}"));
        assert_eq!(seen.starts_with("as superuser: found; "), with.is_some(), "{seen}");
        let denied = seen.to_lowercase().matches("permission denied").count();
        assert!(denied >= 3, "{seen}");
        assert!(!seen.contains("CARGO") && !seen.contains("PATH="), "{seen}");
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}

/// A server without the dumped locale: what is good is good, and nothing is called damaged that
/// the other locale may be to blame for.
#[tokio::test]
async fn a_locale_that_is_not_there_damages_nothing() {
    let Some(server) = shop() else { return };
    let mut backup = Backup::of(&server).await;
    backup.replace_text(" 'C.UTF-8'", " 'q.UTF-8'");
    for given in [None, Some(&server)] {
        let done = verify(&backup, Level::Restore, given).await;
        assert_eq!(done.problems, Vec::<String>::new());
    }
    let mut other_rows = backup.copy();
    other_rows.replace_text("total numeric(12,2)", "total numeric(12,1)");
    let done = verify(&other_rows, Level::Restore, None).await;
    assert!(done.problems[0].contains("table app.orders has 60000 rows with the hash"));
    backup.replace_text("CREATE TABLE app.nothing (", "CREATE TABLE app.anybody (");
    let done = tried(&backup.store, backup.write_manifest(), Level::Restore, None).await;
    let error = done.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.what().contains("this server lacks that of the backup"), "{error}");
}

/// Subscriptions would connect to production, and keep the database from being dropped.
#[tokio::test]
async fn subscriptions_are_left_out() {
    let Some(server) = shop() else { return };
    server.sql(
        "shop",
        "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p \
         WITH (connect = false, slot_name = NONE)",
    );
    server.sql("shop", "COMMENT ON SUBSCRIPTION s IS 'of production'");
    let backup = Backup::of(&server).await;
    assert!(String::from_utf8_lossy(&backup.content("toc.dat")).contains("CREATE SUBSCRIPTION"));
    for given in [None, Some(&server)] {
        let done = verify(&backup, Level::Restore, given).await;
        assert_eq!(done.problems, Vec::<String>::new());
    }
    assert_eq!(ours(&server), 0);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_subscription").trim(), "1");
}

/// What an event trigger does to rows while they are restored is not the backup's fault.
#[tokio::test]
async fn event_triggers_are_left_out() {
    let Some(server) = shop() else { return };
    server.sql(
        "shop",
        "CREATE TABLE app.audit (tag text);
         CREATE FUNCTION app.note() RETURNS event_trigger LANGUAGE plpgsql AS
             'BEGIN INSERT INTO app.audit VALUES (tg_tag); END';
         CREATE MATERIALIZED VIEW app.totals AS SELECT sum(total) FROM app.orders;
         CREATE MATERIALIZED VIEW app.sums AS SELECT * FROM app.totals;
         CREATE UNIQUE INDEX ON app.totals (sum);
         CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE PROCEDURE app.note();
         COMMENT ON EVENT TRIGGER note IS 'who did what'",
    );
    let backup = Backup::of(&server).await;
    assert!(String::from_utf8_lossy(&backup.content("toc.dat")).contains("CREATE EVENT TRIGGER"));
    for given in [None, Some(&server)] {
        let done = verify(&backup, Level::Restore, given).await;
        assert_eq!(done.problems, Vec::<String>::new());
    }
}

/// Amounts are written by `lc_monetary`, which the server may have of another kind: so other rows
/// in such tables are no damage.
#[tokio::test]
async fn rows_with_amounts_of_money_are_counted() {
    let Some(server) = shop() else { return };
    server.sql(
        "shop",
        "CREATE TYPE app.price AS (amount money, per text); CREATE DOMAIN app.fee AS money;
         CREATE TABLE app.bills (amount money, bill numeric(5,2));
         INSERT INTO app.bills VALUES ('12.50', 0.25);
         CREATE TABLE app.prices (prices app.price[], price numeric(5,2));
         INSERT INTO app.prices VALUES (ARRAY[('1'::money, 'kg')::app.price], 0.25);
         CREATE TABLE app.fees (fee app.fee, fees numeric(5,2));
         INSERT INTO app.fees VALUES ('3', 0.25);
         CREATE TABLE app.plain (plain numeric(5,2)); INSERT INTO app.plain VALUES (0.25)",
    );
    let mut backup = Backup::of(&server).await;
    for column in ["bill", "price", "fees", "plain"] {
        let of = |scale| format!("{column} numeric(5,{scale})");
        backup.replace_text(&of(2), &of(1));
    }
    let done = verify(&backup, Level::Restore, None).await;
    let [problem] = done.problems.as_slice() else { panic!("{:?}", done.problems) };
    assert!(problem.starts_with("table app.plain has 1 rows with the hash"), "{problem}");
}
