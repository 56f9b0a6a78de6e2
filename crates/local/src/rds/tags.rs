//! Tags of databases and snapshots, by RDS's own calls and as Resource Groups lists them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::databases::Names;
use super::xml::{element, inside};
use super::{Answered, Place, Query, Rds, Refusal, TagChange};
use crate::api::list_at;

impl Rds {
    /// Adds or removes tags.
    pub(super) fn change_tags(&self, query: &Query) -> Answered {
        let changed = || {
            let arn = query.need("ResourceName")?;
            let mut state = self.state();
            let tags = state.tags(arn).ok_or_else(|| missing(arn))?;
            let keys: Vec<_> = if query.action() == "AddTagsToResource" {
                let added = query.tags();
                tags.extend(added.clone());
                added.into_keys().collect()
            } else {
                let removed = query.list("TagKeys.member");
                tags.retain(|key, _| !removed.contains(key));
                removed
            };
            Ok(TagChange { arn: arn.to_owned(), keys, tags: tags.clone() })
        };
        match changed() {
            Ok(change) => Answered { outcome: Ok(String::new()), tagged: Some(change) },
            Err(refusal) => Answered { outcome: Err(refusal), tagged: None },
        }
    }

    pub(super) fn list_tags(&self, query: &Query) -> Result<String, Refusal> {
        let arn = query.need("ResourceName")?;
        let mut state = self.state();
        Ok(listed(state.tags(arn).ok_or_else(|| missing(arn))?))
    }

    /// What was made with tags, as a change of them.
    pub(super) fn created_with_tags(&self, place: &Place, query: &Query) -> Option<TagChange> {
        let keys: Vec<_> = query.tags().into_keys().collect();
        if keys.is_empty() || !query.action().starts_with("Create") {
            return None;
        }
        let names = Names::of(query);
        let arn = if let Some(snapshot) = query.get(&names.snapshot_identifier()) {
            let of = place.database(names.form, query.get(&names.database_identifier())?);
            of.snapshot(&snapshot.to_ascii_lowercase())
        } else {
            place.database(names.form, query.get(&names.database_identifier())?).to_string()
        };
        let tags = self.state().tags(&arn)?.clone();
        Some(TagChange { arn, keys, tags })
    }

    /// Adds the databases to the last page of what Resource Groups answers.
    pub(crate) fn add_tagged(&self, place: &Place, asked: &Value, page: &mut Value) {
        let more = page["PaginationToken"].as_str().is_some_and(|token| !token.is_empty());
        if more {
            return;
        }
        let state = self.state();
        let here = state.databases.iter().filter(|one| Place::of(&one.arn) == *place);
        let found = here
            .map(|one| (one.arn.to_string(), &one.tags))
            .filter(|(arn, tags)| is_asked_for(asked, arn, tags))
            .map(|(arn, tags)| {
                let tags: Vec<_> =
                    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
                json!({"ResourceARN": arn, "Tags": tags})
            });
        if let Some(list) = page["ResourceTagMappingList"].as_array_mut() {
            list.extend(found);
        }
    }
}

/// Whether the filters of types and tags let a database through.
fn is_asked_for(asked: &Value, arn: &str, tags: &BTreeMap<String, String>) -> bool {
    let kind = if arn.contains(":cluster:") { "rds:cluster" } else { "rds:db" };
    let types = list_at(asked, "ResourceTypeFilters");
    let of_type = types.is_empty() || types.iter().any(|one| *one == "rds" || *one == kind);
    let has = |filter: &Value| {
        let value = filter["Key"].as_str().and_then(|key| tags.get(key));
        let values = list_at(filter, "Values");
        value.is_some_and(|value| values.is_empty() || values.iter().any(|one| one == value))
    };
    // What has no tags is not listed.
    of_type && !tags.is_empty() && list_at(asked, "TagFilters").iter().all(has)
}

pub(super) fn listed(tags: &BTreeMap<String, String>) -> String {
    let tag = |(key, value): (&String, &String)| {
        inside("Tag", &(element("Key", key) + &element("Value", value)))
    };
    let all: String = tags.iter().map(tag).collect();
    inside("TagList", &all)
}

fn missing(arn: &str) -> Refusal {
    let code = match arn.split(':').nth(5) {
        Some("cluster") => "DBClusterNotFoundFault",
        Some("snapshot") => "DBSnapshotNotFound",
        _ => "DBInstanceNotFound",
    };
    Refusal::new(code, format!("{arn} not found"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_asked_for;

    #[test]
    fn databases_are_listed_by_type_and_tags() {
        let tags = [("a", "1"), ("b", "2")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let asked = |types: &[&str], filters| {
            let asked = json!({"ResourceTypeFilters": types, "TagFilters": filters});
            is_asked_for(&asked, "arn:aws:rds:us-east-1:123456789012:db:orders", &tags)
        };
        assert!(asked(&[], json!([])) && asked(&["rds"], json!([{"Key": "a"}])));
        assert!(asked(&["dynamodb:table", "rds:db"], json!([{"Key": "a", "Values": ["0", "1"]}])));
        assert!(!asked(&["rds:cluster"], json!([])));
        assert!(!asked(&[], json!([{"Key": "a", "Values": ["2"]}])));
        assert!(!asked(&[], json!([{"Key": "a"}, {"Key": "c"}])));
    }
}
