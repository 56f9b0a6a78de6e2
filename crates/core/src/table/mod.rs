//! DynamoDB tables: what is decided of them before a byte is read.
//!
//! How a backup of a table is laid out and made: `docs/adr/0006-tables-by-segments.md`.

pub mod arn;
pub mod calls;
pub mod choose;
pub mod definition;
pub mod description;
pub mod forecast;
pub mod layout;
pub mod manifest;
pub mod number;
pub mod options;
pub mod plan;
pub mod planner;
pub mod ports;
pub mod read;
pub mod request;
pub mod restore;
