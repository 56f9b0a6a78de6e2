//! The only code of AutoDump that names an AWS SDK crate: one file per service need, each an
//! adapter of a port of `autodump_core`.

pub mod batch;
pub mod config;
pub mod database;
pub mod dynamodb;
pub mod emf;
pub mod executions;
mod failure;
pub mod identity;
pub mod rds;
#[cfg(test)]
mod replay;
mod role;
pub mod runs;
pub mod s3;
pub mod secrets;
pub mod source;
pub mod tagged;
