//! Tables whose backups are asked for by a request, and verified.

use std::process::Output;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::table_items::{assert_same, item, items, write};
use crate::verifications::result_of;
use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] =
    &[case!(a_request_backs_a_table_up_and_restores_it), case!(a_backup_of_a_table_is_verified)];

impl World {
    /// Does what a request says.
    async fn requested(&self, request: &Value) -> Result<Output> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), request.to_string())?;
        self.autodump(&["run", "--request", &file.path().to_string_lossy()]).await
    }
}

fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    text.concat()
}

/// The seven fields of the earlier tool, with its meanings; and a prefix is used once.
async fn a_request_backs_a_table_up_and_restores_it(world: Arc<World>) -> Result<()> {
    let api = world.api();
    world.table("e2e-requested", &[]).await?;
    write(api, "e2e-requested", (0..2500).map(item)).await?;
    let expected = items(api, "e2e-requested").await?;
    let mut request = json!({
        "action": "backup", "total-segments": 5,
        "table-region": "us-east-1", "table-name": "e2e-requested",
        "bucket-region": "us-east-1", "bucket-name": world.bucket()?,
        "bucket-prefix": "by-request/one",
    });
    let done = world.requested(&request).await?;
    ensure!(done.status.success() && said(&done).contains("2500"), "{}", said(&done));
    let manifest = api.get_object(world.bucket()?, "by-request/one/manifest.json").await?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    ensure!(manifest["method"]["segments"] == 5 && manifest["items"] == 2500, "{manifest}");

    let before = api.list_objects(world.bucket()?, "by-request/one/").await?;
    let again = world.requested(&request).await?;
    ensure!(again.status.code() == Some(10), "{:?}: {}", again.status, said(&again));
    ensure!(said(&again).contains("by-request/one/"), "{}", said(&again));
    let after = api.list_objects(world.bucket()?, "by-request/one/").await?;
    ensure!(before == after, "the used prefix was written to: {before:?}, {after:?}");

    request["total-segments"] = json!("5");
    let wrong = world.requested(&request).await?;
    ensure!(wrong.status.code() == Some(10), "{:?}: {}", wrong.status, said(&wrong));
    ensure!(said(&wrong).contains("total-segments"), "{}", said(&wrong));

    request["action"] = json!("restore");
    request["total-segments"] = json!(3);
    request["table-name"] = json!("e2e-requested-again");
    let done = world.requested(&request).await?;
    ensure!(done.status.success() && said(&done).contains("3 workers"), "{}", said(&done));
    assert_same(&expected, &items(api, "e2e-requested-again").await?)
}

/// As far as the tag says, by the run itself; then by the command line, which finds a lost byte.
async fn a_backup_of_a_table_is_verified(world: Arc<World>) -> Result<()> {
    let tags = [(SCHEDULE, FAR), ("autodump:verify", "archive"), ("autodump:segments", "2")];
    let table = world.table("e2e-table-verified", &tags).await?;
    write(world.api(), "e2e-table-verified", (0..1200).map(item)).await?;
    let run = world.run_now(&table).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    let states = world.api().states_entered(&run.arn).await?;
    ensure!(states.iter().any(|state| state == "Verify the backup"), "{states:?}");
    let backup = world.one_backup(&table).await?;
    let result = result_of(&world, &backup).await?;
    ensure!(result["level"] == "archive" && result["passed"] == true, "{result}");
    ensure!(result["seen"]["rows"] == 1200, "{result}");

    let objects = backup.manifest["objects"].as_array().cloned().unwrap_or_default();
    let Some(key) = objects.first().and_then(|object| object["key"].as_str()) else {
        bail!("no object: {}", backup.manifest)
    };
    let whole = world.api().get_object(world.bucket()?, key).await?;
    world.api().put_object(world.bucket()?, key, whole.slice(..whole.len() - 1)).await?;
    let url = backup.url(&world)?;
    let damaged = world.autodump(&["verify", &url, "--level", "checksum"]).await?;
    ensure!(damaged.status.code() == Some(16), "{:?}: {}", damaged.status, said(&damaged));
    ensure!(said(&damaged).contains(key), "{}", said(&damaged));
    Ok(())
}
