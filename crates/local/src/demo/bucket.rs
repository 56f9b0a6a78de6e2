//! What a dump and its verification have left in the bucket.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{head, line};
use crate::{LocalCloud, Stack};

/// Shows the only backup that lies there; returns its manifest's URL. An error unless it was
/// verified and found good.
pub(super) async fn show(cloud: &LocalCloud, stack: &Stack) -> Result<String> {
    head("What lies in the bucket");
    let bucket = stack.bucket()?;
    let objects = cloud.api().list_objects(bucket, "").await?;
    for object in &objects {
        line(&format!("{:>12} bytes  {}", object.bytes, object.key));
    }
    let only = |file: &str| {
        let found = objects.iter().find(|object| object.key.contains(file));
        found.map(|object| object.key.as_str()).with_context(|| format!("there is no {file}"))
    };
    let key = only("/manifest.json")?;
    let manifest = read(cloud, bucket, key).await?;
    describe(&manifest);

    head("What the verification found");
    let result = read(cloud, bucket, only("/verification-")?).await?;
    line(&result.to_string());
    if result["passed"] != true || result["level"] != "restore" {
        bail!("the verification did not find a backup that can be restored");
    }
    Ok(format!("s3://{bucket}/{key}"))
}

async fn read(cloud: &LocalCloud, bucket: &str, key: &str) -> Result<Value> {
    Ok(serde_json::from_slice(&cloud.api().get_object(bucket, key).await?)?)
}

fn describe(manifest: &Value) {
    line("manifest.json says:");
    for field in ["engine", "method", "snapshot"] {
        line(&format!("  {field} {}", manifest[field]));
    }
    for table in manifest["tables"].as_array().into_iter().flatten() {
        let (rows, hash) = (&table["rows"], table["hash"].as_str().unwrap_or_default());
        let (schema, name) = (&table["schema"], &table["name"]);
        line(&format!("  {:>8} rows, hash {hash}, {schema}.{name}", rows.to_string()));
    }
    line("  restored without AutoDump by:");
    for command in manifest["restore"].as_array().into_iter().flatten() {
        line(&format!("    {}", command.as_str().unwrap_or_default()));
    }
}
