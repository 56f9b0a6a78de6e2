//! Application Auto Scaling.

use serde_json::{Value, json};

use super::{Answer, State, text};

/// Each kind: how it is registered, how it is asked for, and where it is in the answer.
const KINDS: [(&str, &str, &str); 3] = [
    ("RegisterScalableTarget", "DescribeScalableTargets", "ScalableTargets"),
    ("PutScalingPolicy", "DescribeScalingPolicies", "ScalingPolicies"),
    ("PutScheduledAction", "DescribeScheduledActions", "ScheduledActions"),
];

impl State {
    pub(super) fn scale(&mut self, operation: &str, input: &Value) -> Answer {
        for (put, describe, name) in KINDS {
            if operation == put {
                return self.register(name, input);
            }
            if operation == describe {
                let asked = [&input["ResourceId"], &input["ResourceIds"][0]];
                let all = self.scaling.get(name).into_iter().flatten();
                let found: Vec<_> =
                    all.filter(|one| asked.contains(&&one["ResourceId"])).cloned().collect();
                return Ok(json!({name: found}));
            }
        }
        Err(("UnknownOperationException", operation.to_owned()))
    }

    fn register(&mut self, name: &'static str, input: &Value) -> Answer {
        let resource = text(input, "ResourceId")?;
        let table = resource.split('/').nth(1).unwrap_or_default();
        if !self.tables.contains_key(table) {
            return Err(("ValidationException", format!("there is no {resource}")));
        }
        let is_there = |one: &Value| one["ResourceId"] == resource;
        let has_target = self.scaling.get("ScalableTargets").into_iter().flatten().any(is_there);
        if name != "ScalableTargets" && !has_target {
            return Err(("ObjectNotFoundException", format!("{resource} is not registered")));
        }
        let mut kept = input.clone();
        kept["CreationTime"] = json!(1_795_000_000);
        kept["RoleARN"] = json!("arn:aws:iam::111122223333:role/scaling");
        self.scaling.entry(name).or_default().push(kept);
        Ok(json!({}))
    }
}
