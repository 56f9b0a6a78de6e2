//! Tables restored out of a store in memory into tables in memory that are as strict as the
//! service.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod faults;
mod imports;
mod mirrors;
mod plans;
mod support;
mod trouble;
mod whole;
