//! Databases of RDS backed up by snapshots: a snapshot, and its export to S3 as Parquet. How,
//! and why so: `docs/adr/0007-snapshots-and-csv.md`.

pub mod arn;
mod contents;
pub mod export;
pub mod finish;
pub mod follow;
mod layout;
mod lists;
pub mod look;
mod make;
pub mod manifest;
pub mod names;
pub mod options;
pub mod plan;
pub mod planner;
pub mod ports;
pub mod progress;
pub mod prune;
pub mod request;
mod restore;
pub mod run;
mod stored;
pub mod undo;
#[cfg(test)]
mod world;
