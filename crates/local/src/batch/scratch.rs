//! A task's own disk: what a job's volume is, and goes with the attempt.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tempfile::TempDir;

use crate::api::list_at;
use crate::say::progress;

/// Where the image expects the volume: `AUTODUMP_SCRATCH` in `batch-image/Dockerfile`.
const MOUNTED_AT: &str = "/scratch";
/// How often a directory is removed that is still written to.
const ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// An empty directory. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// The disk of one attempt, if the definition mounts one; without it, a container has nothing
    /// that it can write to. Every user may look inside, because a server that a job starts runs
    /// as another one than root.
    pub(crate) fn of(container: &Value) -> Result<Option<Self>> {
        let volume = list_at(container, "mountPoints")
            .iter()
            .find(|mount| mount["containerPath"] == MOUNTED_AT && mount["readOnly"] != true)
            .and_then(|mount| mount["sourceVolume"].as_str());
        let known = |name| list_at(container, "volumes").iter().any(|known| known["name"] == name);
        if !volume.is_some_and(known) {
            return Ok(None);
        }
        let directory = tempfile::Builder::new().prefix("autodump-scratch-").tempdir()?;
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
        Ok(Some(Self(directory)))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes it. A server whose job was killed may write for another moment.
    pub(crate) async fn remove(self) {
        for _ in 1..ATTEMPTS {
            if std::fs::remove_dir_all(self.path()).is_ok() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let path = self.path().display().to_string();
        if self.0.path().exists()
            && let Err(error) = self.0.close()
        {
            progress(&format!("batch: {path} could not be removed: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Scratch;

    #[test]
    fn only_a_volume_that_is_mounted_for_writing_becomes_a_directory() {
        let mount = json!({"containerPath": "/scratch", "sourceVolume": "scratch"});
        let volume = json!({"name": "scratch", "host": {}});
        let made = |mounts: &[&serde_json::Value], volumes: &[&serde_json::Value]| {
            let container = json!({"mountPoints": mounts, "volumes": volumes});
            Scratch::of(&container).expect("a temporary directory").is_some()
        };
        assert!(made(&[&mount], &[&volume]));
        assert!(!made(&[], &[&volume]) && !made(&[&mount], &[]));
        let mut read_only = mount.clone();
        read_only["readOnly"] = json!(true);
        assert!(!made(&[&read_only], &[&volume]));
        assert!(Scratch::of(&json!({})).expect("nothing to do").is_none());
    }

    #[tokio::test]
    async fn it_goes_with_all_that_is_in_it() {
        let container = json!({
            "mountPoints": [{"containerPath": "/scratch", "sourceVolume": "s"}],
            "volumes": [{"name": "s"}],
        });
        let scratch = Scratch::of(&container).expect("a directory").expect("it is mounted");
        let path = scratch.path().to_owned();
        std::fs::create_dir(path.join("data")).expect("it can be written to");
        std::fs::write(path.join("data/file"), "x").expect("it can be written to");
        scratch.remove().await;
        assert!(!path.exists());
    }
}
