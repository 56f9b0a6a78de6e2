//! Backups of DynamoDB tables, and their restore: `docs/adr/0006-tables-by-segments.md`.
//!
//! [`range::run`] reads one range of the plan's segments to its end, whatever earlier attempts
//! left behind, [`so_far::so_far`] says how far it is meanwhile, and [`summary::summarise`] looks
//! at all ranges when they are complete.

pub mod backup;
mod by_hand;
pub mod checkpoint;
mod crc;
mod cut;
pub mod exported;
#[cfg(test)]
mod exported_sample;
pub mod finish;
mod frame;
mod importing;
pub mod journal;
mod pace;
mod page;
mod place;
pub mod progress;
pub mod range;
mod replay;
pub mod requested;
pub mod restore;
pub mod so_far;
pub mod summary;
mod work;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod resuming_tests;
#[cfg(test)]
mod trial;
