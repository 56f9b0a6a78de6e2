//! The Lambda function that makes CSV of tables of Parquet, and says which are too large for it.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use autodump_aws::s3::{KmsKey, Options, S3Store};
use autodump_aws::{config, emf};
use autodump_core::Result;
use autodump_handlers::{CSV_FUNCTION_BYTES, Ended, bytes, log_as_json, path_style, setting};
use autodump_parquet::converter::Converter;
use autodump_parquet::request::{Done, Looked, Request, TableAt, answer, written};
use autodump_parquet::settings::{self, Settings};
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::Value;

/// How long before its deadline the function ends a conversion: uploads are aborted for at most
/// half a minute.
const SPARE: Duration = Duration::from_secs(40);

struct Csv {
    store: S3Store,
    settings: Settings,
    most_bytes: u64,
}

impl Csv {
    fn from_environment() -> Result<Self, Ended> {
        let settings = Settings::read(&setting(settings::VARIABLE)?)?;
        let most_bytes = bytes(CSV_FUNCTION_BYTES)?;
        let bucket = settings.destination.bucket.clone();
        let kms_key = settings.kms_key_arn.clone().map(|key_arn| KmsKey { bucket, key_arn });
        let options = Options { kms_key, path_style: path_style() };
        let store = S3Store::new(&config::of_function(), options);
        Ok(Self { store, settings, most_bytes })
    }

    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Ended> {
        let answer = match Request::read(&event.payload)? {
            Request::Look { bucket, key } => written(&self.look(&bucket, &key).await?)?,
            Request::Convert { table } => self.convert(&table, event.context.deadline()).await?,
        };
        Ok(answer)
    }

    async fn look(&self, bucket: &str, key: &str) -> Result<Looked> {
        let looked = self.converter().look(bucket, key, self.most_bytes).await?;
        match &looked {
            Looked::Nothing { reason } => tracing::info!(bucket, key, reason, "nothing to do"),
            Looked::Function(size) | Looked::Job(size) => tracing::info!(
                bucket,
                directory = size.table.directory,
                bytes = size.bytes,
                files = size.files,
                job = matches!(looked, Looked::Job(_)),
                "a table is there whole"
            ),
        }
        Ok(looked)
    }

    async fn convert(&self, table: &TableAt, deadline: SystemTime) -> Result<Value> {
        let stop = pin!(tokio::time::sleep(time_until(deadline, SystemTime::now())));
        let outcome = self.converter().convert(table, stop).await;
        if let Ok(Done::Converted(summary)) = &outcome {
            self.note(summary.rejects);
        }
        let answer = answer(outcome)?;
        let (directory, text) = (&table.directory, answer.to_string());
        tracing::info!(directory, answer = text, "converted or not");
        Ok(answer)
    }

    fn converter(&self) -> Converter<'_, S3Store> {
        Converter { store: &self.store, settings: &self.settings }
    }

    fn note(&self, rejects: u64) {
        emf::print(emf::converted(&self.settings.name, rejects, SystemTime::now().into()));
    }
}

/// How long a conversion may take.
fn time_until(deadline: SystemTime, now: SystemTime) -> Duration {
    deadline.duration_since(now).unwrap_or_default().saturating_sub(SPARE)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    log_as_json();
    let csv = Csv::from_environment()?;
    run(service_fn(|event: LambdaEvent<Value>| Box::pin(csv.handle(event)))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `contract/csv.json` is also read by the construct, which sets these.
    #[test]
    fn the_settings_are_the_contract() {
        let golden: Value =
            serde_json::from_str(include_str!("../../../contract/csv.json")).unwrap();
        let names = serde_json::json!([settings::VARIABLE, CSV_FUNCTION_BYTES]);
        assert_eq!(golden["environment"]["function"], names);
    }

    #[test]
    fn a_conversion_ends_before_the_function_does() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        for (left, time) in [(900, 860), (41, 1), (40, 0), (5, 0), (0, 0)] {
            let deadline = now + Duration::from_secs(left);
            assert_eq!(time_until(deadline, now), Duration::from_secs(time), "{left}");
        }
        assert_eq!(time_until(now - Duration::from_secs(1), now), Duration::ZERO);
    }
}
