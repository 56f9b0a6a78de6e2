//! A backup, restored into a DynamoDB table.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use autodump_aws::config::SdkConfig;
use autodump_aws::dynamodb::{Control, Table};
use autodump_aws::s3::S3Store;
use autodump_aws::{identity, source};
use autodump_core::table::arn::TableArn;
use autodump_core::table::manifest::TableManifest;
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::table::restore::{
    self, Backup, Event, Log, Options, Restore, Restored, Watcher,
};

use crate::environment::restore::Environment;
use crate::stop::or_stopped;

/// How often progress is logged.
const PROGRESS: Duration = Duration::from_secs(30);

pub(crate) async fn run(
    environment: &Environment,
    own: &SdkConfig,
    reader: S3Store,
    manifest: &TableManifest,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<()> {
    let options = options(environment)?;
    let looking = async {
        let (config, target) = place(environment, own).await?;
        let backup = Backup::open(&reader, &environment.manifest, manifest, &target).await?;
        Ok((config, target, backup))
    };
    let (config, target, backup) = or_stopped(stop.as_mut(), looking).await?;
    let progress = Arc::new(Progress::default());
    let table = Arc::new(Table::new(&config, &target.name));
    let restore = Restore {
        reader: reader.clone(),
        service: Control::new(&config),
        writer: Arc::clone(&table),
        scanner: table,
        target,
        backup,
        options,
        watcher: Arc::clone(&progress) as Arc<dyn Watcher>,
    };
    let begun = Instant::now();
    let restored = tokio::select! {
        restored = restore::run(&restore, stop) => restored.map_err(refused)?,
        never = progress.log_every(PROGRESS) => match never {},
    };
    log(environment, &restored, begun.elapsed());
    Ok(())
}

/// What was asked for. Later restores may write into what this one makes.
fn options(environment: &Environment) -> Result<Options> {
    let asked = environment.options.of_table()?;
    let prefix = environment.tag_prefix.clone();
    Ok(Options { prefix, mark: true, ..Options::from(asked) })
}

/// The table, and how its region and account are reached: a name is that of a table here, and an
/// ARN may be that of a table in a source.
async fn place(environment: &Environment, own: &SdkConfig) -> Result<(SdkConfig, TableArn)> {
    let Environment { to, sources, .. } = environment;
    let config = match to.parse::<TableArn>() {
        Ok(arn) => source::config_for(own, sources, &arn.to_string())?,
        Err(_) => own.clone(),
    };
    let target = identity::home(&config).await?.table(to)?;
    Ok((config, target))
}

/// The job's role may write a table only if it says that it may be restored into.
fn refused(error: Error) -> Error {
    if error.class() != ErrorClass::Credentials {
        return error;
    }
    let hint = format!(
        "{}. A restore may write only into a table that it makes, or that bears the tag \
         restore-target of AutoDump's prefix, with the exact value yes",
        error.hint().trim_end_matches('.')
    );
    Error::new(error.class(), error.what(), hint)
}

fn log(environment: &Environment, restored: &Restored, time: Duration) {
    let at = &environment.manifest;
    tracing::info!(
        manifest = format!("s3://{}/{}", at.bucket, at.key),
        table = restored.plan.table,
        method = restored.plan.method,
        made = restored.plan.makes_table,
        differences = restored.plan.differences.join("; "),
        remarks = restored.plan.remarks.join("; "),
        dry_run = restored.dry_run,
        items = restored.items,
        deleted = restored.deleted,
        bytes = restored.bytes,
        throttled = restored.throttled,
        seconds = time.as_secs(),
        "restore complete"
    );
}

/// How far the restore is.
#[derive(Debug, Default)]
struct Progress {
    items: AtomicU64,
    all: AtomicU64,
    deleted: AtomicU64,
}

impl Watcher for Progress {
    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => self.all.store(plan.items, Ordering::Relaxed),
            Event::Written(items) => {
                self.items.fetch_add(*items, Ordering::Relaxed);
            }
            Event::Deleted(items) => {
                self.deleted.fetch_add(*items, Ordering::Relaxed);
            }
            Event::Imported(items) => self.items.store(*items, Ordering::Relaxed),
            _ => {}
        }
        Log.note(event);
    }
}

impl Progress {
    /// Writes to the log every `interval`, and never ends.
    async fn log_every(&self, interval: Duration) -> std::convert::Infallible {
        let mut ticks = tokio::time::interval(interval);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            tracing::info!(
                items = self.items.load(Ordering::Relaxed),
                of = self.all.load(Ordering::Relaxed),
                deleted = self.deleted.load(Ordering::Relaxed),
                "restore in progress"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Variables;

    fn environment(options: &str) -> Environment {
        let input = format!(
            "{{\"manifest\": \"s3://b/x/manifest.json\", \"to\": \"orders\", \"options\": {options}}}"
        );
        let variables = Variables(&|name| match name {
            "AUTODUMP_RESTORE" => Some(input.clone()),
            "AUTODUMP_TAG_PREFIX" => Some("backup".to_owned()),
            _ => None,
        });
        Environment::read(&variables).unwrap()
    }

    #[test]
    fn what_is_made_may_be_restored_into_again() {
        let options = options(&environment("{\"maxWriteRate\": 100}")).unwrap();
        assert!(options.mark);
        assert_eq!((options.prefix.as_str(), options.units_per_second), ("backup", Some(100.0)));
        assert!(super::options(&environment("{\"clean\": true}")).is_err());
    }

    #[test]
    fn a_table_that_is_refused_may_lack_its_tag() {
        let error = |class| refused(Error::new(class, "cannot write", "The table is half full."));
        let told = error(ErrorClass::Credentials);
        assert!(told.hint().starts_with("The table is half full. A restore may"), "{told}");
        assert!(told.hint().contains("restore-target"));
        assert_eq!(error(ErrorClass::Source).hint(), "The table is half full.");
    }

    #[test]
    fn progress_is_what_was_written_or_imported() {
        let progress = Progress::default();
        for event in [Event::Written(10), Event::Written(5)] {
            progress.note(&event);
        }
        assert_eq!(progress.items.load(Ordering::Relaxed), 15);
        progress.note(&Event::Imported(7));
        assert_eq!(progress.items.into_inner(), 7);
    }
}
