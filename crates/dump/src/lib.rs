//! AutoDump's bytes in motion: from a database engine into an object store.
//!
//! [`run::run`] is one dump. An [`engine::Engine`] reads a database and writes multipart
//! uploads through an [`uploader::Uploader`]; [`publish`] makes them a backup. Nothing is
//! published before everything was read without an error, and nothing counts as a backup
//! before its manifest is there.

mod assembly;
pub mod cancel;
pub mod child;
pub mod codec;
pub mod engine;
mod memory_file;
pub mod object;
pub mod open_uploads;
pub mod output;
pub mod part_size;
pub mod progress;
pub mod publish;
pub mod restore;
pub mod rows;
pub mod run;
mod run_of;
pub mod signals;
pub mod status;
pub mod stop;
mod sweep;
pub mod table;
pub mod transfer;
pub mod uploader;
pub mod verify;

pub use assembly::Staged;
pub use stop::StopFlag;
