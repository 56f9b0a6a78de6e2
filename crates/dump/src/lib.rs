//! AutoDump's bytes in motion: from a database engine into an object store.
//!
//! [`run::run`] is one dump. It asks an [`engine::Engine`] for a child process, moves what
//! the child writes through [`transfer`] into multipart uploads, and makes it a backup with
//! [`publish`]. Nothing is published before the child has exited with 0, and nothing counts
//! as a backup before its manifest is there.

pub mod child;
pub mod engine;
pub mod open_uploads;
pub mod part_size;
pub mod progress;
pub mod publish;
pub mod run;
mod stop;
pub mod transfer;
