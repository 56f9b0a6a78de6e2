//! AutoDump's pure rules: tags, schedule, hash, names, layout, manifest, errors and ports.
//!
//! Nothing here does I/O, reads a clock or depends on another crate of ours. What a use
//! case needs from the world it takes through the traits in [`ports`].

pub mod check;
pub mod compression;
pub mod error;
pub mod event;
pub mod execution;
pub mod hash;
pub mod layout;
pub mod manifest;
pub mod options;
pub mod pages;
pub mod pattern;
pub mod ports;
pub mod restore;
pub mod runs;
pub mod scan;
pub mod schedule;
pub mod secret;
pub mod snapshot;
pub mod source;
pub mod table;
pub mod tags;
pub mod targets;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod verification;

pub use error::{Error, ErrorClass, Result};
