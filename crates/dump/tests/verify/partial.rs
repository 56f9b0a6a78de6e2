//! Backups of chosen tables and schemas: what these refer to is not in them.

use autodump_core::ErrorClass;
use autodump_core::options::{DumpOptions, Selection};
use autodump_core::pattern::Pattern;
use autodump_core::verification::Level;

use super::support::backup::{jobs, shop};
use super::{Backup, ours, tried};

const CONTENT: &str = r#"
    CREATE SCHEMA app; CREATE SCHEMA "Ot her";
    CREATE TYPE app.mood AS ENUM ('good', 'bad');
    CREATE FUNCTION app.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TABLE app.customers (id bigint PRIMARY KEY);
    CREATE TABLE "Ot her".countries (id bigint PRIMARY KEY);
    CREATE TABLE app.notes (id bigserial PRIMARY KEY, note text);
    CREATE TABLE app.orders (customer bigint REFERENCES app.customers);
    CREATE TABLE app.places (country bigint REFERENCES "Ot her".countries);
    CREATE TABLE app.moods (mood app.mood);
    CREATE TABLE app.watched (id bigint);
    CREATE TRIGGER audit BEFORE INSERT ON app.watched
        FOR EACH ROW EXECUTE PROCEDURE app.audit();
    INSERT INTO app.notes (note) SELECT 'n' || i FROM generate_series(1, 100) i;
    INSERT INTO app.moods VALUES ('good');
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_chosen_is_no_damage() {
    let Some(server) = shop(CONTENT) else { return };
    let table = |name: &str| Selection {
        tables: vec![Pattern::table(name).unwrap()],
        ..Selection::default()
    };
    let schema = |name: &str| Selection {
        schemas: vec![Pattern::schema(name).unwrap()],
        ..Selection::default()
    };
    for (selection, lacks) in [
        (table("app.notes"), None),
        (table("\"Ot her\".countries"), None),
        (table("app.orders"), Some("relation app.customers")),
        (table("app.places"), Some("schema Ot her")),
        (table("app.moods"), Some("type app.mood")),
        (table("app.watched"), Some("function app.audit")),
        (schema("app"), Some("schema Ot her")),
    ] {
        let options = DumpOptions { selection, ..jobs(2) };
        let backup = Backup::with(&server, options).await;
        for given in [None, Some(&server)] {
            let manifest = backup.write_manifest();
            let done = tried(&backup.store, manifest, Level::Restore, given).await;
            let Some(lacks) = lacks else {
                assert_eq!(done.unwrap().problems, Vec::<String>::new());
                continue;
            };
            let error = done.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Engine, "{error}");
            assert!(error.what().contains(&format!("refers to {lacks}, which is not")), "{error}");
        }
    }
    assert_eq!(ours(&server), 0);
}
