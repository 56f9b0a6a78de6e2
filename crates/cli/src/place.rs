//! What of this machine is used.

use std::path::{Path, PathBuf};

use autodump_dump::engine::{Engines, Mongodb, Postgres};
use clap::Args;

/// The certificates of RDS, where AutoDump's image has them.
const OF_RDS: &str = "/etc/autodump/rds-ca-bundle.pem";
/// The certificates that the system trusts.
const OF_SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Directories with PostgreSQL's programs, separated by colons; else
    /// /usr/lib/postgresql/*/bin.
    #[arg(long, value_name = "DIRECTORIES", env = "AUTODUMP_POSTGRES_BIN")]
    postgres_bin: Option<String>,
    /// Certificates in PEM that servers are checked against; else those of RDS where they are
    /// installed, else the system's.
    #[arg(long, value_name = "FILE", env = "AUTODUMP_CA_BUNDLE")]
    ca_bundle: Option<PathBuf>,
    /// A directory for small files and large objects, and for the server that `verify --level
    /// restore` starts, with the whole database; else the system's for temporary files.
    #[arg(long, value_name = "DIRECTORY", env = "AUTODUMP_SCRATCH")]
    scratch: Option<PathBuf>,
}

impl Place {
    /// The engines that work here.
    pub(crate) fn engines(&self) -> Engines {
        let usual = if Path::new(OF_RDS).is_file() { OF_RDS } else { OF_SYSTEM };
        let ca_bundle = self.ca_bundle.clone().unwrap_or_else(|| usual.into());
        let scratch = self.scratch.clone().unwrap_or_else(std::env::temp_dir);
        Engines {
            mongodb: Mongodb::new(None, ca_bundle.clone()),
            postgres: Postgres::new(self.postgres_bin.as_deref(), ca_bundle, scratch),
        }
    }
}
