//! Servers that speak MongoDB's protocol, for tests and benchmarks: no mongod can be had where they run.
//!
//! One has `PostgreSQL` with `DocumentDB` behind it and stores what it is given. The other is a stub that
//! serves prepared documents from memory. Both are reached as a mongod is, and both can be made to fail.

mod faults;
pub mod given;
mod login;
mod postgres;
mod server;
mod shim;
mod stub;
mod tls;
mod wire;

pub use faults::{AtReply, Faults};
pub use login::User;
pub use server::{Server, Settings};
pub use stub::Content;
pub use stub::generate::{Ids, Shape, Size, document};
pub use tls::strange_ca_pem;
