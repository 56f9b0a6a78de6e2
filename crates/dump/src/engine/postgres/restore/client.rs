//! How `pg_restore` is called, and what it means when it fails.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use autodump_core::restore::RestoreOptions;
use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass, Result};

use super::contents::Contents;
use super::restorer::{Restorer, meaning_of};
use super::trouble::without_quoted;
use crate::child::{Command, Exit};
use crate::output::{GRACE, interrupted, unreadable};
use crate::stop::StopFlag;

/// From this version `pg_restore` sets a parameter that older servers do not have.
const TIMEOUT_IS_SET: u32 = 17;
const TIMEOUT: &str = "unrecognized configuration parameter \"transaction_timeout\"";
/// With it, the complaints of all connections are among the last words that are kept.
const MOST_COMPLAINERS: u16 = 16;
const ERROR: &str = "pg_restore: error:";
/// What is said before the error of an entry.
const ENTRY: &str = "pg_restore: from TOC entry ";
/// What it says begins with this.
const SAYS: &str = "pg_restore:";
/// The statement that failed, in all its lines.
const STATEMENT: &str = "Command was:";
/// What stands for what was not kept of a longer text.
const GAP: &str = "…";
/// Statements, or parts of them, as the server quotes them.
const QUOTED: [&str; 3] = ["LINE ", "QUERY:", "CONTEXT:"];
/// Every connection of the program switches triggers and foreign keys off. Its own switch
/// `--disable-triggers` is only for superusers, and switches triggers on that were off before.
const NO_TRIGGERS: &str = "-c session_replication_role=replica";
/// What a program has written is known from its beginning if it is no longer than this.
const WHOLE: usize = 7 * 1024;

/// `pg_restore` of one archive.
pub(super) struct Client<'a> {
    pub(super) restorer: &'a Restorer<'a>,
    pub(super) options: &'a RestoreOptions,
    /// The directory with `toc.dat` and what else is needed.
    pub(super) archive: &'a Path,
    /// The major version of the server that is restored into.
    pub(super) server: u32,
    /// Triggers and foreign keys are switched off while data are loaded.
    pub(super) without_triggers: bool,
}

/// A part of the archive.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    PreData,
    Data,
    PostData,
}

impl Part {
    const fn argument(self) -> &'static str {
        match self {
            Self::PreData => "--section=pre-data",
            Self::Data => "--section=data",
            Self::PostData => "--section=post-data",
        }
    }
}

impl Client<'_> {
    /// Restores the entries `ids` of one section.
    pub(super) async fn restore(
        &self,
        secret: &SecretValue,
        part: Part,
        contents: &Contents,
        ids: &BTreeSet<i32>,
        jobs: u16,
        stop: StopFlag,
    ) -> Result<()> {
        let list = self.list(part.argument(), contents, ids)?;
        let tolerant = self.sets_unknown_timeout();
        let jobs = if tolerant { jobs.min(MOST_COMPLAINERS) } else { jobs };
        let command = self
            .restorer
            .online(secret)?
            // libpq takes a name with an equals sign for settings; the real name is a variable.
            .arguments(["--no-password", "--dbname=application_name=autodump", part.argument()])
            .arguments([format!("--use-list={}", list.display())])
            .arguments((!tolerant).then_some("--exit-on-error"))
            .arguments((jobs > 1).then(|| format!("--jobs={jobs}")))
            .arguments(self.switches())
            .arguments([self.archive])
            // Statements have passwords in them, and details have values of rows.
            .discreet();
        let data = matches!(part, Part::Data);
        let command = if data && self.without_triggers {
            command.variable("PGOPTIONS", NO_TRIGGERS)
        } else {
            command
        };
        let exit = run(&command, &mut Vec::new(), stop).await?;
        if exit.status.success() || (tolerant && only_timeout(&exit.stderr)) {
            return Ok(());
        }
        Err(explain(&exit, part, self.options))
    }

    /// The statements that drop the entries `ids`, as `pg_restore --clean --if-exists` gives
    /// them: they come before everything else.
    pub(super) async fn drops(
        &self,
        contents: &Contents,
        ids: &BTreeSet<i32>,
        stop: StopFlag,
    ) -> Result<Vec<String>> {
        let list = self.list("clean", contents, ids)?;
        let command = self
            .restorer
            .offline()
            .arguments(["--clean", "--if-exists", "--file=-"])
            .arguments([format!("--use-list={}", list.display())])
            .arguments(self.switches())
            .arguments([self.archive]);
        let mut script = Vec::new();
        let exit = run(&command, &mut script, stop).await?;
        if !exit.status.success() {
            return Err(explain(&exit, Part::PreData, self.options));
        }
        let script = String::from_utf8(script).map_err(|_| {
            Error::new(
                ErrorClass::Configuration,
                "names in this backup are not in UTF-8, so nothing can be dropped by them",
                "Restore into a new database instead of with clean",
            )
        })?;
        Ok(dropping(&script))
    }

    fn switches(&self) -> impl Iterator<Item = &'static str> {
        let options = self.options;
        [(options.no_owner, "--no-owner"), (options.no_privileges, "--no-privileges")]
            .into_iter()
            .filter_map(|(given, switch)| given.then_some(switch))
    }

    fn sets_unknown_timeout(&self) -> bool {
        self.restorer.major() >= TIMEOUT_IS_SET && self.server < TIMEOUT_IS_SET
    }

    /// A list of entries for `--use-list`: in the order of the archive, which decides to which
    /// section a comment or a grant belongs.
    fn list(&self, name: &str, contents: &Contents, ids: &BTreeSet<i32>) -> Result<PathBuf> {
        let mut text = String::new();
        for item in contents.chosen(Some(ids)) {
            let _ = writeln!(text, "{};", item.id);
        }
        let path = self.archive.join(format!("{}.list", name.trim_start_matches('-')));
        std::fs::write(&path, text).map_err(|error| unusable(&path, error))?;
        Ok(path)
    }
}

