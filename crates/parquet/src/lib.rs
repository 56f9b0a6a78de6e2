//! Parquet of RDS exports, or any other, made into CSV: one file for each table.
//!
//! [`layout`] says which objects are the files of which table, and [`convert::convert`] makes one
//! table into one CSV; [`converter::Converter`] does it as its settings say. Memory is bounded whatever the files are, or say they are; nothing is
//! published before everything was read without an error, and the result's manifest comes last.

mod column;
pub mod convert;
pub mod converter;
pub mod csv;
pub mod layout;
mod look;
pub mod manifest;
mod nested;
mod number;
pub mod options;
mod output;
mod read;
pub mod request;
mod rows;
pub mod schema;
pub mod schemas;
pub mod settings;
mod sources;
#[cfg(test)]
mod testing;
mod text;

pub use column::ColumnInfo;
pub use text::Binary;
