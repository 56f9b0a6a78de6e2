//! Runs that make a backup of a database of MongoDB's protocol. Where there is no such server, which the start says
//! loudly, none of these cases does anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::api::Execution;
use autodump_local::compare;
use autodump_local::mongodb::{Mongodb, PASSWORD};
use autodump_local::shell::Shell;
use serde_json::json;

use crate::backups::Backup;
use crate::halted::hardly_begun_with;
use crate::world::{Case, FAR, SCHEDULE, Target, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_tagged_secret_of_mongodb_becomes_a_backup_that_mongorestore_restores),
    case!(a_connection_string_of_mongodb_may_be_odd_and_is_shown_nowhere),
    case!(collections_of_mongodb_are_chosen_by_tags),
    case!(all_databases_of_mongodb_are_dumped_each_by_itself),
    case!(mongodump_dumps_where_a_tag_says_so),
    case!(a_running_mongodump_shows_no_password),
];

impl World {
    /// Makes a database of this name on the server of MongoDB's protocol.
    pub(crate) fn fill(&self, server: &Mongodb, content: &str, database: &str) -> Result<()> {
        server.fill(self.cloud.python(), content, database)
    }

    pub(crate) fn held_by(&self, server: &Mongodb, database: &str) -> Result<Vec<String>> {
        server.fingerprint(self.cloud.python(), database)
    }

    /// Asserts that exactly one backup of the target exists and nothing else; and where there is `mongorestore`, that
    /// the manifest's own commands make of it what `database` of this server holds, document by document.
    pub(crate) async fn one_backup_of_mongodb_equals(
        &self,
        server: &Mongodb,
        target: &Target,
        database: &str,
    ) -> Result<()> {
        let backup = self.one_backup(target).await?;
        let objects = self.objects(target).await?;
        let found: BTreeSet<_> = objects.iter().map(|object| object.key.as_str()).collect();
        let mut known: BTreeSet<_> = backup.keys().into_iter().collect();
        known.insert(&backup.key);
        ensure!(found == known, "not all of these are in the manifest: {found:?}");
        let source = self.held_by(server, database)?;
        counts_are_told(&backup, &source)?;
        let Some(other) = self.restored_by_hand(&backup).await? else { return Ok(()) };
        compare::assert_equal(&source, &self.held_by(other, database)?)
    }

    /// Types in what the manifest says; returns the server that it restored into, `None` without `mongorestore`.
    pub(crate) async fn restored_by_hand(&self, backup: &Backup) -> Result<Option<&Mongodb>> {
        let start = || async { Mongodb::start(false) };
        let other = self.other_mongodb.get_or_try_init(start).await?.as_ref();
        let Some(other) = other.filter(|other| other.has_tools()) else { return Ok(None) };
        let shell = Shell::for_mongodb(&self.cloud, other)?;
        for command in backup.manifest["restore"].as_array().context("no commands")? {
            shell.run(command.as_str().context("a command is no text")?)?;
        }
        Ok(Some(other))
    }

    /// Neither log nor history of a run has any piece of the server's password.
    pub(crate) async fn shows_no_password(&self, run: &Execution) -> Result<()> {
        let history = self.api().execution_history(&run.arn).await?;
        let events: Vec<_> = history.iter().map(|event| &event.event).collect();
        let shown =
            [self.job_log(run), self.verification_log(run), serde_json::to_string(&events)?];
        ensure!(!shown[0].is_empty(), "nothing is logged");
        for shown in shown {
            no_password_in(&shown)?;
        }
        Ok(())
    }
}

/// Nor any piece of it, encoded or not.
pub(crate) fn no_password_in(text: &str) -> Result<()> {
    for piece in [PASSWORD, "p&a%s", "%s@s", "@s:w", "w/o?", "r#d ", "p%26a", "%25s%40s", "w%2Fo"] {
        ensure!(!text.contains(piece), "a piece of the password is shown: {text}");
    }
    Ok(())
}

/// The manifest has every collection and no other, with the number of its documents.
fn counts_are_told(backup: &Backup, source: &[String]) -> Result<()> {
    let mut expected = std::collections::BTreeMap::new();
    for line in source {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let name = line[1].as_str().context("no name")?.to_owned();
        let count = expected.entry(name).or_insert(0_u64);
        *count += u64::from(line[0] == "document");
    }
    let tables = backup.manifest["tables"].as_array().context("no collections")?;
    for table in tables {
        let name = table["name"].as_str().context("no name")?;
        let count = expected.remove(name).with_context(|| format!("{name} is unknown"))?;
        ensure!(table["rows"].as_u64().unwrap_or_default() == count, "{table}, not {count}");
    }
    // What holds no documents may be left out: a view.
    ensure!(expected.values().all(|count| *count == 0), "not in the manifest: {expected:?}");
    Ok(())
}

/// The whole way: the tag's event, the scanner, the wait, the check, the next run, the dump.
async fn a_tagged_secret_of_mongodb_becomes_a_backup_that_mongorestore_restores(
    world: Arc<World>,
) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let database = "mongo-good";
    world.fill(server, "exotic", database)?;
    let target = world.secret("e2e/mongo-good", &server.value(database), &[]).await?;
    ensure!(world.executions(&target).await?.is_empty(), "an untagged secret is no target");
    world.api().tag_secret(&target.arn, &[(SCHEDULE, "- - - - -")]).await?;
    let first = world.wait_for_executions(&target, 1).await?.remove(0);
    world.succeeds_in(&first, "Backup complete").await?;
    world.api().untag_secret(&target.arn, &[SCHEDULE]).await?;
    world.one_backup_of_mongodb_equals(server, &target, database).await?;
    let backup = world.one_backup(&target).await?;
    let manifest = &backup.manifest;
    ensure!(manifest["engine"]["name"] == "mongodb", "{manifest}");
    ensure!(manifest["consistency"] == "range", "{manifest}");
    ensure!(manifest["method"]["kind"] == "ranges", "{}", manifest["method"]);
    ensure!(backup.keys().iter().all(|key| key.contains(".archive.gz")), "{:?}", backup.keys());
    world.shows_no_password(&first).await?;
    let second = world.wait_for_executions(&target, 2).await?.remove(1);
    world.succeeds_in(&second, "Ended: tags changed or target gone").await.map(drop)
}

