//! A person's shell beside the local cloud: the AWS CLI and a database's clients, and nothing of
//! `AutoDump`. What a manifest says is to be typed is run in it as it stands.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::mongodb::Mongodb;
use crate::postgres::Postgres;
use crate::{LocalCloud, REGION};

/// A shell in an empty directory of its own, which goes when it is dropped.
#[derive(Debug)]
pub struct Shell {
    directory: TempDir,
    environment: Vec<(&'static str, OsString)>,
}

impl Shell {
    /// A shell whose `aws` asks this cloud, and whose clients reach this server as its superuser.
    pub fn new(cloud: &LocalCloud, server: &Postgres) -> Result<Self> {
        let environment = [
            ("PGHOST", "127.0.0.1".into()),
            ("PGPORT", server.port().to_string().into()),
            ("PGUSER", "postgres".into()),
            ("PGPASSWORD", server.password().into()),
        ];
        Self::with(cloud, server.clients(), environment)
    }

    /// The same for a server of MongoDB's protocol. Its clients have no variables for where it is: it is in the file
    /// of settings that they are started with.
    pub fn for_mongodb(cloud: &LocalCloud, server: &Mongodb) -> Result<Self> {
        Self::with(cloud, &server.programs(), [])
    }

    fn with(
        cloud: &LocalCloud,
        clients: &Path,
        more: impl IntoIterator<Item = (&'static str, OsString)>,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("autodump-shell-").tempdir()?;
        let programs = directory.path().join(".bin");
        std::fs::create_dir(&programs)?;
        let aws = programs.join("aws");
        let python = cloud.python().to_str().context("the path of the checkout is no UTF-8")?;
        std::fs::write(&aws, format!("#!/bin/sh\nexec '{python}' -m awscli \"$@\"\n"))?;
        std::fs::set_permissions(&aws, std::fs::Permissions::from_mode(0o755))?;
        let path = [&programs, clients, Path::new("/usr/bin"), Path::new("/bin")];
        let mut environment: Vec<(_, OsString)> = vec![
            ("PATH", std::env::join_paths(path)?),
            ("HOME", directory.path().into()),
            ("AWS_ENDPOINT_URL", cloud.endpoint().into()),
            ("AWS_REGION", REGION.into()),
            ("AWS_DEFAULT_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", "local".into()),
            ("AWS_SECRET_ACCESS_KEY", "local".into()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ];
        environment.extend(more);
        Ok(Self { directory, environment })
    }

    /// Runs one line, and returns what it wrote to standard output. An error, with what it wrote
    /// to standard error, unless it ends with 0.
    pub fn run(&self, line: &str) -> Result<String> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(std::process::Stdio::null());
        let output = command.output().context("cannot run /bin/sh")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{line}` ended with {}: {}", output.status, said.trim_end());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Where it runs, and where files that are fetched lie.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
