//! Where else tables and databases are looked for: other regions, and other accounts.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorClass, Result};

/// The setting that holds the sources, a JSON array: `contract/sources.json`.
pub const VARIABLE: &str = "AUTODUMP_SOURCES";

/// A region, of the own account or of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Such as `us-east-1`.
    pub region: String,
    /// The role to assume, in the account whose tables are looked for; else the own account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// What the role asks of whoever assumes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

impl Source {
    /// The account of the role; `None` for the own account.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.role_arn.as_deref()?.split(':').nth(4)
    }

    /// Whether a resource belongs here: it is of this region, and of the role's account. Without
    /// a role it may be of any account: DynamoDB refuses to show one account's tables to another.
    #[must_use]
    pub fn holds(&self, arn: &str) -> bool {
        let mut parts = arn.split(':').skip(3);
        let (region, account) = (parts.next(), parts.next());
        region == Some(&self.region) && self.account().is_none_or(|own| account == Some(own))
    }

    /// What is wrong with it, as a sentence fragment.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let Self { region, role_arn, external_id } = self;
        if !is_region(region) {
            return Some("its region is none, such as eu-central-1");
        }
        if role_arn.as_deref().is_some_and(|arn| !is_role(arn)) {
            return Some("its roleArn is none, such as arn:aws:iam::111122223333:role/name");
        }
        if external_id.is_some() && role_arn.is_none() {
            return Some("it has an externalId but no roleArn");
        }
        if external_id.as_deref().is_some_and(|id| !is_external_id(id)) {
            return Some(
                "its externalId is none: it has 2 to 1224 letters, digits and + = , . @ : / - _",
            );
        }
        None
    }
}

/// Which of `sources` a resource belongs to, by its place among them; `Some(None)` is the own
/// account and region, and `None` nowhere. The account that a role names decides first, then the
/// own region, and then a region of the own account.
pub fn place_of<'a>(
    sources: &(impl Iterator<Item = &'a Source> + Clone),
    own_region: &str,
    arn: &str,
) -> Option<Option<usize>> {
    let by = |role: bool| {
        sources.clone().position(|source| source.account().is_some() == role && source.holds(arn))
    };
    if let Some(place) = by(true) {
        return Some(Some(place));
    }
    if arn.split(':').nth(3) == Some(own_region) {
        return Some(None);
    }
    by(false).map(Some)
}

/// Names the source in reports: the region, and the role if there is one.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role_arn {
            Some(role) => write!(f, "{} by {role}", self.region),
            None => f.write_str(&self.region),
        }
    }
}

/// Reads the value of [`VARIABLE`]. Two sources of one region and account are an error, as a
/// table there would belong to both.
pub fn parse(text: &str) -> Result<Vec<Source>> {
    let sources: Vec<Source> = serde_json::from_str(text)
        .map_err(|error| wrong(&format!("is not as it should be: {error}")))?;
    let mut seen = HashSet::new();
    for (number, source) in (1..).zip(&sources) {
        if let Some(fault) = source.fault() {
            return Err(wrong(&format!("has a source, number {number}, that is wrong: {fault}")));
        }
        if !seen.insert((&source.region, source.account())) {
            let what = format!("has source number {number}, {source}, for a second time");
            return Err(wrong(&what));
        }
    }
    Ok(sources)
}

fn wrong(what: &str) -> Error {
    Error::new(
        ErrorClass::Configuration,
        format!("the environment variable {VARIABLE} {what}"),
        "Correct the construct's sources, each a region, with a role's ARN and its external id \
         where it is in another account, and deploy again",
    )
}

fn is_region(text: &str) -> bool {
    let mut words = text.split('-');
    let number = words.next_back().is_some_and(|word| is_made_of(word, |c| c.is_ascii_digit()));
    number
        && words.clone().count() >= 2
        && words.all(|word| is_made_of(word, |c| c.is_ascii_lowercase()))
}

fn is_role(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return false };
    partition.starts_with("aws")
        && account.len() == 12
        && is_made_of(account, |c| c.is_ascii_digit())
        && resource.strip_prefix("role/").is_some_and(|name| {
            is_made_of(name, |c| c.is_ascii_alphanumeric() || "+=,.@_/-".contains(c))
        })
}

fn is_external_id(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "+=,.@:/-_".contains(c);
    (2..=1224).contains(&text.len()) && is_made_of(text, legal)
}

fn is_made_of(text: &str, legal: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../contract/sources.json")).unwrap()
    }

    /// `contract/sources.json` is also read by the construct's tests, which write the setting.
    #[test]
    fn the_sources_are_the_contract() {
        let golden = golden();
        assert_eq!(golden["variable"], VARIABLE);
        let sources = parse(&golden["sources"].to_string()).unwrap();
        assert_eq!(serde_json::to_value(&sources).unwrap(), golden["sources"]);
        assert!(sources.len() >= 3);
        for rejected in golden["rejected"].as_array().unwrap() {
            let error = parse(&json!([rejected]).to_string()).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration, "{rejected}");
            assert!(error.what().contains(VARIABLE), "{error}");
        }
        assert_eq!(parse("[]").unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("", "is not as it should be: EOF"),
            ("{}", "is not as it should be: invalid type: map"),
            (r#"[{"region": "eu-west-1", "account": "1"}]"#, "unknown field `account`"),
            (r#"[{"region": "us-east-1"}, {"region": "Europe"}]"#, "number 2, that is wrong: its"),
            (r#"[{"region": "eu-west-1", "roleArn": "arn:aws:iam::1:role/x"}]"#, "its roleArn is"),
            (
                r#"[{"region": "eu-west-1", "roleArn": "arn:aws:iam::222233334444:user/x"}]"#,
                "its roleArn is none",
            ),
            (
                r#"[{"region": "eu-west-1", "roleArn": "arn:aws:iam::222233334444:role/x",
                     "externalId": "a b"}]"#,
                "its externalId is none",
            ),
            (
                r#"[{"region": "eu-west-1"}, {"region": "eu-west-1"}]"#,
                "source number 2, eu-west-1, for a second time",
            ),
            (
                r#"[{"region": "eu-west-1", "roleArn": "arn:aws:iam::222233334444:role/a"},
                    {"region": "eu-west-1", "roleArn": "arn:aws:iam::222233334444:role/b"}]"#,
                "for a second time",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.what().contains(says), "{error}");
        }
    }

    #[test]
    fn a_table_belongs_to_the_source_of_its_region_and_account() {
        let sources = parse(&golden()["sources"].to_string()).unwrap();
        let holds = |arn: &str| -> Vec<bool> { sources.iter().map(|s| s.holds(arn)).collect() };
        for (arn, expected) in [
            ("arn:aws:dynamodb:us-east-1:111122223333:table/orders", [true, false, false]),
            ("arn:aws:dynamodb:eu-central-1:222233334444:table/orders", [false, true, false]),
            ("arn:aws:dynamodb:eu-central-1:111122223333:table/orders", [false, false, false]),
            ("arn:aws:dynamodb:eu-west-1:333344445555:table/orders", [false, false, true]),
            ("arn:aws:dynamodb:eu-west-1:222233334444:table/orders", [false, false, false]),
            ("orders", [false, false, false]),
        ] {
            assert_eq!(holds(arn), expected, "{arn}");
        }
        assert_eq!(sources[0].to_string(), "us-east-1");
        assert_eq!(
            sources[1].to_string(),
            "eu-central-1 by arn:aws:iam::222233334444:role/AutoDumpSource"
        );
    }
}
