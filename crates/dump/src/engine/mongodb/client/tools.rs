//! Where MongoDB's own programs are, and of which version.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use autodump_core::{Error, ErrorClass};

use crate::child::Command;

/// The program that dumps.
const MONGODUMP: &str = "mongodump";
/// How long it may take to tell its version.
const ANSWER: Duration = Duration::from_secs(20);

/// `mongodump`, as it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mongodump {
    program: PathBuf,
    version: String,
}

impl Mongodump {
    /// The first one in these directories; none is no error. One that cannot be run or does not
    /// tell its version is not used, and the log says so.
    pub(crate) async fn find(directories: &[PathBuf]) -> Option<Self> {
        for directory in directories {
            if let Some(found) = look(&directory.join(MONGODUMP)).await {
                return Some(found);
            }
        }
        None
    }

    /// Its name and version, for the manifest.
    pub(crate) fn client(&self) -> String {
        format!("{MONGODUMP} {}", self.version)
    }

    pub(super) fn command(&self) -> Command {
        // What it is connected to fails by other texts in another language.
        Command::new(&self.program).variable("LC_ALL", "C")
    }
}

/// The directories that are given (colon separated), or else those of `path`.
pub(crate) fn directories(given: Option<&str>, path: Option<&OsStr>) -> Vec<PathBuf> {
    let given = given.filter(|given| !given.is_empty()).map(OsStr::new);
    let all = given.or(path).map(std::env::split_paths);
    all.into_iter().flatten().filter(|path| !path.as_os_str().is_empty()).collect()
}

/// The error for an image without `mongodump`; `what_for` is a sentence fragment.
pub(crate) fn missing(directories: &[PathBuf], what_for: &str) -> Error {
    let looked: Vec<_> = directories.iter().map(|path| path.display().to_string()).collect();
    Error::new(
        ErrorClass::Configuration,
        format!("no {MONGODUMP} was found in {:?}, and {what_for}", looked.join(":")),
        "Use an image with MongoDB's tools (the construct's prop mongodbTools, or the build \
         arguments MONGODB_TOOLS_URL and MONGODB_TOOLS_SHA256), or name their directories in AUTODUMP_MONGODB_BIN",
    )
}

async fn look(program: &Path) -> Option<Mongodump> {
    if !program.is_file() {
        return None;
    }
    let unusable = |what: &str| {
        let program = program.display();
        tracing::warn!(%program, what, "this mongodump does not tell its version; it is not used");
        None
    };
    let command = Command::new(program).arguments(["--version"]).discreet();
    match command.output(4096, ANSWER).await {
        Ok((output, exit)) if exit.status.success() => {
            let text = String::from_utf8_lossy(&output);
            match parsed(&text) {
                Some(version) => Some(Mongodump { program: program.to_owned(), version }),
                None => unusable(text.trim()),
            }
        }
        Ok((_, exit)) => unusable(&exit.to_string()),
        Err(error) => unusable(error.what()),
    }
}

/// `mongodump version: 100.7.0` → `100.7.0`.
fn parsed(text: &str) -> Option<String> {
    let version = text.lines().find_map(|line| line.trim().strip_prefix("mongodump version: "))?;
    let is_version = version.starts_with(|c: char| c.is_ascii_digit());
    is_version.then(|| version.trim().to_owned())
}

#[cfg(test)]
#[path = "tools_tests.rs"]
mod tests;
