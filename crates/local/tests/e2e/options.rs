//! What is dumped and how: by tags and by fields of the secret.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::compare;
use autodump_local::postgres::{self, Postgres};
use serde_json::json;

use crate::backups::Backup;
use crate::databases::{make_database, plain_value};
use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(tags_say_what_is_dumped_and_how),
    case!(fields_of_the_secret_say_so_too_and_tags_win),
    case!(all_databases_of_a_server_are_dumped_each_by_itself),
    case!(wrong_options_are_reported_and_nothing_is_dumped),
];

const TABLES: &str = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
                      WHERE relnamespace = to_regnamespace('shop') AND relkind IN ('r', 'p')";

/// The tables whose rows a backup has.
fn with_rows(backup: &Backup) -> BTreeSet<&str> {
    let tables = backup.manifest["tables"].as_array().into_iter().flatten();
    tables.filter_map(|table| table["name"].as_str()).collect()
}

async fn tags_say_what_is_dumped_and_how(world: Arc<World>) -> Result<()> {
    world.small_database("by tags")?;
    let tags = [
        (SCHEDULE, FAR),
        ("autodump:compression", "gzip:6"),
        ("autodump:jobs", "2"),
        ("autodump:exclude-tables", "shop.document shop.no+"),
        ("autodump:exclude-table-data", "shop.orders_2025"),
    ];
    let target = world.secret("e2e/by-tags", &world.value("by tags"), &tags).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    let backup = world.one_backup(&target).await?;
    let method = &backup.manifest["method"];
    ensure!(method["compression"] == "gzip:6", "{method}");
    ensure!(method["jobs"].as_u64().is_some_and(|jobs| (1..=2).contains(&jobs)), "{method}");
    let expected = ["customer", "odd \"name\" – ünïcode", "orders_2024", "orders_rest"];
    ensure!(with_rows(&backup) == expected.into(), "{:?}", with_rows(&backup));

    world.restores_by_hand(&backup, &world.server, "by tags restored").await?;
    let restored = world.server.sql("by tags restored", TABLES)?;
    let expected = "customer odd \"name\" – ünïcode orders orders_2024 orders_2025 orders_rest";
    ensure!(restored == expected, "{restored}");
    let rows = |table: &str, database: &str| {
        world.server.sql(database, &format!("SELECT count(*) FROM shop.{table}"))
    };
    ensure!(rows("orders_2024", "by tags")? == rows("orders_2024", "by tags restored")?);
    ensure!(rows("orders_2025", "by tags restored")? == "0");
    Ok(())
}

async fn fields_of_the_secret_say_so_too_and_tags_win(world: Arc<World>) -> Result<()> {
    world.small_database("by fields")?;
    world.server.sql("by fields", "CREATE TABLE public.other AS SELECT 1 AS n")?;
    let mut value = world.value("by fields");
    value["compression"] = json!("gzip:9");
    value["schemas"] = json!(["shop"]);
    value["exclude-tables"] = json!(["*.document"]);
    let tags = [(SCHEDULE, FAR), ("autodump:compression", "none")];
    let target = world.secret("e2e/by-fields", &value, &tags).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    let backup = world.one_backup(&target).await?;
    ensure!(backup.manifest["method"]["compression"] == "none", "{}", backup.manifest["method"]);
    let tables = with_rows(&backup);
    ensure!(tables.contains("orders_2024") && tables.contains("customer"), "{tables:?}");
    ensure!(!tables.contains("other") && !tables.contains("document"), "{tables:?}");
    ensure!(!backup.keys().iter().any(|key| key.contains(".dat.")), "{:?}", backup.keys());
    Ok(())
}

/// On a server of its own. Each database has a manifest, and all are verified.
async fn all_databases_of_a_server_are_dumped_each_by_itself(world: Arc<World>) -> Result<()> {
    let server = Postgres::start(&postgres::Options::default())?;
    make_database(&server, "one", "0.01")?;
    make_database(&server, "the other", "0.01")?;
    server.sql("postgres", "CREATE ROLE \"some body\" NOLOGIN")?;
    server.sql("postgres", "CREATE DATABASE closed ALLOW_CONNECTIONS false")?;
    let mut value = plain_value(&server, "one");
    value["databases"] = json!("all");
    let tags = [(SCHEDULE, FAR), ("autodump:globals", "yes"), ("autodump:verify", "archive")];
    let target = world.secret("e2e/all-databases", &value, &tags).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;

    let backups = world.backups(&target).await?;
    let names: BTreeSet<_> =
        backups.iter().filter_map(|backup| backup.manifest["database"].as_str()).collect();
    ensure!(names == ["one", "postgres", "the other"].into(), "{names:?}");
    ensure!(backups.len() == 3);
    let objects = world.objects(&target).await?;
    for backup in &backups {
        let (directory, _) = backup.key.rsplit_once('/').context("no directory")?;
        let here = |file: &str| {
            let of_this = objects.iter().filter(|object| object.key.starts_with(directory));
            of_this.filter(|object| object.key.contains(file)).count()
        };
        ensure!(here("/verification-") == 1 && here("/globals.sql") == 1, "{objects:?}");
        let globals = backup.keys().into_iter().find(|key| key.ends_with("/globals.sql"));
        let globals = globals.context("the manifest does not know globals.sql")?;
        let globals = world.api().get_object(world.bucket()?, globals).await?;
        let globals = String::from_utf8(globals.into())?;
        ensure!(globals.contains("CREATE ROLE \"some body\""), "{globals}");
    }
    for name in ["one", "the other"] {
        let backup = backups.iter().find(|backup| backup.manifest["database"] == name);
        let restored = format!("{name} restored");
        world.restores_by_hand(backup.context(name)?, &server, &restored).await?;
        let source = compare::fingerprint(&server, name)?;
        compare::assert_equal(&source, &compare::fingerprint(&server, &restored)?)?;
    }
    Ok(())
}

/// Wrong tags are the scanner's to report; wrong fields are known only to the job.
async fn wrong_options_are_reported_and_nothing_is_dumped(world: Arc<World>) -> Result<()> {
    let value = world.value("never dumped");
    let tags = [(SCHEDULE, FAR), ("autodump:compression", "rar"), ("autodump:jobs", "many")];
    let target = world.secret("e2e/bad-options", &value, &tags).await?;
    let answers = world.cloud.fire_scan().await?;
    let reported = answers[0]["rejections"].to_string();
    ensure!(reported.contains(&target.arn), "{reported}");
    ensure!(reported.contains("rar") && reported.contains("many"), "{reported}");
    ensure!(world.executions(&target).await?.is_empty());
    world.api().delete_secret(&target.arn, true).await?;

    let mut value = value;
    value["lock-timeout"] = json!("soon");
    let target = world.secret("e2e/bad-fields", &value, &[(SCHEDULE, FAR)]).await?;
    let run = world.run_now(&target).await?;
    world.fails_in(&run, "Failed: configuration", &["exit code 10"]).await?;
    let log = world.job_log(&run);
    ensure!(log.contains("lock-timeout") && log.contains("soon"), "{log}");
    world.nothing_is_left_but_the_next_run(&target).await
}
