//! Stores for tests, and the contract that every store has to keep.
//!
//! [`contract`] holds the promises of [`crate::ports::ObjectStore`] as functions, [`reading`]
//! those of [`crate::ports::ObjectReader`], and [`writing`] those of
//! [`crate::ports::ObjectWriter`]. The memory store runs them here, and
//! the S3 adapter runs the same ones against a real server, so a fake can never be kinder
//! than the thing it stands for. [`faulty`] wraps a store and fails the n-th call of a kind.

pub mod access;
pub mod contract;
pub mod faulty;
pub mod memory;
pub mod reading;
pub mod snapshots;
pub mod tables;
pub mod writing;

pub use access::FixedAccess;
pub use faulty::{Call, Cut, Fault, FaultyStore};
pub use memory::{MemoryStore, StoredObject};
pub use snapshots::MemorySnapshots;
pub use tables::{MemoryReader, MemoryTables, MemoryWriter};
