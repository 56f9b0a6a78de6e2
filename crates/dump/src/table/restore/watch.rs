//! How whoever asked for a restore sees how far it is.

use serde::Serialize;

use super::Plan;

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The table is made.
    Create,
    /// Items are written.
    Items,
    /// What is not in the backup is deleted.
    Mirror,
    /// DynamoDB makes the table, and imports.
    Import,
    /// The rest of the definition is set.
    Definition,
}

impl Phase {
    /// The name in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Items => "items",
            Self::Mirror => "mirror",
            Self::Import => "import",
            Self::Definition => "definition",
        }
    }
}

/// Something that happened during a restore.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// All checks were passed; this is what will be done.
    Planned(&'a Plan),
    /// A phase begins.
    Phase(Phase),
    /// Bytes of data objects came from the store: of those that [`Plan::bytes`] counts.
    Read(u64),
    /// Items that the table has taken: of those that [`Plan::items`] counts.
    Written(u64),
    /// Items that are not in the backup, and that the table has deleted.
    Deleted(u64),
    /// The table could not take all that was sent, and everybody waits.
    Throttled,
    /// How many items an import has processed by now.
    Imported(u64),
    /// Something that the person should know, and that does not end the restore.
    Warning(&'a str),
}

/// Is told what happens. It is called by several threads, often, and must not wait.
pub trait Watcher: Send + Sync {
    /// Takes note.
    fn note(&self, event: &Event<'_>);
}

/// Writes the log: the plan, phases, warnings, and how far an import is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

impl Watcher for Log {
    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => tracing::info!(
                table = plan.table,
                method = plan.method,
                items = plan.items,
                bytes = plan.bytes,
                "restore planned"
            ),
            Event::Phase(phase) => tracing::info!(phase = phase.as_str(), "restore in progress"),
            Event::Imported(items) => tracing::info!(items, "import in progress"),
            Event::Warning(what) => tracing::warn!(what, "restore"),
            Event::Read(_) | Event::Written(_) | Event::Deleted(_) | Event::Throttled => {}
        }
    }
}
