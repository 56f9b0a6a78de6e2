//! Against servers that speak MongoDB's protocol, which are no mongod: dump, restore, compare.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod client;
mod client_faults;
mod client_secrets;
mod client_support;
mod client_whole;
#[path = "../support/mod.rs"]
mod support;
