//! How things go with a database, as a test wants it.

use std::time::Duration;

use super::table::{Cell, Table};

/// What becomes of the snapshots of a database, and of their exports.
#[derive(Clone, Debug)]
pub struct Script {
    /// How long a snapshot is `creating`.
    pub making: Duration,
    /// Whether a snapshot is `failed` then, instead of `available`.
    pub making_fails: bool,
    /// How long a snapshot that is deleted is `deleting`; it is gone at once when zero.
    pub deleting: Duration,
    /// How long another export of the same snapshot is refused after one.
    pub resting: Duration,
    /// How long an export is `STARTING`.
    pub starting: Duration,
    /// How long an export is `IN_PROGRESS` at least, with its progress in even steps; it writes
    /// then.
    pub exporting: Duration,
    /// As long as this is set, exports stay `IN_PROGRESS`.
    pub held: bool,
    /// How long a cancelled export is `CANCELING`.
    pub canceling: Duration,
    /// Where it is set, exports end as `FAILED` with this cause, with nothing written.
    pub failure: Option<String>,
    /// The `WarningMessage` of exports.
    pub warning: Option<String>,
    /// What exports write.
    pub tables: Vec<Table>,
}

impl Default for Script {
    /// All goes well and fast, with one small table.
    fn default() -> Self {
        let moment = Duration::from_millis(300);
        let row = |n| vec![Cell::Int(n), Cell::text(&format!("example {n}"))];
        let schema = "message m { required int64 id; optional binary name (STRING); }";
        Self {
            making: moment,
            making_fails: false,
            deleting: Duration::ZERO,
            resting: moment,
            starting: moment,
            exporting: moment,
            held: false,
            canceling: moment,
            failure: None,
            warning: None,
            tables: vec![Table::generated("shop.public.example", schema, 100, row)],
        }
    }
}
