//! What of a definition is set when the table has its items.

use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use serde_json::{Map, Value, json};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    DynamoDb,
    AutoScaling,
}

/// A call that sets a part of the definition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) service: Service,
    pub(super) operation: &'static str,
    pub(super) input: Value,
    /// What it sets, for people.
    pub(super) what: String,
}

impl Step {
    pub(super) fn of_table(
        operation: &'static str,
        what: impl Into<String>,
        table: &str,
        with: Value,
    ) -> Self {
        let mut input = with;
        input["TableName"] = json!(table);
        Self { service: Service::DynamoDb, operation, input, what: what.into() }
    }
}

/// All that `CreateTable` does not set; the tags `at_last` when the rest is there, and then what
/// may forbid further steps: the policy, and protection against deletion. What cannot be set for
/// the target is told in `differences`.
pub(super) fn after(
    definition: &Definition,
    target: &TableArn,
    at_last: Vec<Value>,
    differences: &mut Vec<String>,
) -> Vec<Step> {
    let table = &target.name;
    let mut steps = Vec::new();
    if let Some(specification) = &definition.time_to_live {
        let input = json!({"TimeToLiveSpecification": specification});
        steps.push(Step::of_table("UpdateTimeToLive", "time to live", table, input));
    }
    if let Some(specification) = &definition.point_in_time_recovery {
        let input = json!({"PointInTimeRecoverySpecification": specification});
        let what = "point-in-time recovery";
        steps.push(Step::of_table("UpdateContinuousBackups", what, table, input));
    }
    steps.extend(scaling(definition, table));
    for destination in &definition.kinesis_streaming_destinations {
        let stream = destination["StreamArn"].as_str().unwrap_or_default();
        if !target.is_beside(stream) {
            differences.push(format!(
                "changes are not sent to {stream}, which is of another region or account"
            ));
            continue;
        }
        let (operation, what) =
            ("EnableKinesisStreamingDestination", format!("stream to {stream}"));
        steps.push(Step::of_table(operation, what, table, destination.clone()));
    }
    for insights in &definition.contributor_insights {
        let mut input = insights.clone();
        input["ContributorInsightsAction"] = json!("ENABLE");
        let what = "contributor insights";
        steps.push(Step::of_table("UpdateContributorInsights", what, table, input));
    }
    if !at_last.is_empty() {
        steps.push(tagging(target, &Value::Array(at_last), "AutoDump's tags"));
    }
    steps.extend(policy(definition, target, differences));
    if definition.create.get("DeletionProtectionEnabled").is_some_and(|on| *on == true) {
        let input = json!({"DeletionProtectionEnabled": true});
        steps.push(Step::of_table("UpdateTable", "protection against deletion", table, input));
    }
    steps
}

fn tagging(target: &TableArn, tags: &Value, what: &str) -> Step {
    Step {
        service: Service::DynamoDb,
        operation: "TagResource",
        input: json!({"ResourceArn": target.to_string(), "Tags": tags}),
        what: what.to_owned(),
    }
}

/// The resource policy, for a table of the same account: in another one it would let in whoever
/// may use the old table.
fn policy(
    definition: &Definition,
    target: &TableArn,
    differences: &mut Vec<String>,
) -> Option<Step> {
    let policy = definition.resource_policy.as_ref()?;
    if definition.table_arn.split(':').nth(4) != Some(&target.account) {
        differences
            .push("the resource policy is not set: it names principals of another account".into());
        return None;
    }
    let policy = renamed_policy(policy, &definition.table_arn, &target.to_string());
    if policy.changed {
        differences
            .push(format!("the resource policy names {target} where it named the old table"));
    }
    Some(Step {
        service: Service::DynamoDb,
        operation: "PutResourcePolicy",
        input: json!({"ResourceArn": target.to_string(), "Policy": policy.text}),
        what: "resource policy".to_owned(),
    })
}

/// What `CreateTable` sets and `ImportTable` does not. Each is a call of its own: the service
/// takes one change at a time.
pub(super) fn after_import(create: &Map<String, Value>, target: &TableArn) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(tags) = create.get("Tags") {
        steps.push(tagging(target, tags, "tags"));
    }
    for (field, what) in [("StreamSpecification", "stream"), ("TableClass", "table class")] {
        let Some(value) = create.get(field) else { continue };
        // A table has this class without being asked.
        if value != "STANDARD" {
            let input = json!({field: value});
            steps.push(Step::of_table("UpdateTable", what, &target.name, input));
        }
    }
    steps
}

fn scaling(definition: &Definition, table: &str) -> Vec<Step> {
    let scaling = &definition.auto_scaling;
    let mut steps = Vec::new();
    for (operation, what, inputs) in [
        ("RegisterScalableTarget", "range of capacity", &scaling.targets),
        ("PutScalingPolicy", "scaling policy", &scaling.policies),
        ("PutScheduledAction", "scheduled change of capacity", &scaling.scheduled_actions),
    ] {
        for input in inputs {
            let input = rescaled(input, table);
            let resource = input["ResourceId"].as_str().unwrap_or_default();
            let dimension = input["ScalableDimension"].as_str().unwrap_or_default();
            let what = format!("{what} of {resource} ({dimension})");
            steps.push(Step { service: Service::AutoScaling, operation, input, what });
        }
    }
    steps
}

