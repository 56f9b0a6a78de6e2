//! Things that go wrong when a test wants it, and counts of what was seen.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The faults of one server. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<State>);

#[derive(Debug, Default)]
struct State {
    get_mores: AtomicU64,
    drop_at: AtomicU64,
    forget_at: AtomicU64,
    delay_ms: AtomicU64,
    refuse: AtomicBool,
    loss: Mutex<Option<Loss>>,
    forbidden: Mutex<Option<String>>,
    connections: AtomicU64,
    open_connections: AtomicUsize,
    open_cursors: AtomicUsize,
    at_replies: Mutex<HashMap<String, AtReply>>,
}

/// What happens to the reply to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtReply {
    /// The command is done, and its connection dropped without a reply.
    Lose,
    /// The command is done, and the reply has a `writeConcernError` of this code.
    Doubt(i32),
    /// The command is not done, and the reply says that it is.
    Skip,
}

/// A collection that goes away.
#[derive(Debug)]
struct Loss {
    command: String,
    /// Commands of that name until then, with the one.
    left: u64,
    again: bool,
}

/// What a `getMore` meets.
pub(crate) enum AtGetMore {
    Nothing,
    Drop,
    Forget,
}

impl Faults {
    /// Drops the connection at the `n`-th `getMore` from now, without a reply; 1 is the next one.
    pub fn drop_at_get_more(&self, n: u64) {
        self.0.drop_at.store(self.get_mores() + n, Ordering::SeqCst);
    }

    /// Forgets the cursor at the `n`-th `getMore` from now: `CursorNotFound`, code 43.
    pub fn forget_at_get_more(&self, n: u64) {
        self.0.forget_at.store(self.get_mores() + n, Ordering::SeqCst);
    }

    /// Lets something happen to the reply to the next command of this name.
    pub fn at_next(&self, command: &str, what: AtReply) {
        self.at_replies().insert(command.to_owned(), what);
    }

    fn at_replies(&self) -> MutexGuard<'_, HashMap<String, AtReply>> {
        self.0.at_replies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens to the reply to this command.
    pub(crate) fn at_reply(&self, command: &str) -> Option<AtReply> {
        self.at_replies().remove(command)
    }

    /// Drops the collection of the `n`-th command of this name from now, before it is answered; 1 is
    /// the next one. With `again` there is then another one of its name, without documents.
    pub fn lose_collection_at(&self, command: &str, n: u64, again: bool) {
        *self.loss() = Some(Loss { command: command.to_owned(), left: n, again });
    }

    /// Answers commands of this name, as it is written, as one that the user may not have.
    pub fn forbid(&self, command: &str) {
        *self.0.forbidden.lock().unwrap_or_else(PoisonError::into_inner) = Some(command.to_owned());
    }

    /// Waits before each reply.
    pub fn delay(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.delay_ms.store(ms, Ordering::SeqCst);
    }

    /// Closes new connections at once, or takes them again.
    pub fn refuse(&self, refuse: bool) {
        self.0.refuse.store(refuse, Ordering::SeqCst);
    }

    /// How many `getMore` commands were seen.
    #[must_use]
    pub fn get_mores(&self) -> u64 {
        self.0.get_mores.load(Ordering::SeqCst)
    }

    /// How many cursors are open. A cursor that was read to its end is not.
    #[must_use]
    pub fn open_cursors(&self) -> usize {
        self.0.open_cursors.load(Ordering::SeqCst)
    }

    /// How many connections were taken. Drivers have some only to watch the server.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.0.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.0.open_connections.load(Ordering::SeqCst)
    }

    /// Counts a `getMore`, and says what happens at it.
    pub(crate) fn at_get_more(&self) -> AtGetMore {
        let number = self.0.get_mores.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.0.drop_at.load(Ordering::SeqCst) {
            AtGetMore::Drop
        } else if number == self.0.forget_at.load(Ordering::SeqCst) {
            AtGetMore::Forget
        } else {
            AtGetMore::Nothing
        }
    }

    /// Counts a command. Whether its collection goes away before it is answered, and if so, whether
    /// another one takes its place.
    pub(crate) fn lost_at(&self, command: &str) -> Option<bool> {
        let mut loss = self.loss();
        let meant = loss.as_mut().filter(|loss| loss.command == command)?;
        meant.left = meant.left.saturating_sub(1);
        if meant.left > 0 { None } else { loss.take().map(|loss| loss.again) }
    }

    pub(crate) fn forbids(&self, command: &str) -> bool {
        let forbidden = self.0.forbidden.lock().unwrap_or_else(PoisonError::into_inner);
        forbidden.as_deref() == Some(command)
    }

    fn loss(&self) -> MutexGuard<'_, Option<Loss>> {
        self.0.loss.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn delayed(&self) -> Duration {
        Duration::from_millis(self.0.delay_ms.load(Ordering::SeqCst))
    }

    pub(crate) fn refused(&self) -> bool {
        self.0.refuse.load(Ordering::SeqCst)
    }

    pub(crate) fn set_open_cursors(&self, number: usize) {
        self.0.open_cursors.store(number, Ordering::SeqCst);
    }

    /// Counts a connection as open until the result is dropped.
    pub(crate) fn connected(&self) -> Connected {
        self.0.connections.fetch_add(1, Ordering::SeqCst);
        self.0.open_connections.fetch_add(1, Ordering::SeqCst);
        Connected(self.clone())
    }
}

/// An open connection.
pub(crate) struct Connected(Faults);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.0.open_connections.fetch_sub(1, Ordering::SeqCst);
    }
}
