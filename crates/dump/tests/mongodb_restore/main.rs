//! Archives of MongoDB in a store, verified, and restored into a server that speaks its protocol:
//! `DocumentDB` on PostgreSQL, which is not mongod.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod choosing;
mod damage;
mod faults;
mod later;
mod made;
mod proxy;
#[path = "../support/mod.rs"]
mod support;
mod target;
mod trials;
mod whole;
