//! The backup of a request (`autodump run --request`): planned into a prefix that somebody named,
//! and that nothing else may be below.

use std::collections::BTreeMap;

use autodump_core::hash::TagHash;
use autodump_core::pages::Pages;
use autodump_core::ports::{Listed, ObjectReader, ObjectWriter};
use autodump_core::table::arn::TableArn;
use autodump_core::table::calls;
use autodump_core::table::choose::{Wanted, Who};
use autodump_core::table::layout as below;
use autodump_core::table::options::TableOptions;
use autodump_core::table::plan::{Method, Plan};
use autodump_core::table::planner::{PlanRequest, Planner, read_plan, table_id};
use autodump_core::table::ports::TableService;
use autodump_core::table::request::Request;
use autodump_core::tags::{Size, TagPrefix};
use autodump_core::verification::Level;
use autodump_core::{Error, ErrorClass, Result, layout};
use chrono::{DateTime, Utc};
use serde_json::json;

/// What stands in manifests for an execution of the state machine.
pub const EXECUTION: &str = "autodump run --request";

/// The plan of a request's backup.
#[derive(Debug)]
pub struct Requested {
    /// What is read, and how.
    pub plan: Plan,
    /// An earlier run of the same request did not come to its end: this one goes on with it.
    pub goes_on: bool,
}

/// Plans the backup that is asked for, by a scan of one process with `vcpu` processors. A prefix
/// that is used by anything but an unfinished run of the very same request is an error of class
/// [`ErrorClass::Configuration`], and nothing is written.
pub async fn plan<T, S>(
    tables: &T,
    store: &S,
    request: &Request,
    vcpu: u32,
    now: DateTime<Utc>,
) -> Result<Requested>
where
    T: TableService,
    S: ObjectReader + ObjectWriter,
{
    let (arn, id) = table(tables, &request.table_name).await?;
    let directory = request.directory();
    if let Some(plan) = unfinished(store, request, &directory, &arn).await? {
        plan.check_table_id(id.as_deref())?;
        return Ok(Requested { plan, goes_on: true });
    }
    let prefix = TagPrefix::default();
    let run = PlanRequest {
        resource_arn: arn.clone(),
        tag_hash: TagHash::of(&prefix, &BTreeMap::new()),
        start: now,
        execution_arn: EXECUTION.to_owned(),
    };
    let bucket = request.bucket_name.as_str();
    let planner =
        Planner { tables, store, bucket, bucket_owner: None, kms_key: None, limits: None };
    planner.plan(&run, &directory, &wanted(request, vcpu), now).await?;
    // Somebody else's, if that was put first.
    let plan = read_plan(store, bucket, &directory).await?;
    check(&plan, request, &arn)?;
    plan.check_table_id(id.as_deref())?;
    Ok(Requested { plan, goes_on: false })
}

/// A scan by one job with these segments; all else as where a table's tags do not ask for it.
fn wanted(request: &Request, vcpu: u32) -> Wanted {
    let options = TableOptions {
        method: Some(Who::Scan),
        segments: Some(request.total_segments),
        ..TableOptions::default()
    };
    Wanted { vcpu, jobs: Some(1), ..Wanted::of(options, Size::default(), Level::None) }
}

/// The ARN of the table of this name, and its id.
async fn table(tables: &impl TableService, name: &str) -> Result<(String, Option<String>)> {
    let described = tables.dynamodb("DescribeTable", json!({"TableName": name})).await?;
    let described = calls::answer("DescribeTable", name, described)?;
    let arn = described["Table"]["TableArn"].as_str().unwrap_or_default();
    arn.parse::<TableArn>().map_err(|why| {
        let what = format!("the table {name} has the ARN {arn:?}, which {why}");
        Error::new(ErrorClass::Internal, what, "Look at what stands between here and AWS")
    })?;
    Ok((arn.to_owned(), table_id(&described)))
}

/// The plan of the request's unfinished run below the prefix, if there is one; an error if there is
/// anything else.
async fn unfinished<S: ObjectReader>(
    store: &S,
    request: &Request,
    directory: &str,
    arn: &str,
) -> Result<Option<Plan>> {
    let mut pages = Pages::of(store, &request.bucket_name, directory);
    let (mut first, mut planned) = (None, false);
    while let Some(page) = pages.next().await? {
        for Listed { key, .. } in page {
            let name = key.strip_prefix(directory).unwrap_or_default();
            if !is_of_run(name) {
                return Err(used(request, &key, "which is there already"));
            }
            planned |= name == below::PLAN;
            first.get_or_insert(key);
        }
    }
    let Some(first) = first else { return Ok(None) };
    if !planned {
        return Err(used(request, &first, "which is there already, without a plan"));
    }
    let plan = read_plan(store, &request.bucket_name, directory).await?;
    check(&plan, request, arn)?;
    Ok(Some(plan))
}

/// Whether a run that has not come to its end may have an object of this name.
fn is_of_run(name: &str) -> bool {
    let (state, data) = (below::range(0), format!("{}00000-", below::DATA));
    [below::PLAN, below::DEFINITION, below::IMPORT, below::CREATE].contains(&name)
        || [state.as_str(), data.as_str()].iter().any(|begins| {
            name.strip_prefix(begins).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
        })
}

/// Whether a plan is that of the request.
fn check(plan: &Plan, request: &Request, arn: &str) -> Result<()> {
    let key = format!("{}{}", request.directory(), below::PLAN);
    let planned = &plan.resource_arn;
    if planned != arn {
        return Err(used(request, &key, &format!("the plan of a run of {planned}")));
    }
    match &plan.method {
        Method::Scan(scan) if scan.segments == request.total_segments && scan.ranges == 1 => Ok(()),
        Method::Scan(scan) => {
            let (segments, jobs) = (scan.segments, scan.ranges);
            let of = format!("the plan of a run with {segments} segments in {jobs} jobs");
            Err(used(request, &key, &of))
        }
        Method::Export(_) => Err(used(request, &key, "the plan of an export")),
    }
}

fn used(request: &Request, key: &str, what: &str) -> Error {
    let bucket = &request.bucket_name;
    let hint = if key.ends_with(layout::MANIFEST) {
        "A backup is there: name a bucket-prefix that nothing is below"
    } else {
        "Name a bucket-prefix that nothing is below; a run that was not finished goes on only by \
         the same request"
    };
    Error::new(
        ErrorClass::Configuration,
        format!(
            "the bucket-prefix {:?} is used: below it is s3://{bucket}/{key}, {what}",
            request.bucket_prefix
        ),
        hint,
    )
}

#[cfg(test)]
#[path = "requested_tests.rs"]
mod tests;
