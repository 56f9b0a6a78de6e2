//! Tags and secrets that are wrong, and a server that refuses: each beside a good target.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::Options;
use serde_json::{Value, json};

use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(bad_tags_are_reported_and_stop_nobody),
    case!(bad_secrets_fail_as_configuration_and_stop_nobody),
    case!(a_wrong_password_fails_as_credentials),
    case!(an_unknown_database_fails_as_configuration),
    case!(a_certificate_of_an_unknown_authority_is_refused),
    case!(a_forbidden_table_fails_as_engine),
];

async fn bad_tags_are_reported_and_stop_nobody(world: Arc<World>) -> Result<()> {
    world.small_database("beside bad tags")?;
    let value = world.value("beside bad tags");
    let bad = [
        ("e2e/bad-cron", vec![(SCHEDULE, "0 25 - - -")], "no cron expression"),
        ("e2e/bad-zone", vec![(SCHEDULE, FAR), ("autodump:timezone", "Mars/Base")], "Mars/Base"),
        ("e2e/bad-name", vec![(SCHEDULE, FAR), ("autodump:tz", "UTC")], "autodump:tz"),
    ];
    let mut targets = Vec::new();
    for (name, tags, _) in &bad {
        targets.push(world.secret(name, &value, tags).await?);
    }
    let good = world.secret("e2e/beside-bad-tags", &value, &[(SCHEDULE, FAR)]).await?;
    let answers = world.cloud.fire_scan().await?;
    let reported = answers[0]["rejections"].to_string();
    for ((name, _, words), target) in bad.iter().zip(&targets) {
        ensure!(reported.contains(&target.arn) && reported.contains(words), "{reported}");
        ensure!(world.executions(target).await?.is_empty(), "{name} has an execution");
    }
    let log = world.scanner_log()?;
    ensure!(log.contains("target rejected") && log.contains("Mars/Base"), "{log}");
    ensure!(log.contains("TargetsRejected") && log.contains("CloudWatchMetrics"), "{log}");
    let run = world.run_now(&good).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    world.one_backup_equals(&good, "beside bad tags").await
}

async fn bad_secrets_fail_as_configuration_and_stop_nobody(world: Arc<World>) -> Result<()> {
    world.small_database("beside bad secrets")?;
    let good_value = world.value("beside bad secrets");
    let with = |field: &str, value: Value| {
        let mut changed = good_value.clone();
        changed[field] = value;
        changed
    };
    let bad = [
        ("e2e/bad-engine", with("engine", json!("oracle")), "oracle"),
        ("e2e/no-host", with("endpoint", json!(null)), "endpoint or host"),
        ("e2e/bad-port", with("port", json!("55x")), "55x"),
        ("e2e/no-json", json!("password=topsecret"), "no JSON object"),
    ];
    let mut runs = Vec::new();
    for (name, value, words) in bad {
        let target = world.secret(name, &value, &[(SCHEDULE, FAR)]).await?;
        runs.push((world.run_now(&target).await?, target, words));
    }
    let good = world.secret("e2e/beside-bad-secrets", &good_value, &[(SCHEDULE, FAR)]).await?;
    let good_run = world.run_now(&good).await?;
    for (run, target, words) in &runs {
        let said = ["configuration", "exit code 10", "The next run is scheduled"];
        world.fails_in(run, "Failed: configuration", &said).await?;
        let log = world.job_log(run);
        ensure!(log.contains(words) && !log.contains("topsecret"), "{log}");
        let attempts = world.jobs_of(run).first().map_or(0, |job| job.attempts.len());
        ensure!(attempts == 1, "{attempts} attempts, though a retry does not help");
        world.nothing_is_left_but_the_next_run(target).await?;
    }
    world.succeeds_in(&good_run, "Backup complete").await?;
    world.one_backup_equals(&good, "beside bad secrets").await
}

/// One secret, one run, which fails in `state`; the log, which is returned, holds `words`.
async fn fails(
    world: &World,
    name: &str,
    value: &Value,
    state: &str,
    words: &str,
) -> Result<String> {
    let target = world.secret(name, value, &[(SCHEDULE, FAR)]).await?;
    let run = world.run_now(&target).await?;
    world.fails_in(&run, state, &["The next run is scheduled", "stream"]).await?;
    let log = world.job_log(&run);
    ensure!(log.contains(words), "{log}");
    world.nothing_is_left_but_the_next_run(&target).await?;
    Ok(log)
}

async fn a_wrong_password_fails_as_credentials(world: Arc<World>) -> Result<()> {
    let mut value = world.value("postgres");
    value["password"] = json!("not-the-password");
    let log =
        fails(&world, "e2e/wrong-password", &value, "Failed: credentials", "authentication failed")
            .await?;
    ensure!(!log.contains("not-the-password"), "the password is in the log: {log}");
    Ok(())
}

async fn an_unknown_database_fails_as_configuration(world: Arc<World>) -> Result<()> {
    let value = world.value("there is no such");
    fails(&world, "e2e/unknown-database", &value, "Failed: configuration", "does not exist")
        .await
        .map(drop)
}

async fn a_certificate_of_an_unknown_authority_is_refused(world: Arc<World>) -> Result<()> {
    let bundle = Options::new().project.join("batch-image/rds-ca-bundle.pem");
    let bundle = std::fs::read_to_string(bundle)?;
    let end = "-----END CERTIFICATE-----\n";
    let first = bundle.split_inclusive(end).next().context("no certificate in the bundle")?;
    let mut value = world.value("postgres");
    value["sslrootcert"] = json!(first);
    fails(&world, "e2e/unknown-authority", &value, "Failed: configuration", "certificate")
        .await
        .map(drop)
}

async fn a_forbidden_table_fails_as_engine(world: Arc<World>) -> Result<()> {
    world.small_database("forbidden")?;
    world.server.sql("forbidden", "CREATE ROLE \"reads little\" LOGIN PASSWORD 'x'")?;
    let mut value = world.value("forbidden");
    value["username"] = json!("reads little");
    value["password"] = json!("x");
    fails(&world, "e2e/forbidden", &value, "Failed: engine", "permission denied").await.map(drop)
}
