//! One restore into a new database: by `pg_restore -j` from a local directory, and by AutoDump from S3.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::super::procfs::own_cpu_s;
use super::super::server::KEY;
use super::super::store::{Backup, Store};
use super::cluster::Cluster;
use super::dump::Tools;
use crate::REGION;

/// What restores are made into.
const RESTORED: &str = "restored";

/// Both ways to restore one database.
pub(super) struct Restores<'a> {
    pub(super) tools: &'a Tools<'a>,
    pub(super) cluster: &'a Cluster,
    /// What was dumped.
    pub(super) database: &'a str,
    pub(super) jobs: u16,
}

impl Restores<'_> {
    /// `pg_restore -j` from a directory that is there already.
    pub(super) async fn theirs(&self, directory: &Path) -> Result<Duration> {
        self.cluster.create(RESTORED)?;
        let mut command = Command::from(self.cluster.client("pg_restore", RESTORED, None));
        command.arg(format!("-j{}", self.jobs)).args(["-d", RESTORED]).arg(directory);
        let wall = self.tools.run(&mut command, "pg_restore").await?;
        self.compare()?;
        Ok(wall)
    }

    /// `autodump restore`, the download included, and the processor time of the S3 server in seconds. `None` where the
    /// command line is not built.
    pub(super) async fn ours(
        &self,
        store: &Store,
        backup: &Backup,
    ) -> Result<Option<(Duration, f64)>> {
        let Some(cli) = &self.tools.cli else { return Ok(None) };
        self.cluster.create(RESTORED)?;
        let scratch =
            tempfile::Builder::new().prefix("scratch-").tempdir_in(self.tools.directory)?;
        let mut command = Command::new(cli);
        command
            .args(["restore", &backup.url, "--to", &self.cluster.url(RESTORED)])
            .args(["--jobs", &self.jobs.to_string()])
            .env_clear()
            .envs([store.environment(), ("AWS_REGION", REGION.to_owned())])
            .envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", KEY)])
            .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("PATH", "/usr/local/bin:/usr/bin:/bin")])
            .env("PGPASSWORD", Cluster::password())
            .env("AUTODUMP_SCRATCH", scratch.path())
            .env("AUTODUMP_POSTGRES_BIN", self.cluster.programs());
        let before = own_cpu_s();
        let wall = self.tools.run(&mut command, "autodump restore").await?;
        let cpu_s = own_cpu_s() - before;
        self.compare()?;
        Ok(Some((wall, cpu_s)))
    }

    /// Fails unless every table has as many rows as it had.
    fn compare(&self) -> Result<()> {
        let (wanted, restored) = (self.rows(self.database)?, self.rows(RESTORED)?);
        ensure!(wanted == restored, "restored was {restored}, not {wanted}");
        Ok(())
    }

    fn rows(&self, database: &str) -> Result<String> {
        let count = "format('SELECT count(*) FROM ONLY %s', oid::regclass)";
        self.cluster.sql(
            database,
            &format!(
                "SELECT string_agg(relname || ' ' || (xpath('/row/count/text()', \
                 query_to_xml({count}, false, true, '')))[1]::text, ', ' ORDER BY relname) \
                 FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            ),
        )
    }
}