async fn a_connection_string_of_mongodb_may_be_odd_and_is_shown_nowhere(
    world: Arc<World>,
) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let database = "mongo-uri";
    world.fill(server, "small", database)?;
    let value = server.uri_value(database);
    let target = world.secret("e2e/mongo-uri", &value, &[(SCHEDULE, FAR)]).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    world.one_backup_of_mongodb_equals(server, &target, database).await?;
    world.shows_no_password(&run).await
}

async fn collections_of_mongodb_are_chosen_by_tags(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let database = "mongo-chosen";
    world.fill(server, "small", database)?;
    let mut runs = Vec::new();
    for (name, tag, pattern, expected) in [
        ("e2e/mongo-in", "autodump:collections", "orders+", vec!["orders", "orders.archived"]),
        ("e2e/mongo-out", "autodump:exclude-collections", "orders.+", vec!["customer", "orders"]),
    ] {
        let tags = [(SCHEDULE, FAR), (tag, pattern), ("autodump:compression", "none")];
        let target = world.secret(name, &server.value(database), &tags).await?;
        runs.push((world.run_now(&target).await?, target, expected));
    }
    for (run, target, expected) in runs {
        world.succeeds_in(&run, "Backup complete").await?;
        let backup = world.one_backup(&target).await?;
        let tables = backup.manifest["tables"].as_array().context("no collections")?;
        let names: BTreeSet<_> = tables.iter().filter_map(|table| table["name"].as_str()).collect();
        ensure!(names == expected.iter().copied().collect(), "{names:?}, not {expected:?}");
        ensure!(backup.manifest["method"]["compression"] == "none", "{}", backup.manifest);
        ensure!(backup.keys().iter().all(|key| key.ends_with(".archive")), "{:?}", backup.keys());
    }
    Ok(())
}

/// On a server of its own. Each database has a manifest, and all are verified.
async fn all_databases_of_mongodb_are_dumped_each_by_itself(world: Arc<World>) -> Result<()> {
    let Some(server) = Mongodb::start(false)? else { return Ok(()) };
    let names = ["mongo-all-one", "mongo-all-other"];
    for name in names {
        world.fill(&server, "small", name)?;
    }
    let mut value = server.value(names[0]);
    value["databases"] = json!("all");
    let tags = [(SCHEDULE, FAR), ("autodump:verify", "archive")];
    let target = world.secret("e2e/mongo-all", &value, &tags).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    let backups = world.backups(&target).await?;
    let found: BTreeSet<_> =
        backups.iter().filter_map(|backup| backup.manifest["database"].as_str()).collect();
    ensure!(found == names.into() && backups.len() == 2, "{found:?}");
    for backup in &backups {
        let result = crate::verifications::result_of(&world, backup).await?;
        ensure!(result["passed"] == true, "{result}");
        let name = backup.manifest["database"].as_str().context("no database")?;
        let source = world.held_by(&server, name)?;
        counts_are_told(backup, &source)?;
        if let Some(other) = world.restored_by_hand(backup).await? {
            compare::assert_equal(&source, &world.held_by(other, name)?)?;
        }
    }
    Ok(())
}

async fn mongodump_dumps_where_a_tag_says_so(world: Arc<World>) -> Result<()> {
    let Some(server) = world.mongodb.as_ref().filter(|server| server.has_tools()) else {
        return Ok(());
    };
    let database = "mongo-client";
    world.fill(server, "exotic", database)?;
    let tags = [(SCHEDULE, FAR), ("autodump:method", "client")];
    let target = world.secret("e2e/mongo-client", &server.uri_value(database), &tags).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    world.one_backup_of_mongodb_equals(server, &target, database).await?;
    let backup = world.one_backup(&target).await?;
    ensure!(backup.manifest["method"]["kind"] == "client", "{}", backup.manifest["method"]);
    let client = backup.manifest["engine"]["client"].as_str().unwrap_or_default();
    ensure!(client.starts_with("mongodump "), "{client}");
    world.shows_no_password(&run).await
}

/// Neither its arguments nor its environment; nor those of the dumper.
async fn a_running_mongodump_shows_no_password(world: Arc<World>) -> Result<()> {
    let Some(server) = world.mongodb.as_ref().filter(|server| server.has_tools()) else {
        return Ok(());
    };
    let database = "mongo-argv";
    world.fill(server, "noise", database)?;
    let (value, tags) = (server.value(database), [("autodump:method", "client")]);
    let halted = hardly_begun_with(&world, "e2e/mongo-argv", &value, server.port(), &tags).await?;
    let job = world.wait_for_job(&halted.run, |job| job.pid.is_some()).await?;
    let mut processes = halted.children(&world, "mongodump").await?;
    ensure!(!processes.is_empty());
    processes.extend(job.pid.and_then(|pid| i32::try_from(pid).ok()));
    for process in processes {
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{process}/{file}"))?;
            no_password_in(&String::from_utf8_lossy(&bytes))?;
        }
    }
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    world.shows_no_password(&halted.run).await?;
    world.one_backup_of_mongodb_equals(server, &halted.target, database).await
}
