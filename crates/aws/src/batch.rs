//! Jobs of AWS Batch, for operators.

use autodump_core::runs::{RunJob, RunJobs};
use autodump_core::{Error, Result};
use aws_config::SdkConfig;
use aws_sdk_batch::Client;
use aws_sdk_batch::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_batch::types::{JobStatus, KeyValuesPair};
use aws_sdk_sfn::config::http::HttpResponse;

use crate::config::short_requests;
use crate::failure::failure;

/// The most jobs that are described in one request.
const AT_ONCE: usize = 100;

/// The jobs of one account and region.
#[derive(Debug, Clone)]
pub struct Batch {
    client: Client,
}

impl Batch {
    /// Uses these settings of the process.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let config =
            aws_sdk_batch::config::Builder::from(config).timeout_config(short_requests()).build();
        Self { client: Client::from_conf(config) }
    }
}

impl RunJobs for Batch {
    async fn named(&self, queue: &str, name: &str) -> Result<Vec<RunJob>> {
        // With a filter, jobs of every status are listed.
        let filter = KeyValuesPair::builder().name("JOB_NAME").values(format!("{name}*")).build();
        let request = self.client.list_jobs().job_queue(queue).filters(filter);
        let mut pages = request.into_paginator().send();
        let mut jobs = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| refused(&format!("cannot list the jobs in {queue}"), error))?;
            jobs.extend(
                page.job_summary_list
                    .unwrap_or_default()
                    .into_iter()
                    .map(|job| seen(job.job_id, job.job_name, job.status.as_ref())),
            );
        }
        Ok(jobs)
    }

    async fn described(&self, ids: &[String]) -> Result<Vec<RunJob>> {
        let mut jobs = Vec::new();
        for ids in ids.chunks(AT_ONCE) {
            let answer = self.client.describe_jobs().set_jobs(Some(ids.to_vec())).send().await;
            let answer = answer.map_err(|error| refused("cannot look at jobs", error))?;
            jobs.extend(
                answer
                    .jobs
                    .unwrap_or_default()
                    .into_iter()
                    .map(|job| seen(job.job_id, job.job_name, job.status.as_ref())),
            );
        }
        Ok(jobs)
    }

    async fn terminate(&self, id: &str, reason: &str) -> Result<()> {
        let request = self.client.terminate_job().job_id(id).reason(reason);
        let done = request.send().await;
        done.map(drop).map_err(|error| refused(&format!("cannot end the job {id}"), error))
    }

    async fn environment(&self, definition: &str) -> Result<Vec<(String, String)>> {
        let name = definition.rsplit('/').next().unwrap_or(definition);
        let name = name.split(':').next().unwrap_or(name);
        let request =
            self.client.describe_job_definitions().job_definition_name(name).status("ACTIVE");
        let mut pages = request.into_paginator().send();
        let mut newest = None;
        while let Some(page) = pages.next().await {
            let what = format!("cannot look at the job definition {name}");
            let page = page.map_err(|error| refused(&what, error))?;
            for found in page.job_definitions.unwrap_or_default() {
                if newest.as_ref().is_none_or(|(revision, _)| found.revision > *revision) {
                    newest = Some((found.revision, found.container_properties));
                }
            }
        }
        let environment = newest.and_then(|(_, properties)| properties?.environment);
        let pairs = environment.unwrap_or_default().into_iter();
        Ok(pairs.filter_map(|pair| Some((pair.name?, pair.value?))).collect())
    }
}

fn seen(id: Option<String>, name: Option<String>, status: Option<&JobStatus>) -> RunJob {
    RunJob {
        id: id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        ended: matches!(status, Some(JobStatus::Succeeded | JobStatus::Failed)),
    }
}

fn refused<E>(what: &str, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    failure(
        what,
        error,
        "You need batch:ListJobs, DescribeJobs, DescribeJobDefinitions and TerminateJob",
        "Look at the region and at the names that are used",
    )
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
