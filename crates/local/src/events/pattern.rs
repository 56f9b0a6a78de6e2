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
    /// `*` stands for any characters, also none.
    Wildcard(String),
}

impl Pattern {
    /// Reads a pattern; an operator besides literals, `prefix` and `wildcard` is an error that names
    /// it.
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

    /// Whether an event of this source may fit.
    pub(crate) fn may_be_of(&self, source: &str) -> bool {
        let of_source = |(name, field): &(String, Field)| match field {
            Field::Any(tests) if name == "source" => {
                tests.iter().any(|test| test.matches(&Value::from(source)))
            }
            _ => true,
        };
        self.0.iter().all(of_source)
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
        let text = |name: &str| operator.get(name).and_then(Value::as_str).map(str::to_owned);
        match (operator.len(), text("prefix"), text("wildcard")) {
            (1, Some(prefix), _) => Ok(Self::Prefix(prefix)),
            (1, _, Some(wildcard)) if !wildcard.contains('\\') && !wildcard.contains("**") => {
                Ok(Self::Wildcard(wildcard))
            }
            _ => bail!(
                "the local cloud knows literals, prefix and wildcards without \\ and ** in event \
                 patterns, got {value}"
            ),
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Equals(wanted) => wanted == value,
            Self::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
            Self::Wildcard(wildcard) => value.as_str().is_some_and(|text| fits(wildcard, text)),
        }
    }
}

/// Whether a text fits a wildcard pattern. The pieces between the stars are looked for one after
/// the other, each as early as it comes.
fn fits(wildcard: &str, text: &str) -> bool {
    let Some((first, rest)) = wildcard.split_once('*') else { return wildcard == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<_> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
    }
    text.ends_with(last)
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
    fn stars_stand_for_anything() {
        for (wildcard, text, expected) in [
            ("rds/*/_SUCCESS", "rds/a/b/1/_SUCCESS", true),
            ("rds/*/_SUCCESS", "rds/_SUCCESS", false),
            ("rds/*/_SUCCESS", "rds/a/_SUCCESS/x", false),
            ("*.parquet", "a.parquet", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*c", "abxbc", true),
            ("a*b*c", "acb", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
        ] {
            let pattern = pattern(&json!({"key": [{"wildcard": wildcard}]}));
            assert_eq!(pattern.matches(&json!({"key": text})), expected, "{wildcard} {text}");
        }
    }

    #[test]
    fn rules_of_other_sources_are_told_apart() {
        let of_s3 = pattern(&json!({"source": ["aws.s3"], "detail": {"x": ["y"]}}));
        assert!(of_s3.may_be_of("aws.s3") && !of_s3.may_be_of("aws.tag"));
        assert!(pattern(&json!({"detail-type": ["z"]})).may_be_of("aws.s3"));
    }

    #[test]
    fn unknown_operators_are_refused_by_name() {
        for bad in [
            json!({"detail": {"size": [{"numeric": [">", 1]}]}}),
            json!({"detail": {"size": [{"anything-but": "x"}]}}),
            json!({"detail": {"size": [{"wildcard": "a**b"}]}}),
            json!({"detail": {"size": [{"wildcard": "a\\*b"}]}}),
            json!({"$or": [{"source": ["a"]}]}),
            json!({"source": "aws.tag"}),
            json!(["source"]),
        ] {
            assert!(Pattern::read(&bad).is_err(), "{bad}");
        }
    }
}