/// The input, for the same part of another table.
fn rescaled(input: &Value, table: &str) -> Value {
    let resource = input["ResourceId"].as_str().unwrap_or_default();
    // `table/<name>`, or `table/<name>/index/<index>`.
    let index = resource.splitn(3, '/').nth(2).map(|index| format!("/{index}"));
    let resource = format!("table/{table}{}", index.unwrap_or_default());
    let mut input = input.clone();
    input["ResourceId"] = json!(resource);
    input
}

/// The definition with the target in place of the old table, wherever it names that.
pub(super) fn renamed(definition: &Definition, target: &TableArn) -> Definition {
    let mut renamed = definition.clone();
    let scaling = &mut renamed.auto_scaling;
    let all = [&mut scaling.targets, &mut scaling.policies, &mut scaling.scheduled_actions];
    for input in all.into_iter().flatten() {
        *input = rescaled(input, &target.name);
    }
    if let Some(policy) = &mut renamed.resource_policy {
        *policy = renamed_policy(policy, &definition.table_arn, &target.to_string()).text;
    }
    renamed
}

struct Policy {
    text: String,
    changed: bool,
}

/// The policy with the table's ARN, also as that of its indexes and streams, replaced.
fn renamed_policy(text: &str, old: &str, new: &str) -> Policy {
    let mut policy: Value = match serde_json::from_str(text) {
        Ok(policy) => policy,
        // The service will say what it thinks of it.
        Err(_) => return Policy { text: text.to_owned(), changed: false },
    };
    let mut changed = false;
    if old != new {
        rename(&mut policy, old, new, &mut changed);
    }
    Policy { text: if changed { policy.to_string() } else { text.to_owned() }, changed }
}

fn rename(value: &mut Value, old: &str, new: &str, changed: &mut bool) {
    match value {
        Value::String(text) => {
            let rest = text.strip_prefix(old);
            if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                *text = format!("{new}{rest}");
                *changed = true;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| rename(one, old, new, changed)),
        Value::Object(all) => all.values_mut().for_each(|one| rename(one, old, new, changed)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
    const NEW: &str = "arn:aws:dynamodb:eu-west-1:444455556666:table/copy";

    #[test]
    fn a_policy_names_the_new_table_and_no_other() {
        let policy = json!({"Statement": [
            {"Resource": [OLD, format!("{OLD}/index/*"), format!("{OLD}-2")], "Sid": OLD.len()},
        ]});
        let renamed = renamed_policy(&policy.to_string(), OLD, NEW);
        let expected = json!({"Statement": [
            {"Resource": [NEW, format!("{NEW}/index/*"), format!("{OLD}-2")], "Sid": OLD.len()},
        ]});
        assert!(renamed.changed);
        assert_eq!(serde_json::from_str::<Value>(&renamed.text).unwrap(), expected);
        let text = policy.to_string();
        let same = renamed_policy(&text, OLD, OLD);
        assert!(!same.changed && same.text == text);
    }

    fn golden() -> Definition {
        Definition::parse(include_str!("../../../../../contract/table-definition.json")).unwrap()
    }

    fn operations(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|step| step.operation).collect()
    }

    #[test]
    fn the_golden_definition_is_set_for_another_table_elsewhere() {
        let golden = golden();
        let mut differences = Vec::new();
        let tags = vec![json!({"Key": "autodump:start-schedule", "Value": "@daily"})];
        let steps = after(&golden, &NEW.parse().unwrap(), tags.clone(), &mut differences);
        let expected = [
            "UpdateTimeToLive",
            "UpdateContinuousBackups",
            "RegisterScalableTarget",
            "PutScalingPolicy",
            "UpdateContributorInsights",
            "UpdateContributorInsights",
            "TagResource",
            "UpdateTable",
        ];
        assert_eq!(operations(&steps), expected);
        assert_eq!(steps[6].input, json!({"ResourceArn": NEW, "Tags": tags}));
        assert_eq!(differences.len(), 2);
        assert!(differences[0].contains("stream/orders"), "{differences:?}");
        assert!(steps[2..4].iter().all(|step| step.input["ResourceId"] == "table/copy"));
        assert!(steps.iter().all(|step| !step.input.to_string().contains(OLD)));
        let index = json!({"ResourceId": "table/orders/index/by-state"});
        let mut of_index = golden;
        of_index.auto_scaling.targets = vec![index];
        let steps = scaling(&of_index, "copy");
        assert_eq!(steps[0].input["ResourceId"], "table/copy/index/by-state");
    }

    #[test]
    fn a_policy_is_set_in_the_account_whose_principals_it_names_and_just_before_protection() {
        let mut differences = Vec::new();
        for beside in [
            "arn:aws:dynamodb:eu-central-1:111122223333:table/copy",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/orders",
        ] {
            let steps = after(&golden(), &beside.parse().unwrap(), Vec::new(), &mut differences);
            let last = ["UpdateContributorInsights", "PutResourcePolicy", "UpdateTable"];
            assert!(operations(&steps).ends_with(&last), "{steps:?}");
            assert!(differences.iter().any(|one| one.contains(&format!("policy names {beside}"))));
        }
        differences.clear();
        let steps = after(&golden(), &NEW.parse().unwrap(), Vec::new(), &mut differences);
        assert!(!operations(&steps).contains(&"PutResourcePolicy"));
        let told = "the resource policy is not set: it names principals of another account";
        assert!(differences.contains(&told.to_owned()), "{differences:?}");
    }
}
