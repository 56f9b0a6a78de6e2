//! The state machine of restores.

use std::sync::Arc;

use anyhow::{Result, ensure};
use autodump_local::api::Execution;
use autodump_local::{Fault, FaultRule, Signal, compare};
use serde_json::{Value, json};

use crate::backups::Backup;
use crate::databases::make_large_database;
use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_restore_fills_an_empty_database),
    case!(a_database_that_is_not_empty_is_refused_and_left_alone),
    case!(options_of_a_restore_are_passed_on),
    case!(an_input_that_is_not_whole_starts_no_job),
    case!(what_cannot_be_restored_is_said_by_its_class),
    case!(answers_that_break_off_are_asked_for_again),
    case!(a_killed_restore_is_not_started_again),
];

impl World {
    /// The backup of a database, made now.
    async fn dumped(&self, name: &str, database: &str) -> Result<Backup> {
        let target = self.secret(name, &self.value(database), &[(SCHEDULE, FAR)]).await?;
        let run = self.run_now(&target).await?;
        self.succeeds_in(&run, "Backup complete").await?;
        self.one_backup(&target).await
    }

    /// A new database and a secret of it that may be restored into; returns the secret's name.
    async fn empty(&self, database: &str) -> Result<String> {
        self.server.create_database(database)?;
        let name = database.replace(' ', "/");
        let tags = [("autodump:restore-target", "yes")];
        self.secret(&name, &self.value(database), &tags).await?;
        Ok(name)
    }

    async fn restore(&self, name: &str, input: &Value) -> Result<Execution> {
        let machine = self.stack.restore_state_machine()?;
        let arn = self.api().start_execution(machine, name, input).await?;
        self.api().describe_execution(&arn).await
    }

    fn equal(&self, source: &str, restored: &str) -> Result<()> {
        let source = compare::fingerprint(&self.server, source)?;
        compare::assert_equal(&source, &compare::fingerprint(&self.server, restored)?)
    }
}

async fn a_restore_fills_an_empty_database(world: Arc<World>) -> Result<()> {
    world.small_database("restorable")?;
    let backup = world.dumped("e2e/restorable", "restorable").await?;
    let to = world.empty("e2e restored").await?;
    let input = json!({"manifest": backup.url(&world)?, "to": to});
    let run = world.restore("e2e-restored", &input).await?;
    world.succeeds_in(&run, "Restore complete").await?;
    let states = world.api().states_entered(&run.arn).await?;
    ensure!(
        states
            == [
                "Is the input whole?",
                "Take the defaults",
                "Fill in the fields",
                "Fill in the size",
                "Restore the backup",
                "Restore complete",
            ],
        "{states:?}"
    );
    let job = world.jobs_of(&run).remove(0);
    ensure!(job.definition.ends_with("-restore"), "{}", job.definition);
    ensure!(job.size == ("2".to_owned(), "4096".to_owned()), "{:?}", job.size);
    world.equal("restorable", "e2e restored")
}

async fn a_database_that_is_not_empty_is_refused_and_left_alone(world: Arc<World>) -> Result<()> {
    world.small_database("into full")?;
    let backup = world.dumped("e2e/into-full", "into full").await?;
    let to = world.empty("e2e full").await?;
    world.server.sql("e2e full", "CREATE TABLE mine AS SELECT 7 AS n")?;
    let before = compare::fingerprint(&world.server, "e2e full")?;
    let input = json!({"manifest": backup.url(&world)?, "to": to});
    let run = world.restore("e2e-full", &input).await?;
    let said = ["configuration", "exit code 10"];
    world.fails_in(&run, "Failed: configuration", &said).await?;
    let log = world.job_log(&run);
    ensure!(log.contains("not empty") && log.contains("mine"), "{log}");
    compare::assert_equal(&before, &compare::fingerprint(&world.server, "e2e full")?)
}

async fn options_of_a_restore_are_passed_on(world: Arc<World>) -> Result<()> {
    world.small_database("in parts")?;
    let backup = world.dumped("e2e/in-parts", "in parts").await?;
    let count = |database: &str, what: &str| {
        world.server.sql(database, &format!("SELECT count(*) FROM {what}"))
    };
    let relations = "pg_class WHERE relnamespace = to_regnamespace('shop')";
    let mut runs = Vec::new();
    for (name, options) in [
        ("e2e dry", json!({"dryRun": true})),
        ("e2e bare", json!({"schemaOnly": true, "noPrivileges": true, "noOwner": true})),
        ("e2e chosen", json!({"tables": ["shop.customer"], "jobs": 1})),
    ] {
        let to = world.empty(name).await?;
        let job = json!({"vcpu": 1, "memory": "2048"});
        let input =
            json!({"manifest": backup.url(&world)?, "to": to, "options": options, "job": job});
        runs.push(world.restore(&name.replace(' ', "-"), &input).await?);
    }
    for run in &runs {
        world.succeeds_in(run, "Restore complete").await?;
        let job = world.jobs_of(run).remove(0);
        ensure!(job.size == ("1".to_owned(), "2048".to_owned()), "{:?}", job.size);
    }
    ensure!(count("e2e dry", relations)? == "0");
    ensure!(count("e2e bare", relations)? == count("in parts", relations)?);
    ensure!(count("e2e bare", "shop.customer")? == "0");
    ensure!(count("e2e chosen", "shop.customer")? == count("in parts", "shop.customer")?);
    let others = world.server.sql("e2e chosen", "SELECT to_regclass('shop.document') IS NULL")?;
    ensure!(others == "t", "a table that was not asked for is there");

    let rows = json!({"dataOnly": true, "tables": ["shop.document"]});
    let input = json!({"manifest": backup.url(&world)?, "to": "e2e/bare", "options": rows});
    let run = world.restore("e2e-rows", &input).await?;
    world.succeeds_in(&run, "Restore complete").await?;
    ensure!(count("e2e bare", "shop.document")? == count("in parts", "shop.document")?);
    ensure!(count("e2e bare", "shop.customer")? == "0");
    let run = world.restore("e2e-rows-again", &input).await?;
    world.fails_in(&run, "Failed: configuration", &["exit code 10"]).await?;
    ensure!(world.job_log(&run).contains("there are rows already"), "{}", world.job_log(&run));
    ensure!(count("e2e bare", "shop.document")? == count("in parts", "shop.document")?);
    Ok(())
}

