//! MongoDB's protocol, served by `DocumentDB` on `PostgreSQL` or by a stub, which are no mongod:
//! dumped by our own writer or by `mongodump`, and restored by the stock `mongorestore` alone.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod changing;
mod client;
mod client_faults;
mod client_secrets;
mod client_support;
mod client_whole;
mod content;
mod faults;
mod memory;
mod refusals;
mod rotated;
mod shop;
mod stub;
#[path = "../support/mod.rs"]
mod support;
mod whole;
