//! `autodump cancel`.

use std::process::ExitCode;
use std::time::SystemTime;

use autodump_aws::batch::Batch;
use autodump_aws::config;
use autodump_aws::runs::StepFunctions;
use autodump_aws::s3::S3Store;
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::cancel::Cancel;
use clap::Args;

use crate::{backup, show};

/// Stops a run: its execution and its jobs.
///
/// Waits until the jobs have ended. What a run of a DynamoDB table has written is then removed,
/// unless its backup is complete. What a run of a database of RDS has made there, its export and
/// the snapshot for it, AutoDump undoes by itself some minutes later. The next run stays scheduled:
/// to end these, remove the tag.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The execution's ARN, as the console and `autodump status` show it.
    #[arg(value_parser = execution)]
    execution: String,
    /// The bucket that it writes to; else the one that its job definition names.
    #[arg(long)]
    bucket: Option<String>,
    /// Write the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn execution(text: &str) -> Result<String, String> {
    let parts: Vec<_> = text.split(':').collect();
    match parts[..] {
        ["arn", _, "states", region, _, "execution", _, _] if !region.is_empty() => {
            Ok(text.to_owned())
        }
        _ => {
            Err("name an execution: arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME"
                .to_owned())
        }
    }
}

/// Stops it, and says what was done.
pub(crate) async fn run(
    arguments: Arguments,
    stop: impl Future<Output = ()> + Send,
) -> Result<ExitCode> {
    let config = config::load().await?;
    let cancel = Cancel {
        runs: &StepFunctions::new(&config),
        jobs: &Batch::new(&config),
        store: &S3Store::new(&config, backup::options()),
        bucket: arguments.bucket,
        now: SystemTime::now().into(),
    };
    let done = tokio::select! {
        done = cancel.run(&arguments.execution) => done?,
        () = stop => return Err(Error::new(
            ErrorClass::Interrupted,
            "you stopped it: the run may be ended only in part",
            "Start it again: it goes on where it was",
        )),
    };
    show::cancelled(&done, arguments.json);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_execution_is_one() {
        let arn = "arn:aws-cn:states:cn-north-1:111122223333:execution:AutoDump:orders-1";
        assert_eq!(execution(arn), Ok(arn.to_owned()));
        for text in [
            "",
            "orders-1",
            "arn:aws:states:eu-central-1:111122223333:stateMachine:AutoDump",
            "arn:aws:states:eu-central-1:111122223333:execution:AutoDump",
            "arn:aws:states::111122223333:execution:AutoDump:orders-1",
        ] {
            assert!(execution(text).unwrap_err().contains("name an execution"), "{text}");
        }
    }
}
