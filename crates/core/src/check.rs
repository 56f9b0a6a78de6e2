//! Whether a run that was planned some time ago is still wanted.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::hash::TagHash;
use crate::ports::TargetSource;
use crate::tags::TagPrefix;

/// Which run is asked about: the target and its tags' hash when the run was planned.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckRequest {
    /// The target.
    pub resource_arn: String,
    /// The hash of its tags when the run was planned.
    pub tag_hash: TagHash,
}

/// Whether to dump, and if not, why. As JSON `{"execute": true}` or
/// `{"execute": false, "reason": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether to dump.
    pub execute: bool,
    /// Why not, as a sentence; only there when `execute` is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Verdict {
    fn execute() -> Self {
        Self { execute: true, reason: None }
    }

    fn end(reason: String) -> Self {
        Self { execute: false, reason: Some(reason) }
    }
}

/// Looks at the target as it is now. A target that changed or is gone is a verdict; an error
/// means only that the source could not be asked.
pub async fn check(
    source: &impl TargetSource,
    prefix: &TagPrefix,
    request: &CheckRequest,
) -> Result<Verdict> {
    let CheckRequest { resource_arn, tag_hash: planned } = request;
    let Some(resource) = source.find(resource_arn).await? else {
        return Ok(Verdict::end(format!(
            "{resource_arn} does not exist any more, or is scheduled for deletion."
        )));
    };
    let schedule_key = prefix.schedule_key();
    if !resource.tags.contains_key(&schedule_key) {
        return Ok(Verdict::end(format!(
            "{resource_arn} does not bear the tag {schedule_key} any more."
        )));
    }
    let found = TagHash::of(prefix, &resource.tags);
    if found != *planned {
        return Ok(Verdict::end(format!(
            "The tags of {resource_arn} are not those this run was planned with: \
             their hash was {planned} and is {found}. They get a run of their own."
        )));
    }
    Ok(Verdict::execute())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::{Error, ErrorClass};
    use crate::ports::{Page, Resource};

    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf";

    enum Source {
        Bears(&'static [(&'static str, &'static str)]),
        Gone,
        Throttled,
    }

    fn tags(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    impl TargetSource for Source {
        async fn page(&self, _: &str, _: Option<String>) -> Result<Page> {
            Err(Error::new(ErrorClass::Internal, "the check lists nothing", "Use find"))
        }

        async fn find(&self, id: &str) -> Result<Option<Resource>> {
            assert_eq!(id, ARN);
            match self {
                Self::Bears(pairs) => Ok(Some(Resource {
                    arn: ARN.to_owned(),
                    name: "prod/app".to_owned(),
                    tags: tags(pairs),
                })),
                Self::Gone => Ok(None),
                Self::Throttled => Err(Error::new(ErrorClass::Source, "throttled", "Wait")),
            }
        }
    }

    const PLANNED: &[(&str, &str)] =
        &[("autodump:start-schedule", "@daily"), ("autodump:size", "large")];

    async fn check_planned(source: Source) -> Result<serde_json::Value> {
        let prefix = TagPrefix::default();
        let tag_hash = TagHash::of(&prefix, &tags(PLANNED));
        let request = CheckRequest { resource_arn: ARN.to_owned(), tag_hash };
        let verdict = check(&source, &prefix, &request).await?;
        Ok(serde_json::to_value(verdict).unwrap())
    }

    #[tokio::test]
    async fn an_unchanged_target_is_dumped() {
        assert_eq!(check_planned(Source::Bears(PLANNED)).await.unwrap(), json!({"execute": true}));
        let noted = &[
            ("autodump:start-schedule", "@daily "),
            ("autodump:size", "large"),
            ("autodump:last-success", "2026-11-21T00:00:00Z"),
            ("team", "data"),
        ];
        assert_eq!(check_planned(Source::Bears(noted)).await.unwrap(), json!({"execute": true}));
    }

    #[tokio::test]
    async fn a_changed_target_is_not_and_both_hashes_are_named() {
        const CHANGED: &[(&str, &str)] = &[("autodump:start-schedule", "@daily")];
        let verdict = check_planned(Source::Bears(CHANGED)).await.unwrap();
        assert_eq!(verdict["execute"], false);
        let reason = verdict["reason"].as_str().unwrap();
        for part in [ARN, "v1:", "a run of their own."] {
            assert!(reason.contains(part), "{reason}");
        }
        for pairs in [PLANNED, CHANGED] {
            let hash = TagHash::of(&TagPrefix::default(), &tags(pairs));
            assert!(reason.contains(hash.as_str()), "{reason}");
        }
    }

    #[tokio::test]
    async fn an_untagged_target_is_not() {
        let verdict = check_planned(Source::Bears(&[("autodump:size", "large")])).await.unwrap();
        assert_eq!(
            verdict,
            json!({"execute": false, "reason": format!("{ARN} does not bear the tag autodump:start-schedule any more.")})
        );
    }

    #[tokio::test]
    async fn a_deleted_target_is_not() {
        let verdict = check_planned(Source::Gone).await.unwrap();
        assert_eq!(
            verdict,
            json!({"execute": false, "reason": format!("{ARN} does not exist any more, or is scheduled for deletion.")})
        );
    }

    #[tokio::test]
    async fn a_source_that_does_not_answer_is_an_error() {
        let error = check_planned(Source::Throttled).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Source);
    }

    #[test]
    fn the_request_is_strict() {
        let read = |value| serde_json::from_value::<CheckRequest>(value).is_ok();
        assert!(read(json!({"resourceArn": ARN, "tagHash": "v1:00"})));
        assert!(!read(json!({"resourceArn": ARN})));
        assert!(!read(json!({"resourceArn": ARN, "tagHash": "v1:00", "when": "now"})));
    }
}
