//! The PostgreSQL programs on this machine.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

/// Names more directories with programs, separated by colons; `scripts/lib/postgres-versions`
/// makes them and prints the value.
const VARIABLE: &str = "AUTODUMP_TEST_POSTGRES";

/// The directories with PostgreSQL servers that are installed, the newest version first: the
/// system's, and those that the environment names in `AUTODUMP_TEST_POSTGRES`, separated by
/// colons. Some of the latter have no clients (no `psql`, no `pg_dump`).
#[must_use]
pub fn installed() -> Vec<PathBuf> {
    let system = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let named = std::env::var_os(VARIABLE);
    newest_first(system.map(|entry| entry.path().join("bin")).chain(directories(named.as_deref())))
}

fn directories(list: Option<&OsStr>) -> Vec<PathBuf> {
    let paths = list.map(std::env::split_paths).into_iter().flatten();
    paths.filter(|path| !path.as_os_str().is_empty()).collect()
}

fn newest_first(bins: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut found: Vec<((u32, u32), PathBuf)> = bins
        .filter(|bin| bin.join("initdb").exists())
        .filter_map(|bin| Some((version(&bin.join("postgres")).ok()?, bin)))
        .collect();
    found.sort_by_key(|(version, _)| Reverse(*version));
    found.into_iter().map(|(_, bin)| bin).collect()
}

/// The version that a program tells of itself: major and minor.
pub(super) fn version(program: &Path) -> Result<(u32, u32)> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| anyhow!("{} tells no version: {text}", program.display()))
}

/// `postgres (PostgreSQL) 18.6` and `pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn parse(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let (major, minor) = word.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use super::{directories, newest_first, parse};

    #[test]
    fn a_version_is_read_from_what_programs_print() {
        assert_eq!(parse("postgres (PostgreSQL) 18.6\n"), Some((18, 6)));
        assert_eq!(parse("pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), Some((15, 14)));
        assert_eq!(parse("postgres: not found"), None);
    }

    #[test]
    fn an_empty_list_names_nothing() {
        assert_eq!(directories(None), Vec::<PathBuf>::new());
        assert_eq!(directories(Some(OsStr::new(""))), Vec::<PathBuf>::new());
        assert_eq!(directories(Some(OsStr::new("/a/bin:/b/bin"))).len(), 2);
    }

    #[test]
    fn the_newest_comes_first_and_what_cannot_run_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let bin = |name: &str| directory.path().join(name);
        make(&bin("old"), "9.6");
        make(&bin("ten"), "10.23");
        make(&bin("new"), "18.6");
        make(&bin("half"), "17.1");
        std::fs::remove_file(bin("half").join("initdb")).unwrap();
        let all = ["old", "missing", "half", "new", "ten"].map(bin);
        assert_eq!(newest_first(all.into_iter()), ["new", "ten", "old"].map(bin));
    }

    fn make(bin: &Path, version: &str) {
        std::fs::create_dir(bin).unwrap();
        for program in ["initdb", "postgres"] {
            let script = format!("#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n");
            std::fs::write(bin.join(program), script).unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(bin.join(program), mode).unwrap();
        }
    }
}
