//! Where things lie below a run's directory.

/// The plan.
pub(super) const PLAN: &str = "state/plan.json";
/// What RDS is given to write below, without a slash at its end.
pub(super) const EXPORT: &str = "export";
/// The name of the object that says that a batch of a table is whole.
pub(super) const SUCCESS: &str = "_SUCCESS";

/// Where an export task writes, within a run's directory, with a closing slash.
pub(super) fn of_task(task: &str) -> String {
    format!("{EXPORT}/{task}/")
}

/// What an export says of itself, beside its data.
pub(super) fn info(task: &str) -> String {
    format!("export_info_{task}.json")
}

/// What the names of the lists of an export's tables begin with: `<n>_to_<m>.json` follows.
pub(super) fn lists(task: &str) -> String {
    format!("export_tables_info_{task}_from_")
}