/// The error about a scratch directory that cannot be used.
pub(super) fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("{} in the scratch directory cannot be used: {error}", path.display()),
        "See that the scratch directory can be written and has room for what is fetched into it: the \
         table of contents and large objects",
    )
    .caused_by(error)
}

/// Runs it to its end. What it prints goes to `output`.
async fn run(command: &Command, output: &mut Vec<u8>, mut stop: StopFlag) -> Result<Exit> {
    let mut child = command.start()?;
    let work = async {
        while child.read(output, 1 << 16).await.map_err(unreadable)? > 0 {}
        child.exit().await.map_err(unreadable)
    };
    let done = tokio::select! {
        biased;
        () = stop.raised() => None,
        done = work => Some(done),
    };
    if let Some(done) = done {
        return done;
    }
    // It tells its workers and the server.
    child.stop(GRACE).await;
    Err(interrupted("while the backup was being restored"))
}

/// Whether all that went wrong is a parameter that the server does not have. `pg_restore` counts
/// the complaints of its own connection, and not those of its workers.
fn only_timeout(stderr: &str) -> bool {
    let ignored = stderr.lines().rev().find_map(|line| {
        line.strip_prefix("pg_restore: warning: errors ignored on restore: ")?.parse().ok()
    });
    // Connections write at the same time, and in pieces: lines may be mixed up.
    let errors = stderr.matches("error: ").count();
    // Of a longer text something may be missing.
    stderr.len() < WHOLE
        && ignored.is_some_and(|ignored: usize| ignored <= errors)
        && errors == stderr.matches(TIMEOUT).count()
}

/// How the statements begin that drop something, or make it so that it can be dropped.
const VERBS: [&str; 5] = ["DROP ", "ALTER ", "SELECT ", "CREATE OR REPLACE ", "DO "];

/// The statements before the first comment that announces an entry.
fn dropping(script: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let mut quote = None;
    for line in script.lines() {
        if quote.is_none() && statement.is_empty() {
            if line.starts_with("-- Name: ") || line.starts_with("-- Data for Name: ") {
                break;
            }
            let begins = VERBS.iter().any(|verb| line.starts_with(verb));
            if !begins || line.starts_with("SELECT pg_catalog.set_config(") {
                continue;
            }
        }
        for character in line.chars() {
            match quote {
                Some(open) if open == character => quote = None,
                None if character == '"' || character == '\'' => quote = Some(character),
                _ => {}
            }
        }
        statement.push_str(line);
        statement.push('\n');
        if quote.is_none() && line.ends_with(';') {
            statements.push(std::mem::take(&mut statement));
        }
    }
    statements
}

/// What a failure of `pg_restore` means.
struct Rule {
    says: &'static [&'static str],
    hint: &'static str,
}

const THERE: &[&str] = &["already exists"];

