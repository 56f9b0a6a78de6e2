//! The backup, restored by the state machine of restores.

use anyhow::Result;
use serde_json::json;

use super::{follow, head, line};
use crate::postgres::Postgres;
use crate::{LocalCloud, Stack, compare};

const SECRET: &str = "demo/restored";
const DATABASE: &str = "restored";

/// Restores a backup into an empty database.
pub(super) async fn run(
    cloud: &LocalCloud,
    stack: &Stack,
    server: &Postgres,
    manifest: &str,
) -> Result<()> {
    head(&format!("An empty database, and its secret {SECRET}"));
    server.create_database(DATABASE)?;
    let value = json!({
        "engine": "postgres", "endpoint": "localhost", "port": server.port(),
        "databasename": DATABASE, "username": "postgres", "password": server.password(),
    });
    let tag = ("autodump:restore-target", "yes");
    cloud.api().create_secret(SECRET, &value.to_string(), &[tag]).await?;
    line(&format!("{} = {}", tag.0, tag.1));

    head("The restore");
    let input = json!({"manifest": manifest, "to": SECRET, "options": {"noOwner": true}});
    line(&format!("input {input}"));
    let machine = stack.restore_state_machine()?;
    let arn = cloud.api().start_execution(machine, "demo-restore", &input).await?;
    follow::to_its_end(cloud, &cloud.api().describe_execution(&arn).await?).await
}

/// An error unless the restored database equals the dumped one.
pub(super) fn compare(server: &Postgres, source: &[String]) -> Result<()> {
    head("What is in the restored database");
    let restored = compare::fingerprint(server, DATABASE)?;
    for text in compare::content(&restored) {
        line(&text);
    }
    compare::assert_equal(source, &restored)?;
    line(&format!("{} lines of fingerprint, all equal", restored.len()));
    Ok(())
}