async fn an_input_that_is_not_whole_starts_no_job(world: Arc<World>) -> Result<()> {
    let manifest = "s3://somewhere/manifest.json";
    for (name, input) in [
        ("e2e-no-manifest", json!({"to": "x"})),
        ("e2e-no-target", json!({"manifest": manifest})),
        ("e2e-number", json!({"manifest": 7, "to": "x"})),
        ("e2e-no-size", json!({"manifest": manifest, "to": "x", "job": "large"})),
        ("e2e-null-size", json!({"manifest": manifest, "to": "x", "job": null})),
    ] {
        let run = world.restore(name, &input).await?;
        world.fails_in(&run, "Failed: input", &["Nothing was restored"]).await?;
        ensure!(world.jobs_of(&run).is_empty());
    }
    Ok(())
}

async fn what_cannot_be_restored_is_said_by_its_class(world: Arc<World>) -> Result<()> {
    let bucket = world.bucket()?;
    let nothing = format!("s3://{bucket}/postgres/nothing/manifest.json");
    let to = world.empty("e2e unchanged").await?;
    for (name, input, state, words) in [
        (
            "e2e-unknown-option",
            json!({"manifest": nothing, "to": to, "options": {"noowner": true}}),
            "Failed: configuration",
            "noowner",
        ),
        (
            "e2e-unknown-field",
            json!({"manifest": nothing, "to": to, "option": {"tables": ["shop.customer"]}}),
            "Failed: configuration",
            "unknown field `option`",
        ),
        (
            "e2e-option-beside",
            json!({"manifest": nothing, "to": to, "clean": true}),
            "Failed: configuration",
            "unknown field `clean`",
        ),
        (
            "e2e-no-url",
            json!({"manifest": "https://x/manifest.json", "to": to}),
            "Failed: configuration",
            "not a text of the form s3://bucket/key",
        ),
        (
            "e2e-no-backup",
            json!({"manifest": nothing, "to": to}),
            "Failed: verification",
            "nothing/manifest.json",
        ),
    ] {
        let run = world.restore(name, &input).await?;
        world.fails_in(&run, state, &[]).await?;
        let log = world.job_log(&run);
        ensure!(log.contains(words), "{log}");
    }
    let there = "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('shop')";
    ensure!(world.server.sql("e2e unchanged", there)? == "0");
    Ok(())
}

async fn answers_that_break_off_are_asked_for_again(world: Arc<World>) -> Result<()> {
    make_large_database(&world.server, "breaks off")?;
    let backup = world.dumped("e2e/breaks-off", "breaks off").await?;
    let data = backup.key_of("noise")?;
    for (fault, from) in [(Fault::CutAnswer, 1), (Fault::Cut, 3), (Fault::SlowDown, 4)] {
        let rule = FaultRule::always("GetObject", data, fault).starting_at(from);
        let _ = world.cloud.faults().add(rule.times(2));
    }
    let to = world.empty("e2e broken off").await?;
    let input = json!({"manifest": backup.url(&world)?, "to": to});
    let run = world.restore("e2e-broken-off", &input).await?;
    world.succeeds_in(&run, "Restore complete").await?;
    let met = world.cloud.faults().seen(data);
    ensure!(met.iter().filter(|request| request.faulted).count() >= 4, "{met:?}");
    world.equal("breaks off", "e2e broken off")
}

/// What it has loaded is there: a second attempt would load it twice, or refuse.
async fn a_killed_restore_is_not_started_again(world: Arc<World>) -> Result<()> {
    world.small_database("half restored")?;
    let backup = world.dumped("e2e/half-restored", "half restored").await?;
    let hold = FaultRule::always("GetObject", backup.key_of("document")?, Fault::Hold);
    let hold = world.cloud.faults().add(hold);
    let to = world.empty("e2e half").await?;
    let input = json!({"manifest": backup.url(&world)?, "to": to});
    let run = world.restore("e2e-half", &input).await?;
    let begun = std::time::Instant::now();
    while !world.cloud.faults().seen(backup.key_of("document")?).iter().any(|seen| seen.faulted) {
        ensure!(begun.elapsed() < crate::world::LIMIT, "nothing is read");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let job = world.wait_for_job(&run, |job| job.pid.is_some()).await?;
    world.cloud.signal_job(&job.id, Signal::Kill)?;
    world.fails_in(&run, "Failed: restore job", &["137"]).await?;
    world.cloud.faults().remove(hold);
    ensure!(world.jobs_of(&run)[0].attempts.len() == 1);
    Ok(())
}
