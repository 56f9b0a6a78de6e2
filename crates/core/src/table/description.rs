//! What the services say of a table becomes its definition: without what is only to be read,
//! and without what merely says that a feature is off. Lists whose order means nothing are
//! sorted, so that equal tables have equal definitions.

use serde_json::{Map, Value, json};

use super::definition::Tag;

/// `CreateTable`'s input without the name, out of `DescribeTable`'s `Table`.
#[must_use]
pub fn create(table: &Value) -> Map<String, Value> {
    let mut create = Map::new();
    let mode = table["BillingModeSummary"]["BillingMode"].as_str();
    // Tables from before there were modes say nothing.
    let mode = mode.unwrap_or("PROVISIONED");
    let is_on_demand = mode == "PAY_PER_REQUEST";
    create.insert("BillingMode".to_owned(), json!(mode));
    copy(table, &["AttributeDefinitions", "KeySchema", "DeletionProtectionEnabled"], &mut create);
    if let Some(Value::Array(all)) = create.get_mut("AttributeDefinitions") {
        all.sort_by(|a, b| a["AttributeName"].as_str().cmp(&b["AttributeName"].as_str()));
    }
    throughput(table, is_on_demand, &mut create);
    let local = indexes(table, "LocalSecondaryIndexes", base_of);
    put(&mut create, "LocalSecondaryIndexes", local);
    let global = indexes(table, "GlobalSecondaryIndexes", |index| {
        let mut base = base_of(index);
        throughput(index, is_on_demand, &mut base);
        base
    });
    put(&mut create, "GlobalSecondaryIndexes", global);
    if table["StreamSpecification"]["StreamEnabled"] == true {
        copy(table, &["StreamSpecification"], &mut create);
    }
    put(&mut create, "SSESpecification", encryption(&table["SSEDescription"]));
    put(&mut create, "TableClass", table["TableClassSummary"].get("TableClass").cloned());
    create
}

fn copy(from: &Value, names: &[&str], to: &mut Map<String, Value>) {
    for name in names {
        put(to, name, from.get(name).cloned());
    }
}

fn put(to: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        to.insert(name.to_owned(), value);
    }
}

fn base_of(index: &Value) -> Map<String, Value> {
    let mut made = Map::new();
    copy(index, &["IndexName", "KeySchema", "Projection"], &mut made);
    made
}

/// Indexes that are not on their way out; none is no list.
fn indexes(
    table: &Value,
    name: &str,
    make: impl Fn(&Value) -> Map<String, Value>,
) -> Option<Value> {
    let all = table.get(name)?.as_array()?;
    let kept = all.iter().filter(|index| index["IndexStatus"] != "DELETING");
    let mut kept: Vec<_> = kept.map(|index| Value::Object(make(index))).collect();
    kept.sort_by(|a, b| a["IndexName"].as_str().cmp(&b["IndexName"].as_str()));
    (!kept.is_empty()).then_some(Value::Array(kept))
}

/// Capacity or limits, of a table or an index. A table on demand has zeros for its capacity, and
/// -1 for a limit that it does not have.
fn throughput(of: &Value, is_on_demand: bool, to: &mut Map<String, Value>) {
    let (name, fields) = if is_on_demand {
        ("OnDemandThroughput", ["MaxReadRequestUnits", "MaxWriteRequestUnits"])
    } else {
        ("ProvisionedThroughput", ["ReadCapacityUnits", "WriteCapacityUnits"])
    };
    let mut set = Map::new();
    for field in fields {
        let units = of[name].get(field).filter(|units| units.as_i64().is_some_and(|n| n > 0));
        put(&mut set, field, units.cloned());
    }
    if !set.is_empty() {
        to.insert(name.to_owned(), Value::Object(set));
    }
}

/// `SSESpecification`; none where AWS's own key is used.
fn encryption(description: &Value) -> Option<Value> {
    if !matches!(description["Status"].as_str(), Some("ENABLED" | "ENABLING" | "UPDATING")) {
        return None;
    }
    let mut specification = Map::new();
    specification.insert("Enabled".to_owned(), json!(true));
    copy(description, &["SSEType"], &mut specification);
    put(&mut specification, "KMSMasterKeyId", description.get("KMSMasterKeyArn").cloned());
    Some(Value::Object(specification))
}

/// The other regions of a global table, sorted.
#[must_use]
pub fn replicas(table: &Value) -> Vec<String> {
    let all = table["Replicas"].as_array().into_iter().flatten();
    let mut regions: Vec<_> =
        all.filter_map(|replica| replica["RegionName"].as_str().map(ToOwned::to_owned)).collect();
    regions.sort();
    regions
}

