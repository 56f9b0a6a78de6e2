//! `autodump run`.

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use autodump_aws::config::{self, SdkConfig};
use autodump_aws::dynamodb::{Control, Table};
use autodump_aws::s3::S3Store;
use autodump_aws::source::config_of;
use autodump_core::manifest::Job;
use autodump_core::ports::ObjectLocation;
use autodump_core::source::Source;
use autodump_core::table::manifest::TableManifest;
use autodump_core::table::plan::{Method, Plan, Scan};
use autodump_core::table::request::{Action, Request};
use autodump_core::table::restore::MOST_WORKERS;
use autodump_core::{Error, ErrorClass, Result, layout};
use autodump_dump::object::{AnyManifest, read_any_manifest};
use autodump_dump::table::backup::{self, Part};
use autodump_dump::table::finish::Finish;
use autodump_dump::table::requested::{self, Requested};
use autodump_dump::table::restore::Options;
use autodump_dump::table::so_far::Follower;
use clap::Args;
use serde_json::json;

use crate::restore_table::{self, Order, Site};
use crate::screen::{Screen, line};
use crate::show_table;
use crate::stop::or_stopped;

/// Between two looks at how far a backup is.
const PAUSE: Duration = Duration::from_secs(10);
/// The job in a manifest that no Batch job wrote.
const BY_HAND: &str = "by-hand";

/// Backs up or restores a DynamoDB table as a request says, from this machine.
///
/// A backup goes below the bucket-prefix, which nothing may be below already, but for a run of
/// the same request that did not come to its end: it goes on. A restore makes the table, or fills
/// an empty one.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A file with {"action": "backup" or "restore", "total-segments": 8, "table-region": "…",
    /// "table-name": "…", "bucket-region": "…", "bucket-name": "…", "bucket-prefix": "…"}.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Write events and the result as JSON, one a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Does what is asked for, and shows how far it is.
pub(crate) async fn run(
    arguments: Arguments,
    stop: impl Future<Output = ()> + Send,
) -> Result<ExitCode> {
    let Arguments { request: file, json } = arguments;
    let text = std::fs::read_to_string(&file).map_err(|error| {
        let what = format!("the request {} cannot be read: {error}", file.display());
        Error::new(ErrorClass::Configuration, what, "Name a file that is there")
    })?;
    let request = Request::parse(&text)?;
    let own = config::load_or(&request.table_region).await?;
    let bucket = in_region(&own, &request.bucket_region);
    let store = S3Store::new(&bucket, crate::backup::options());
    let stop = pin!(stop);
    match request.action {
        Action::Backup => {
            let tables = in_region(&own, &request.table_region);
            Box::pin(back_up(&tables, &store, &request, json, stop)).await
        }
        Action::Restore => Box::pin(restore(&own, store, request, json, stop)).await,
    }
}

/// The own account in another region.
fn in_region(own: &SdkConfig, region: &str) -> SdkConfig {
    let source = Source { region: region.to_owned(), role_arn: None, external_id: None };
    config_of(own, &source)
}

async fn back_up(
    tables: &SdkConfig,
    store: &S3Store,
    request: &Request,
    json: bool,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<ExitCode> {
    let vcpu = std::thread::available_parallelism().map_or(1, usize::from);
    let vcpu = u32::try_from(vcpu).unwrap_or(u32::MAX);
    let now = || SystemTime::now().into();
    let control = Control::new(tables);
    let planning = requested::plan(&control, store, request, vcpu, now());
    let requested = or_stopped(stop.as_mut(), planning).await?;
    let directory = request.directory();
    let finish = Finish {
        bucket: &request.bucket_name,
        directory: &directory,
        plan: &requested.plan,
        job: Job { id: BY_HAND.to_owned(), attempt: 1 },
        autodump_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let screen = Screen::of_items(json);
    say(&screen, request, &requested);
    let table = Table::new(tables, &request.table_name);
    let reading = Box::pin(backup::run(&table, store, &finish, Part::Rest, now, stop));
    let outcome = match scan(&requested.plan) {
        Some(scan) => tokio::select! {
            outcome = reading => outcome,
            never = follow(&screen, store, request, scan) => match never {},
        },
        None => reading.await,
    };
    screen.end();
    let manifest = outcome?.ok_or_else(|| {
        let what = "the only job of a backup did not end it";
        Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
    })?;
    show_table::backed_up(&manifest, &uri(&manifest_of(request)), json);
    Ok(ExitCode::SUCCESS)
}

const fn scan(plan: &Plan) -> Option<&Scan> {
    match &plan.method {
        Method::Scan(scan) => Some(scan),
        Method::Export(_) => None,
    }
}

fn say(screen: &Screen, request: &Request, requested: &Requested) {
    let Requested { plan, goes_on } = requested;
    let (table, segments) = (&plan.resource_arn, request.total_segments);
    let to = format!("s3://{}/{}", request.bucket_name, request.directory());
    let again = if *goes_on { ", going on with the run that is there" } else { "" };
    let items = scan(plan).map_or(0, |scan| scan.items);
    screen.expects(items);
    screen.say(
        &format!("{table} in {segments} segments to {to}: about {items} items{again}"),
        &json!({ "event": "planned", "plan": {
            "table": table, "backup": to, "segments": segments, "items": items, "goesOn": goes_on,
        }}),
    );
}

/// Shows how far the backup is, and never ends.
async fn follow(
    screen: &Screen,
    store: &S3Store,
    request: &Request,
    scan: &Scan,
) -> std::convert::Infallible {
    let (bucket, directory) = (&request.bucket_name, request.directory());
    let mut range = Follower::new(store, bucket, &directory, scan, 0);
    let mut begun = false;
    loop {
        match range.look().await {
            Ok(range) => screen.reached(range.segments.iter().map(|one| one.items).sum()),
            // What really is wrong ends the backup itself.
            Err(error) => tracing::warn!(what = error.what(), "how far it is could not be seen"),
        }
        if !begun {
            screen.phase("reading items", &json!({ "event": "phase", "phase": "items" }));
            begun = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn restore(
    own: &SdkConfig,
    store: S3Store,
    request: Request,
    json: bool,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<ExitCode> {
    let at = manifest_of(&request);
    let manifest = or_stopped(stop.as_mut(), manifest(&store, &at)).await?;
    let workers = u16::try_from(request.total_segments).unwrap_or(u16::MAX).min(MOST_WORKERS);
    if u32::from(workers) < request.total_segments {
        line(&format!("{} workers were asked for: {workers} write", request.total_segments));
    }
    let order = Order {
        at,
        manifest,
        to: Some(request.table_name),
        site: Site { region: Some(request.table_region), ..Site::default() },
        options: Options { workers, ..Options::default() },
        json,
    };
    Box::pin(restore_table::run(own, store, order, stop)).await
}

async fn manifest(store: &S3Store, at: &ObjectLocation) -> Result<Box<TableManifest>> {
    match read_any_manifest(store, at).await? {
        AnyManifest::Table(manifest) => Ok(manifest),
        AnyManifest::Database(_) => Err(Error::new(
            ErrorClass::Configuration,
            format!("{} is the backup of a database", uri(at)),
            "Name the prefix of a table's backup, or use autodump restore",
        )),
    }
}

fn manifest_of(request: &Request) -> ObjectLocation {
    let key = format!("{}{}", request.directory(), layout::MANIFEST);
    ObjectLocation { bucket: request.bucket_name.clone(), key }
}

fn uri(at: &ObjectLocation) -> String {
    format!("s3://{}/{}", at.bucket, at.key)
}
