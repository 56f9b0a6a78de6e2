//! Parquet out of a store, with bounded memory.
//!
//! A file's footer is read first, then its row groups one after the other, and of each column
//! chunk a bounded range at a time. Every page is charged to one budget before it is decompressed,
//! and gives back when nothing refers to it any more, so a file cannot take more than that,
//! whatever it declares.

mod budget;
mod column;
mod delta;
mod file;
mod group;
mod header;
mod inflate;
mod pages;
mod place;
mod texts;
mod thrift;
mod tree;
mod window;

pub(crate) use self::column::{Cell, Leaf};
pub(crate) use self::file::{Begun, Opened, begin};
pub(crate) use self::group::Group;
pub(crate) use self::place::damaged;
pub(crate) use self::window::whole;
