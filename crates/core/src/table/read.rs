//! Asks the services for a table's whole definition.

use serde_json::{Value, json};

use super::calls::{self, NO_POLICY, NOT_FOUND};
use super::definition::{AutoScaling, Definition, Tag, VERSION};
use super::description as told;
use super::ports::{Called, TableService};
use crate::error::{Error, ErrorClass, Result};

/// The definition of a table of this name.
///
/// A table that is not there is an error of class [`ErrorClass::Configuration`]; a missing right
/// to ask for a part is an error, too, since a definition that lacks it would look whole. A part
/// that the service does not know, as an emulator may not, is left out, and noted.
pub async fn read(service: &impl TableService, name: &str) -> Result<Definition> {
    let described = service.dynamodb("DescribeTable", json!({"TableName": name})).await?;
    let table = calls::answer("DescribeTable", name, described)?["Table"].take();
    let arn = table["TableArn"].as_str().ok_or_else(|| odd(name, "TableArn"))?.to_owned();
    let mut asking = Asking { service, name, arn: &arn, notes: Vec::new() };
    let create = told::create(&table);
    let resources = scaled(name, &create);
    let is_provisioned = create["BillingMode"] == "PROVISIONED";
    let mut definition = Definition {
        version: VERSION,
        item_count: table["ItemCount"].as_u64().unwrap_or_default(),
        table_size_bytes: table["TableSizeBytes"].as_u64().unwrap_or_default(),
        create,
        time_to_live: told::time_to_live(&asking.one("DescribeTimeToLive").await?),
        point_in_time_recovery: told::point_in_time_recovery(
            &asking.one("DescribeContinuousBackups").await?,
        ),
        tags: asking.tags().await?,
        resource_policy: asking.policy().await?,
        auto_scaling: AutoScaling::default(),
        kinesis_streaming_destinations: told::kinesis(
            &asking.one("DescribeKinesisStreamingDestination").await?,
        ),
        contributor_insights: asking.insights().await?,
        replicas: told::replicas(&table),
        notes: Vec::new(),
        table_arn: arn.clone(),
    };
    // Where it is paid for by request there is no capacity that could be scaled.
    if is_provisioned {
        definition.auto_scaling = asking.auto_scaling(&resources).await?;
    }
    definition.notes = asking.notes;
    Ok(definition)
}

/// What auto scaling calls the table and its global indexes.
fn scaled(name: &str, create: &serde_json::Map<String, Value>) -> Vec<String> {
    let indexes = create.get("GlobalSecondaryIndexes").and_then(Value::as_array);
    let indexes = indexes.into_iter().flatten().filter_map(|index| index["IndexName"].as_str());
    let mut all = vec![format!("table/{name}")];
    all.extend(indexes.map(|index| format!("table/{name}/index/{index}")));
    all
}

fn odd(name: &str, part: &str) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("the description of the table {name} has no {part}"),
        "Report this: it is a fault of AutoDump, or of the service that was asked",
    )
}

struct Asking<'a, S> {
    service: &'a S,
    name: &'a str,
    arn: &'a str,
    notes: Vec<String>,
}

impl<S: TableService> Asking<'_, S> {
    /// The answer about the table; null where the service does not know the operation.
    async fn one(&mut self, operation: &str) -> Result<Value> {
        self.ask(operation, json!({"TableName": self.name})).await
    }

    async fn ask(&mut self, operation: &str, input: Value) -> Result<Value> {
        let called = self.service.dynamodb(operation, input).await?;
        self.take(operation, called)
    }

    fn take(&mut self, operation: &str, called: Called) -> Result<Value> {
        match called {
            Called::Answered(answer) => Ok(answer),
            Called::Refused { code, .. } if calls::is_unsupported(&code) => {
                let note = format!("{operation} is not known to the service that was asked");
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
                Ok(Value::Null)
            }
            Called::Refused { code, message } => {
                Err(calls::refusal(operation, self.name, &code, &message))
            }
        }
    }

    async fn tags(&mut self) -> Result<Vec<Tag>> {
        let mut tags = Vec::new();
        let mut input = json!({"ResourceArn": self.arn});
        loop {
            let answer = self.ask("ListTagsOfResource", input.clone()).await?;
            tags.extend(told::tags(&answer));
            if !goes_on(&answer, &mut input) {
                tags.sort_by(|a, b| a.key.cmp(&b.key));
                return Ok(tags);
            }
        }
    }

    async fn policy(&mut self) -> Result<Option<String>> {
        let input = json!({"ResourceArn": self.arn});
        let called = self.service.dynamodb("GetResourcePolicy", input).await?;
        if matches!(&called, Called::Refused { code, .. } if code == NO_POLICY) {
            return Ok(None);
        }
        let answer = self.take("GetResourcePolicy", called)?;
        Ok(answer["Policy"].as_str().map(ToOwned::to_owned))
    }

    async fn insights(&mut self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut input = json!({"TableName": self.name});
        loop {
            let answer = self.ask("ListContributorInsights", input.clone()).await?;
            all.extend(told::contributor_insights(&answer));
            if !goes_on(&answer, &mut input) {
                return Ok(all);
            }
        }
    }

    async fn auto_scaling(&mut self, resources: &[String]) -> Result<AutoScaling> {
        let mut found = AutoScaling::default();
        for resource in resources {
            let of_targets = json!({"ServiceNamespace": "dynamodb", "ResourceIds": [resource]});
            let of_others = json!({"ServiceNamespace": "dynamodb", "ResourceId": resource});
            for answer in self.scaling("DescribeScalableTargets", of_targets).await? {
                found.targets.extend(told::scalable_targets(&answer));
            }
            for answer in self.scaling("DescribeScalingPolicies", of_others.clone()).await? {
                found.policies.extend(told::scaling_policies(&answer));
            }
            for answer in self.scaling("DescribeScheduledActions", of_others).await? {
                found.scheduled_actions.extend(told::scheduled_actions(&answer));
            }
        }
        Ok(found)
    }

    /// All pages of an answer of Application Auto Scaling.
    async fn scaling(&mut self, operation: &str, mut input: Value) -> Result<Vec<Value>> {
        let mut pages = Vec::new();
        loop {
            let called = self.service.auto_scaling(operation, input.clone()).await?;
            let is_absent = matches!(&called, Called::Refused { code, .. }
                if code == NOT_FOUND || code == "ObjectNotFoundException");
            if is_absent {
                return Ok(pages);
            }
            let page = self.take(operation, called)?;
            let more = goes_on(&page, &mut input);
            pages.push(page);
            if !more {
                return Ok(pages);
            }
        }
    }
}

/// Whether there is another page; the input asks for it then.
fn goes_on(answer: &Value, input: &mut Value) -> bool {
    let next = answer["NextToken"].as_str().filter(|token| !token.is_empty());
    if let Some(token) = next {
        input["NextToken"] = json!(token);
    }
    next.is_some()
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