const RULES: &[Rule] = &[
    Rule { says: THERE, hint: "Restore into an empty database, or with clean" },
    Rule {
        says: &["role \""],
        hint: "Make the roles first (globals.sql of the backup, if it has one), or restore with \
               no-owner and no-privileges",
    },
    Rule {
        says: &["must be member of role", "must be able to SET ROLE"],
        hint: "Restore with no-owner, or as a role that may give objects to their owners",
    },
    Rule {
        says: &["extension \"", "extension control file"],
        hint: "Make this extension available on the server that is restored into",
    },
    Rule { says: &["tablespace \""], hint: "Make the tablespaces of the source first" },
    Rule {
        says: &["could not open large object file"],
        hint: "Give the scratch directory room for the large objects of the backup",
    },
    // It writes no files itself: the server says so.
    Rule {
        says: &["No space left on device"],
        hint: "Give the server that is restored into more room on its disk",
    },
    // What is known to block each other is not restored in parallel: `order`.
    Rule {
        says: &["deadlock detected"],
        hint: "Restore with jobs = 1, which does one thing at a time, and see that nobody else uses \
               the database",
    },
    Rule {
        says: &["unsupported version", "server version mismatch"],
        hint: "Use an image with newer PostgreSQL clients",
    },
    Rule {
        says: &["permission denied", "must be owner of", "must be superuser"],
        hint: "Restore as a role that may do this (on RDS the master user), or with no-owner and \
               no-privileges",
    },
];

/// The lines of what it says without statements: these have secrets in them, and say anything.
fn without_statements(stderr: &str) -> Vec<&str> {
    let mut within = false;
    let is_own = |line: &&str| {
        // After a gap nobody knows.
        let begins = line.starts_with(STATEMENT) || *line == GAP;
        within = begins || (within && !line.starts_with(SAYS));
        !within
    };
    stderr.lines().filter(is_own).collect()
}

/// Why it failed: the first error that is not the tolerated one, in all its lines but those of
/// statements, and the entry that it is about.
fn cause(stderr: &str) -> Option<(String, Option<&str>)> {
    let lines = without_statements(stderr);
    let is_cause = |line: &&str| line.starts_with(ERROR) && !line.ends_with(TIMEOUT);
    let first = lines.iter().position(is_cause)?;
    let ends = |line: &str| line.starts_with(SAYS) || QUOTED.iter().any(|q| line.starts_with(q));
    let further = lines[first + 1..].iter().take_while(|line| !ends(line));
    let all: Vec<_> = std::iter::once(&lines[first]).chain(further).copied().collect();
    let before = first.checked_sub(1).map(|before| lines[before]);
    // `3372; 0 16411 TABLE DATA public t owner`.
    let entry = before.and_then(|line| line.strip_prefix(ENTRY)?.splitn(4, ' ').nth(3));
    Some((all.join("\n"), entry))
}

/// What it says where it names no error: its last line that is no complaint that is tolerated, and
/// no detail.
fn other_words(stderr: &str) -> String {
    let counts = |line: &&str| {
        let is_detail = line.starts_with("DETAIL:") || QUOTED.iter().any(|q| line.starts_with(q));
        !(is_detail || line.ends_with(TIMEOUT) || line.trim().is_empty())
    };
    without_statements(stderr).into_iter().rfind(counts).unwrap_or_default().to_owned()
}

/// One line of it that may be shown: details and contexts name values of rows, and so does an
/// error where rows are read, for data, indexes, constraints and materialised views.
fn shown(cause: &str, entry: Option<&str>, part: Part) -> String {
    let line = cause.lines().next().unwrap_or_default();
    let names_values = line.contains(": \"") || line.contains("out of range");
    let line = match line.split_once("ERROR:  ") {
        Some((before, says)) if !matches!(part, Part::PreData) && names_values => {
            format!("{before}ERROR:  {}", without_quoted(says))
        }
        _ => line.to_owned(),
    };
    entry.map_or_else(|| line.clone(), |entry| format!("{line} ({entry})"))
}

fn explain(exit: &Exit, part: Part, options: &RestoreOptions) -> Error {
    let (cause, entry) = cause(&exit.stderr).unwrap_or_else(|| (other_words(&exit.stderr), None));
    let says = |rule: &&Rule| rule.says.iter().any(|says| cause.contains(says));
    // A role that cannot connect is no role that is missing in the backup.
    let connecting = cause.contains("FATAL") || cause.contains("connection to server");
    let rule = RULES.iter().find(says).filter(|_| !connecting);
    let (class, hint) = match (rule, meaning_of(&cause)) {
        (Some(rule), _) if options.data_only && rule.says == THERE => {
            (ErrorClass::Engine, "Remove the large objects that are there already (lo_unlink)")
        }
        (Some(rule), _) => (ErrorClass::Engine, rule.hint),
        (None, Some(meaning)) => meaning,
        (None, None) => (
            ErrorClass::Engine,
            "See what it says; the commands in the manifest do the same by hand",
        ),
    };
    let stderr = shown(&cause, entry, part);
    Error::new(class, Exit { stderr, ..exit.clone() }.to_string(), hint)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
