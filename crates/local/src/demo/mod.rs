//! The main job from end to end, for a person to watch: a tag, a backup, its verification, a
//! restore, equal; of a database, and of a table.

mod bucket;
mod follow;
mod restore;
mod table;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, Local, Timelike, Utc};
use serde_json::json;

use crate::postgres::{self, Postgres};
use crate::say::result;
use crate::{LocalCloud, Options, Stack, assembly, compare};

const SECRET: &str = "demo/shop";
const PASSWORD: &str = "it's a \"demo\" $PATH *%\\ pässword";

/// Runs the demo. An error unless the restored database and the restored table equal those that
/// were backed up.
pub async fn run() -> Result<()> {
    let begun = Instant::now();
    let mut options = Options::new();
    let project = options.project.clone();
    head("The stack, synthesised from cdk/");
    let cdk_out = assembly::synthesise(&project)?;
    line(&format!("{}", cdk_out.path().display()));

    head("A private PostgreSQL with a shop in it");
    let server = database()?;
    let source = compare::fingerprint(&server, "shop")?;

    head("The local cloud");
    options.dumper = Some(assembly::dumper(&project)?);
    options.job_environment = assembly::job_environment(&server);
    let cloud = LocalCloud::start(options).await?;
    let stack = cloud.deploy(cdk_out.path()).await?;
    line(&format!("endpoint {}, bucket {}", cloud.endpoint(), stack.bucket()?));
    line(&format!("state machine {}", stack.state_machine()?));

    let outcome = async {
        dump(&cloud, &stack, &server).await?;
        let manifest = bucket::show(&cloud, &stack).await?;
        restore::run(&cloud, &stack, &server, &manifest).await?;
        restore::compare(&server, &source)?;
        table::run(&cloud, &stack).await
    };
    let outcome = outcome.await;
    head("Cleaning up");
    cloud.stop().await;
    drop(server);
    line("nothing is left running");
    outcome?;
    head(&format!(
        "Equal. Tags to verified and restored backups in {} s",
        begun.elapsed().as_secs()
    ));
    Ok(())
}

fn database() -> Result<Postgres> {
    let options = postgres::Options { tls: true, ..postgres::Options::default() };
    let server = Postgres::start(&options)?;
    let quoted = PASSWORD.replace('\'', "''");
    server.sql("postgres", "CREATE DATABASE shop")?;
    server.sql(
        "postgres",
        &format!("CREATE ROLE \"backup user\" LOGIN PASSWORD '{quoted}' IN ROLE pg_read_all_data"),
    )?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/demo.sql");
    let script = script.to_str().context("the path of the checkout is no UTF-8")?;
    server.psql("shop", ["--output=/dev/null", "--set=scale=1", "--file", script])?;
    // pg_read_all_data does not cover large objects.
    server.sql(
        "shop",
        "DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP \
         EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO \"backup user\"', o); END LOOP; END $$",
    )?;
    let size = server.sql("shop", "SELECT pg_size_pretty(pg_database_size('shop'))")?;
    let version = server.sql("shop", "SHOW server_version")?;
    line(&format!("PostgreSQL {version} on 127.0.0.1:{}, database shop, {size}", server.port()));
    Ok(server)
}

async fn dump(cloud: &LocalCloud, stack: &Stack, server: &Postgres) -> Result<()> {
    head(&format!("A secret {SECRET}, tagged"));
    let value = json!({
        "engine": "postgres", "endpoint": "localhost", "port": server.port(),
        "databasename": "shop", "username": "backup user", "password": PASSWORD,
    });
    let schedule = a_few_seconds_ahead(Local::now());
    let tags = [("autodump:start-schedule", schedule.as_str()), ("autodump:verify", "restore")];
    cloud.api().create_secret(SECRET, &value.to_string(), &tags).await?;
    for (tag, value) in tags {
        line(&format!("{tag} = {value}"));
    }
    line("nothing else is done by hand: the tag's event starts the scanner");

    head("The execution");
    let execution = follow::first(cloud, stack, SECRET).await?;
    follow::to_its_end(cloud, &execution).await?;
    let waiting = follow::waiting(cloud, stack, SECRET).await?;
    let next = waiting.first().context("no next run is scheduled")?;
    line(&format!("the next run waits: {} at {}", next.name, next.input["when"]));
    Ok(())
}

/// A schedule whose next start is at least three seconds ahead, in UTC, once a day.
fn a_few_seconds_ahead(now: DateTime<Local>) -> String {
    let start = now.with_timezone(&Utc) + Duration::from_secs(63);
    format!("{} {} - - -", start.minute(), start.hour())
}

pub(crate) fn head(text: &str) {
    result(&format!("\n== {text}"));
}

pub(crate) fn line(text: &str) {
    result(&format!("   {text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_seconds_ahead_but_never_past() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap().with_timezone(&Local);
        assert_eq!(a_few_seconds_ahead(at("2026-11-21T23:58:10Z")), "59 23 - - -");
        assert_eq!(a_few_seconds_ahead(at("2026-11-21T23:58:56Z")), "59 23 - - -");
        assert_eq!(a_few_seconds_ahead(at("2026-11-21T23:58:58Z")), "0 0 - - -");
    }
}
