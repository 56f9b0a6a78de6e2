//! What is set of a table that is there.

use serde_json::{Value, json};

use super::{Answer, POLLS, Table, invalid, items, text};
use crate::table::calls::NO_POLICY;

/// Tags on a page: few, so that there are pages.
const TAGS: usize = 2;
/// Changes by `UpdateTable`: one in each call.
const CHANGES: [&str; 3] = ["StreamSpecification", "TableClass", "DeletionProtectionEnabled"];

impl Table {
    pub(super) fn serve(
        &mut self,
        operation: &str,
        input: &Value,
        (region, account): &(String, String),
    ) -> Answer {
        let reads = ["Describe", "List", "Get", "Scan"];
        if self.polls > 0 && !reads.iter().any(|read| operation.starts_with(read)) {
            return Err(("ResourceInUseException", "the table is not active".to_owned()));
        }
        match operation {
            "Scan" => {
                let items: Vec<_> = self.items.values().take(1).collect();
                Ok(json!({"Items": items, "Count": items.len()}))
            }
            "GetItem" => {
                let key = items::key_of(&self.create, &input["Key"]).map_err(invalid)?;
                Ok(match self.items.get(&key) {
                    Some(item) => json!({"Item": item}),
                    None => json!({}),
                })
            }
            "UpdateTable" => self.update(input),
            "DescribeTimeToLive" => Ok(match &self.time_to_live {
                Some(set) => json!({"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED",
                    "AttributeName": set["AttributeName"]}}),
                None => json!({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}),
            }),
            "UpdateTimeToLive" => set(&mut self.time_to_live, input, "TimeToLiveSpecification"),
            "DescribeContinuousBackups" => Ok(self.recovery()),
            "UpdateContinuousBackups" => {
                set(&mut self.recovery, input, "PointInTimeRecoverySpecification")
            }
            "ListTagsOfResource" => Ok(self.list_tags(input)),
            "TagResource" => self.tag(&input["Tags"]),
            "GetResourcePolicy" => match &self.policy {
                Some(policy) => Ok(json!({"Policy": policy, "RevisionId": "1"})),
                None => Err((NO_POLICY, "there is none".to_owned())),
            },
            "PutResourcePolicy" => {
                self.policy = Some(text(input, "Policy")?.to_owned());
                Ok(json!({"RevisionId": "1"}))
            }
            "DescribeKinesisStreamingDestination" => {
                Ok(json!({"KinesisDataStreamDestinations": self.kinesis}))
            }
            "EnableKinesisStreamingDestination" => {
                self.stream_to(input, &format!(":{region}:{account}:"))
            }
            "ListContributorInsights" => Ok(json!({"ContributorInsightsSummaries": self.insights})),
            "UpdateContributorInsights" => self.watch(input),
            _ => Err(("UnknownOperationException", operation.to_owned())),
        }
    }

    fn update(&mut self, input: &Value) -> Answer {
        let mut fields = input.as_object().cloned().unwrap_or_default();
        fields.remove("TableName");
        if fields.len() != 1 || !fields.keys().all(|field| CHANGES.contains(&field.as_str())) {
            return Err(invalid(format!("not one change: {input}")));
        }
        self.create.extend(fields);
        self.polls = POLLS;
        Ok(json!({}))
    }

    fn recovery(&self) -> Value {
        let described = match &self.recovery {
            Some(set) => json!({"PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": set.get("RecoveryPeriodInDays").unwrap_or(&json!(35))}),
            None => json!({"PointInTimeRecoveryStatus": "DISABLED"}),
        };
        json!({"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": described}})
    }

    fn list_tags(&self, input: &Value) -> Value {
        let from: usize = input["NextToken"].as_str().map_or(Ok(0), str::parse).unwrap_or(0);
        let page = self.tags.iter().skip(from).take(TAGS);
        let page: Vec<_> = page.map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        let mut answer = json!({"Tags": page});
        if from + TAGS < self.tags.len() {
            answer["NextToken"] = json!((from + TAGS).to_string());
        }
        answer
    }

    pub(super) fn tag(&mut self, tags: &Value) -> Answer {
        for tag in tags.as_array().into_iter().flatten() {
            let key = text(tag, "Key")?;
            if key.starts_with("aws:") {
                return Err(invalid(format!("{key} is reserved")));
            }
            self.tags.insert(key.to_owned(), text(tag, "Value")?.to_owned());
        }
        Ok(json!({}))
    }

    fn stream_to(&mut self, input: &Value, place: &str) -> Answer {
        let arn = text(input, "StreamArn")?;
        if !arn.contains(place) {
            return Err(invalid(format!("{arn} is of another region or account")));
        }
        let precision = &input["EnableKinesisStreamingConfiguration"];
        self.kinesis.push(json!({"StreamArn": arn, "DestinationStatus": "ACTIVE",
            "ApproximateCreationDateTimePrecision":
                precision["ApproximateCreationDateTimePrecision"]}));
        Ok(json!({}))
    }

    fn watch(&mut self, input: &Value) -> Answer {
        let mut summary = input.clone();
        if summary["ContributorInsightsAction"].take() != "ENABLE" {
            return Err(invalid("no action"));
        }
        summary["ContributorInsightsStatus"] = json!("ENABLED");
        self.insights.push(summary);
        Ok(json!({}))
    }
}

fn set(to: &mut Option<Value>, input: &Value, field: &str) -> Answer {
    let value = input.get(field).ok_or_else(|| invalid(format!("{field} is missing")))?;
    *to = Some(value.clone());
    Ok(json!({}))
}
