//! The engines that the image has.

use std::path::PathBuf;

use autodump_dump::engine::{Engines, Mongodb, Postgres};

/// The engines with their programs in `postgres_bin` (colon separated; else where Debian's
/// packages are) and `mongodb_bin` (else in `PATH`). They check servers against the certificates in
/// `ca_bundle`, and keep small files in `scratch`.
pub(crate) fn installed(
    postgres_bin: Option<&str>,
    mongodb_bin: Option<&str>,
    ca_bundle: impl Into<PathBuf>,
    scratch: impl Into<PathBuf>,
) -> Engines {
    let ca_bundle = ca_bundle.into();
    Engines {
        mongodb: Mongodb::new(mongodb_bin, ca_bundle.clone()),
        postgres: Postgres::new(postgres_bin, ca_bundle, scratch),
    }
}
