//! MongoDB, and what speaks its protocol: the parts that touch neither network nor disk.
//!
//! ADR 8 says what they are for. No engine is made of them yet.

pub mod archive;
mod client;
mod connection;
mod extjson;
mod inventory;
pub mod ranges;
pub mod raw;
mod trouble;
