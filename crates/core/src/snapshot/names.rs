//! What a run's snapshot and its export task are called: reckoned from the target and the
//! execution alone, so that whoever makes them again finds them there.

use sha2::{Digest, Sha256};

use super::arn::DatabaseArn;

/// What the names of all that AutoDump makes begin with: its rights go no further.
pub const PREFIX: &str = "autodump-";
/// The longest identifier of a snapshot that RDS takes.
pub const LONGEST_SNAPSHOT: usize = 255;
/// The longest identifier of an export task that RDS takes.
pub const LONGEST_TASK: usize = 60;

/// How many hexadecimal digits tell runs apart: 80 bits.
const DIGEST: usize = 20;
/// What of an export task's name is left for the target's own.
const READABLE: usize = LONGEST_TASK - PREFIX.len() - DIGEST - 1;

/// The name of the snapshot of a run: `autodump-<name>-<hash>`, where the name is the target's.
#[must_use]
pub fn snapshot(target: &DatabaseArn, execution_arn: &str) -> String {
    format!("{PREFIX}{}-{}", target.name.to_ascii_lowercase(), digest(target, execution_arn))
}

/// The name of the export task of a run. As [`snapshot`], with as much of the target's name as
/// fits.
#[must_use]
pub fn export_task(target: &DatabaseArn, execution_arn: &str) -> String {
    let name: String = target.name.to_ascii_lowercase().chars().take(READABLE).collect();
    format!("{PREFIX}{}-{}", name.trim_end_matches('-'), digest(target, execution_arn))
}

/// Whether a snapshot may be one that AutoDump made for this target: its tag decides.
#[must_use]
pub fn is_of(target: &DatabaseArn, snapshot: &str) -> bool {
    let rest = snapshot.strip_prefix(PREFIX);
    let rest = rest.and_then(|rest| rest.strip_prefix(&target.name.to_ascii_lowercase()));
    rest.and_then(|rest| rest.strip_prefix('-')).is_some_and(|digest| {
        digest.len() == DIGEST && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn digest(target: &DatabaseArn, execution_arn: &str) -> String {
    let mut hasher = Sha256::new();
    for text in [target.to_string().as_str(), execution_arn] {
        hasher.update(format!("{}:{text},", text.len()));
    }
    hex::encode(&hasher.finalize()[..DIGEST / 2])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::arn::is_identifier;

    const EXECUTION: &str = "arn:aws:states:eu-central-1:111122223333:execution:AutoDump:orders-1";

    fn target(form: &str, name: &str) -> DatabaseArn {
        format!("arn:aws:rds:eu-central-1:111122223333:{form}:{name}").parse().unwrap()
    }

    #[test]
    fn the_names_of_a_run_are_always_the_same() {
        let orders = target("db", "Orders");
        let name = snapshot(&orders, EXECUTION);
        assert_eq!(name, snapshot(&orders, EXECUTION));
        assert_eq!(name, export_task(&orders, EXECUTION));
        assert!(name.starts_with("autodump-orders-"), "{name}");
        assert!(is_of(&orders, &name));
        for other in
            ["orders-1", "autodump-orders", "autodump-orders-by-hand", "autodump-shop-0123"]
        {
            assert!(!is_of(&orders, other), "{other}");
        }
        assert!(!is_of(&target("db", "orders-2"), &name));
    }

    /// Names as RDS allows them for instances and clusters.
    fn names() -> impl Strategy<Value = String> {
        prop_oneof!["[a-zA-Z](-?[a-zA-Z0-9]){0,31}", "[a-z]{60,63}", "[a-z]{29}-[a-z]{30}"]
            .prop_filter("too long", |name| name.len() <= 63)
    }

    proptest! {
        #[test]
        fn rds_takes_them_and_no_two_runs_share_one(
            forms in ("db|cluster", "db|cluster"), all in (names(), names()), run in "[a-c]{1,2}",
            other in "[a-c]{1,2}",
        ) {
            let (one, two) = (target(&forms.0, &all.0), target(&forms.1, &all.1));
            let (run, other) = (format!("{EXECUTION}{run}"), format!("{EXECUTION}{other}"));
            let snapshots = (snapshot(&one, &run), snapshot(&two, &other));
            let tasks = (export_task(&one, &run), export_task(&two, &other));
            prop_assert!(is_identifier(&snapshots.0, LONGEST_SNAPSHOT), "{}", snapshots.0);
            prop_assert!(is_identifier(&tasks.0, LONGEST_TASK), "{}", tasks.0);
            prop_assert!(is_of(&one, &snapshots.0));
            let same = one == two && run == other;
            prop_assert_eq!(snapshots.0 == snapshots.1, same);
            prop_assert_eq!(tasks.0 == tasks.1, same);
        }
    }
}
