//! How whoever asked for a verification sees how far it is.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Something that happened during a verification.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event {
    /// The manifest was read: so many objects and bytes will be.
    Planned {
        /// Objects that the manifest names.
        objects: u64,
        /// Their bytes by the manifest.
        bytes: u64,
    },
    /// Bytes of an object came from the store.
    Read(u64),
    /// A phase begins.
    Phase(Phase),
}

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Objects are read and compared with the manifest.
    Objects,
    /// A server of our own is made.
    Server,
    /// The backup is restored.
    Restore,
    /// The restored rows are compared with the manifest.
    Compare,
}

/// Is told what happens. It is called by several threads, often, and must not wait.
pub trait Watcher: Send + Sync {
    /// Takes note.
    fn note(&self, event: &Event);
}

/// Perhaps a watcher.
#[derive(Clone, Default)]
pub(crate) struct Watched(pub(super) Option<Arc<dyn Watcher>>);

impl Watched {
    pub(crate) fn note(&self, event: Event) {
        if let Some(watcher) = &self.0 {
            watcher.note(&event);
        }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watched" } else { "Unwatched" })
    }
}
