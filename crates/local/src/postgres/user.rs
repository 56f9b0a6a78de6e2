//! The user that a server runs as: PostgreSQL refuses to run as root.

use anyhow::{Result, bail};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The user to change to, or none when this program does not run as root.
pub(super) fn to_run_as() -> Result<Option<User>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    for name in ["postgres", "nobody"] {
        if let Some(user) = find(&accounts, name) {
            return Ok(Some(user));
        }
    }
    bail!(
        "this machine has neither a user postgres nor nobody, and PostgreSQL does not run as root"
    )
}

fn find(accounts: &str, name: &str) -> Option<User> {
    accounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [known, _, uid, gid, ..] if *known == name => {
                Some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{User, find};

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:7::/:/x\npostgres:x:101:104:,,,:/v:/bin/bash\n";
        assert_eq!(find(accounts, "postgres"), Some(User { uid: 101, gid: 104 }));
        assert_eq!(find(accounts, "nobody"), None);
    }
}
