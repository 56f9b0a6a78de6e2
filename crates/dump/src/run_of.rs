//! What an execution is about: its target, and where its run writes to.

use std::collections::BTreeSet;

use autodump_core::runs::{Run, RunJobs};
use autodump_core::snapshot::run::Run as SnapshotRun;
use autodump_core::table::planner;
use autodump_core::tags::Kind;
use autodump_core::{Error, ErrorClass, Result};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// The variable of the job definition that names the bucket of the backups.
const BUCKET: &str = "AUTODUMP_BUCKET";

/// The run that an execution was started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunOf {
    /// When its backup is to start.
    pub(crate) start: DateTime<Utc>,
    /// Of what its backup is.
    pub(crate) of: Of,
}

/// Of what a run's backup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Of {
    /// Of the database that a secret leads to. Where it writes to, its jobs alone know.
    Secret,
    /// Of a table: all that it writes lies in this directory.
    Table(String),
    /// Of a database of RDS.
    Database(SnapshotRun),
}

impl RunOf {
    /// Reads the input of an execution. One that is none of AutoDump's is an error of class
    /// [`ErrorClass::Configuration`].
    pub(crate) fn read(run: &Run) -> Result<Self> {
        let input = run.input.as_ref().ok_or_else(|| {
            wrong(format!("{} was not started with the input of a backup", run.arn))
        })?;
        let start = input.when.parse().map_err(|_| {
            wrong(format!("{} is to start at {:?}, which is no time", run.arn, input.when))
        })?;
        let arn = &input.resource_arn;
        let of = match Kind::of(arn) {
            Some(Kind::Table) => Of::Table(planner::directory(arn, start, &run.arn)),
            Some(Kind::Database) => Of::Database(SnapshotRun {
                resource_arn: arn.clone(),
                start,
                execution_arn: run.arn.clone(),
            }),
            Some(Kind::Secret) | None => Of::Secret,
        };
        Ok(Self { start, of })
    }
}

/// What a state machine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    /// The queues that its jobs are put into; at least one.
    pub(crate) queues: BTreeSet<String>,
    /// Their definitions.
    definitions: BTreeSet<String>,
}

impl Machine {
    /// Reads the definition that the execution follows.
    pub(crate) fn read(definition: &str, execution: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(definition)
            .map_err(|error| wrong(format!("the definition of {execution} is no JSON: {error}")))?;
        let (mut queues, mut definitions) = (BTreeSet::new(), BTreeSet::new());
        collect(&value, "JobQueue", &mut queues);
        collect(&value, "JobDefinition", &mut definitions);
        if queues.is_empty() {
            return Err(wrong(format!("{execution} runs no job")));
        }
        Ok(Self { queues, definitions })
    }

    /// The bucket that its jobs write to.
    pub(crate) async fn bucket<J: RunJobs>(&self, jobs: &J) -> Result<String> {
        for definition in &self.definitions {
            let environment = jobs.environment(definition).await?;
            let found = environment.into_iter().find(|(name, _)| name == BUCKET);
            if let Some((_, bucket)) = found {
                return Ok(bucket);
            }
        }
        Err(Error::new(
            ErrorClass::Configuration,
            "no job definition of this execution names a bucket",
            "Name the bucket of the backups with --bucket",
        ))
    }
}

fn wrong(what: String) -> Error {
    let hint = "Name an execution of AutoDump's state machine of backups";
    Error::new(ErrorClass::Configuration, what, hint)
}

/// All texts under this name, however deep.
fn collect(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == name => {
                        found.insert(text.clone());
                    }
                    _ => collect(value, name, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, name, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_found_however_deep() {
        let definition = r#"{"States": {"Jobs": [{"Parameters": {"JobQueue": "one"}},
            {"Branches": [{"JobQueue": "two", "JobDefinition": "d"}]}]}}"#;
        let machine = Machine::read(definition, "arn:x").unwrap();
        assert!(machine.queues.iter().eq(["one", "two"]));
        assert!(machine.definitions.iter().eq(["d"]));
    }

    #[test]
    fn another_state_machine_is_refused() {
        for (definition, says) in [("{", "of arn:x is no JSON"), ("{}", "arn:x runs no job")] {
            let error = Machine::read(definition, "arn:x").unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(says), "{error}");
        }
    }

    #[test]
    fn an_execution_without_a_run_s_input_is_refused() {
        let run = Run {
            arn: "arn:x".to_owned(),
            name: "x".to_owned(),
            status: autodump_core::runs::RunStatus::Running,
            started: DateTime::default(),
            ended: None,
            input: None,
            cause: None,
        };
        let error = RunOf::read(&run).unwrap_err();
        assert!(error.what().contains("not started with the input of a backup"), "{error}");
    }
}
