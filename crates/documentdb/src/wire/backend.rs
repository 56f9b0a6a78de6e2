//! What is behind the wire.

use super::message::Request;
use super::reply::{Failure, Reply};

/// Answers commands. Those that do not depend on what is behind are answered before it is asked.
pub(crate) trait Backend: Send + Sync + 'static {
    /// What belongs to one connection.
    type Session: Send;

    /// The version of MongoDB that it looks like.
    fn version(&self) -> Version;

    /// Whether it shows who its users are.
    fn shows_users(&self) -> bool;

    /// Called once for each connection.
    fn session(&self) -> Self::Session;

    /// Answers a command.
    fn run(
        &self,
        session: &mut Self::Session,
        request: &Request,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send;

    /// Forgets a cursor, as a server that was started again has.
    fn forget(&self, cursor: i64);
}

/// A version of MongoDB's server, and of the protocol that it speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    pub(crate) number: [i32; 3],
    pub(crate) wire: i32,
}

impl Version {
    /// As it is written: `7.0.0`.
    pub(crate) fn text(self) -> String {
        self.number.map(|part| part.to_string()).join(".")
    }
}
