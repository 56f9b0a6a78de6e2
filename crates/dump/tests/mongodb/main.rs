//! MongoDB's protocol, served by `DocumentDB` on `PostgreSQL`: dumped by our own writer, and
//! restored by the stock `mongorestore` alone.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod content;
mod faults;
mod refusals;
mod shop;
#[path = "../support/mod.rs"]
mod support;
mod whole;
