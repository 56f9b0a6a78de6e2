//! MongoDB, dumped by `mongodump`.
mod follow;
mod recut;
mod settings;
mod stderr;
mod tools;
