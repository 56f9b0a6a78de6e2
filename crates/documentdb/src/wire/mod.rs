//! MongoDB's wire protocol, as a server: messages, commands that every server answers, one connection.

pub(crate) mod backend;
pub(crate) mod common;
pub(crate) mod connection;
pub(crate) mod cursors;
pub(crate) mod message;
pub(crate) mod reply;