/// `TimeToLiveSpecification` out of `DescribeTimeToLive`'s answer, where it is enabled.
#[must_use]
pub fn time_to_live(answer: &Value) -> Option<Value> {
    let description = &answer["TimeToLiveDescription"];
    let on = matches!(description["TimeToLiveStatus"].as_str(), Some("ENABLED" | "ENABLING"));
    let attribute = description.get("AttributeName").filter(|_| on)?;
    Some(json!({"Enabled": true, "AttributeName": attribute}))
}

/// `PointInTimeRecoverySpecification` out of `DescribeContinuousBackups`' answer, where it is
/// enabled.
#[must_use]
pub fn point_in_time_recovery(answer: &Value) -> Option<Value> {
    let description = &answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    if description["PointInTimeRecoveryStatus"] != "ENABLED" {
        return None;
    }
    let mut specification = Map::new();
    specification.insert("PointInTimeRecoveryEnabled".to_owned(), json!(true));
    copy(description, &["RecoveryPeriodInDays"], &mut specification);
    Some(Value::Object(specification))
}

/// Tags out of a page of `ListTagsOfResource`.
#[must_use]
pub fn tags(answer: &Value) -> Vec<Tag> {
    let all = answer["Tags"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|tag| Tag { key: text(&tag["Key"]), value: text(&tag["Value"]) }).collect()
}

/// Destinations that are in use, out of `DescribeKinesisStreamingDestination`'s answer.
#[must_use]
pub fn kinesis(answer: &Value) -> Vec<Value> {
    let all = answer["KinesisDataStreamDestinations"].as_array().into_iter().flatten();
    let used = |one: &&Value| {
        matches!(one["DestinationStatus"].as_str(), Some("ACTIVE" | "ENABLING" | "UPDATING"))
    };
    all.filter(used)
        .map(|one| {
            let mut input = Map::new();
            copy(one, &["StreamArn"], &mut input);
            let mut configuration = Map::new();
            copy(one, &["ApproximateCreationDateTimePrecision"], &mut configuration);
            if !configuration.is_empty() {
                let name = "EnableKinesisStreamingConfiguration".to_owned();
                input.insert(name, Value::Object(configuration));
            }
            Value::Object(input)
        })
        .collect()
}

/// What is watched, out of a page of `ListContributorInsights`.
#[must_use]
pub fn contributor_insights(answer: &Value) -> Vec<Value> {
    let all = answer["ContributorInsightsSummaries"].as_array().into_iter().flatten();
    let on = |one: &&Value| {
        matches!(one["ContributorInsightsStatus"].as_str(), Some("ENABLED" | "ENABLING"))
    };
    all.filter(on).map(|one| only(one, &["IndexName", "ContributorInsightsMode"])).collect()
}

/// Inputs of `RegisterScalableTarget`. The role is left out: the service has one of its own in
/// every account.
#[must_use]
pub fn scalable_targets(answer: &Value) -> Vec<Value> {
    let fields = ["MinCapacity", "MaxCapacity", "SuspendedState"];
    scaling(&answer["ScalableTargets"], &fields)
}

/// Inputs of `PutScalingPolicy`. Alarms are left out: the service makes them.
#[must_use]
pub fn scaling_policies(answer: &Value) -> Vec<Value> {
    let fields = [
        "PolicyName",
        "PolicyType",
        "TargetTrackingScalingPolicyConfiguration",
        "StepScalingPolicyConfiguration",
        "PredictiveScalingPolicyConfiguration",
    ];
    scaling(&answer["ScalingPolicies"], &fields)
}

/// Inputs of `PutScheduledAction`.
#[must_use]
pub fn scheduled_actions(answer: &Value) -> Vec<Value> {
    let fields = [
        "ScheduledActionName",
        "Schedule",
        "Timezone",
        "StartTime",
        "EndTime",
        "ScalableTargetAction",
    ];
    scaling(&answer["ScheduledActions"], &fields)
}

fn scaling(all: &Value, fields: &[&str]) -> Vec<Value> {
    let fields = [&["ServiceNamespace", "ResourceId", "ScalableDimension"], fields].concat();
    all.as_array().into_iter().flatten().map(|one| only(one, &fields)).collect()
}

fn only(one: &Value, fields: &[&str]) -> Value {
    let mut input = Map::new();
    copy(one, fields, &mut input);
    Value::Object(input)
}

#[cfg(test)]
#[path = "description_tests.rs"]
mod tests;
