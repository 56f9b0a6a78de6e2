//! How whoever asked for a restore sees how far it is.

use super::{Phase, Plan};

/// Something that happened during a restore.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// All checks were passed; this is what will be done.
    Planned(&'a Plan),
    /// A phase begins.
    Phase(Phase),
    /// Bytes of data files came from the store: of those that [`Plan::bytes`] counts.
    Read(u64),
    /// Bytes that were counted before have to be read again.
    TakenBack(u64),
    /// All rows of a table are there, and are those of the backup.
    Table {
        /// Its schema.
        schema: &'a str,
        /// Its name.
        name: &'a str,
        /// How many rows.
        rows: u64,
    },
    /// Something that the person should know, and that does not end the restore.
    Warning(&'a str),
}

/// Is told what happens. It is called by several threads, often, and must not wait.
pub trait Watcher: Send + Sync {
    /// Takes note.
    fn note(&self, event: &Event<'_>);
}

/// Writes the log: phases, warnings and, in larger steps, nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

impl Watcher for Log {
    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => tracing::info!(
                database = plan.database,
                tables = plan.tables.len(),
                bytes = plan.bytes,
                "restore planned"
            ),
            Event::Phase(phase) => tracing::info!(phase = phase.as_str(), "restore in progress"),
            Event::Table { schema, name, rows } => {
                tracing::debug!(schema, name, rows, "table restored");
            }
            Event::Warning(what) => tracing::warn!(what, "restore"),
            Event::Read(_) | Event::TakenBack(_) => {}
        }
    }
}
