//! `EventBridge` patterns: the part of the language that the stack uses. Anything else is refused
//! when it is read, so that a rule never silently matches too much or too little.

use anyhow::{Result, bail};
use serde_json::Value;

/// An event pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern(Vec<(String, Field)>);

#[derive(Clone, Debug, PartialEq)]
enum Field {
    /// The value must equal or begin with one of these.
    Any(Vec<Test>),
    /// The value must be an object that this pattern matches.
    Inside(Pattern),
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Equals(Value),
    Prefix(String),
}

impl Pattern {
    /// Reads a pattern; an operator besides literals and `prefix` is an error that names it.
    pub(crate) fn read(value: &Value) -> Result<Self> {
        let Some(fields) = value.as_object() else {
            bail!("an event pattern is an object, got {value}");
        };
        let mut all = Vec::new();
        for (name, field) in fields {
            if name.starts_with('$') {
                bail!("the local cloud does not know the pattern operator {name:?}");
            }
            let field = match field {
                Value::Object(_) => Field::Inside(Self::read(field)?),
                Value::Array(tests) => {
                    Field::Any(tests.iter().map(Test::read).collect::<Result<_>>()?)
                }
                _ => bail!("{name:?} in an event pattern must be a list or an object, got {field}"),
            };
            all.push((name.clone(), field));
        }
        Ok(Self(all))
    }

    /// Whether an event fits: every field of the pattern must.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.0.iter().all(|(name, field)| match (field, event.get(name)) {
            (_, None) => false,
            (Field::Inside(pattern), Some(inner)) => pattern.matches(inner),
            (Field::Any(tests), Some(Value::Array(items))) => {
                items.iter().any(|item| tests.iter().any(|test| test.matches(item)))
            }
            (Field::Any(tests), Some(value)) => tests.iter().any(|test| test.matches(value)),
        })
    }
}

impl Test {
    fn read(value: &Value) -> Result<Self> {
        let Value::Object(operator) = value else {
            return Ok(Self::Equals(value.clone()));
        };
        match (operator.len(), operator.get("prefix").and_then(Value::as_str)) {
            (1, Some(prefix)) => Ok(Self::Prefix(prefix.to_owned())),
            _ => bail!("the local cloud knows literals and prefix in event patterns, got {value}"),
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Equals(wanted) => wanted == value,
            Self::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Pattern;

    fn pattern(value: &Value) -> Pattern {
        Pattern::read(value).expect("a known pattern")
    }

    #[test]
    fn every_field_must_fit_and_one_value_of_each() {
        let pattern = pattern(&json!({
            "source": ["aws.tag"],
            "detail": {
                "service": ["secretsmanager", "dynamodb"],
                "changed-tag-keys": [{"prefix": "autodump:"}],
            },
        }));
        let event = |source: &str, service: &str, key: &str| {
            let detail = json!({"service": service, "changed-tag-keys": ["Owner", key]});
            json!({"source": source, "detail": detail})
        };
        assert!(pattern.matches(&event("aws.tag", "secretsmanager", "autodump:size")));
        assert!(!pattern.matches(&event("aws.ec2", "secretsmanager", "autodump:size")));
        assert!(!pattern.matches(&event("aws.tag", "ec2", "autodump:size")));
        assert!(!pattern.matches(&event("aws.tag", "dynamodb", "autodumper")));
        assert!(!pattern.matches(&json!({"source": "aws.tag"})));
    }

    #[test]
    fn literals_are_compared_by_type() {
        let pattern = pattern(&json!({"detail": {"readOnly": [false]}}));
        assert!(pattern.matches(&json!({"detail": {"readOnly": false}})));
        assert!(!pattern.matches(&json!({"detail": {"readOnly": "false"}})));
    }

    #[test]
    fn unknown_operators_are_refused_by_name() {
        for bad in [
            json!({"detail": {"size": [{"numeric": [">", 1]}]}}),
            json!({"detail": {"size": [{"anything-but": "x"}]}}),
            json!({"$or": [{"source": ["a"]}]}),
            json!({"source": "aws.tag"}),
            json!(["source"]),
        ] {
            assert!(Pattern::read(&bad).is_err(), "{bad}");
        }
    }
}
