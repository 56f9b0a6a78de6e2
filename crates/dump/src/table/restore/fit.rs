//! What the keys of a table's indexes ask of its items. An index that was added later has only the
//! items that fit it, and the others stay in the table: written again, they are refused.

use serde_json::{Map, Value};

/// The most bytes of a value that is an index's partition key, or its sort key.
const LONGEST: (usize, usize) = (2048, 1024);

/// What the indexes of a table take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fit(Vec<Part>);

/// An attribute of the key of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    index: String,
    attribute: String,
    kind: String,
    longest: usize,
}

/// Why an item does not fit an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) index: String,
    /// In words, without a value: those belong to customers.
    pub(super) why: String,
}

impl Fit {
    /// Of the table that this input of `CreateTable` makes.
    pub(super) fn of(create: &Map<String, Value>) -> Self {
        let kind = |name: &str| {
            let all = create.get("AttributeDefinitions")?.as_array()?;
            let attribute = all.iter().find(|one| one["AttributeName"] == name)?;
            attribute["AttributeType"].as_str().map(ToOwned::to_owned)
        };
        let lists = ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"];
        let indexes = lists.iter().filter_map(|name| create.get(*name)?.as_array()).flatten();
        let parts = indexes.flat_map(|index| {
            let name = index["IndexName"].as_str().unwrap_or_default();
            let schema = index["KeySchema"].as_array().into_iter().flatten();
            schema.filter_map(move |part| {
                let attribute = part["AttributeName"].as_str()?;
                Some(Part {
                    index: name.to_owned(),
                    attribute: attribute.to_owned(),
                    kind: kind(attribute)?,
                    longest: if part["KeyType"] == "HASH" { LONGEST.0 } else { LONGEST.1 },
                })
            })
        });
        Self(parts.collect())
    }

    /// The first index that cannot have the item. An item without one of its attributes is not in
    /// an index, and fits.
    pub(super) fn misfit(&self, item: &[u8]) -> Option<Misfit> {
        let item: Value = serde_json::from_slice(item).ok()?;
        self.0.iter().find_map(|part| {
            let why = part.against(item.get(&part.attribute)?)?;
            let Part { index, attribute, .. } = part;
            let why = format!("its attribute {attribute}, a key of the index {index}, {why}");
            Some(Misfit { index: index.clone(), why })
        })
    }
}

impl Part {
    fn against(&self, value: &Value) -> Option<String> {
        let (kind, value) = value.as_object()?.iter().next()?;
        if *kind != self.kind {
            return Some(format!("is of type {kind}, and the index takes {}", self.kind));
        }
        let text = value.as_str()?;
        let bytes = match kind.as_str() {
            "S" => text.len(),
            "B" => text.trim_end_matches('=').len() * 3 / 4,
            _ => return None,
        };
        let longest = self.longest;
        match bytes {
            0 => Some("is empty".to_owned()),
            _ if bytes > longest => Some(format!("has {bytes} bytes, more than {longest}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fit() -> Fit {
        let attribute = |name, kind| json!({"AttributeName": name, "AttributeType": kind});
        let part = |name, kind| json!({"AttributeName": name, "KeyType": kind});
        let index = |name, parts: Value| json!({"IndexName": name, "KeySchema": parts});
        let create = json!({
            "AttributeDefinitions": [attribute("id", "S"), attribute("a", "N"),
                attribute("b", "B"), attribute("c", "S")],
            "KeySchema": [part("id", "HASH")],
            "GlobalSecondaryIndexes": [index("by-a", json!([part("a", "HASH"), part("b", "RANGE")]))],
            "LocalSecondaryIndexes": [index("by-c", json!([part("id", "HASH"), part("c", "RANGE")]))],
        });
        Fit::of(create.as_object().unwrap())
    }

    #[test]
    fn an_item_that_an_index_cannot_have_is_told_without_its_values() {
        let base64 = |bytes: usize| "AAAA".repeat(bytes / 3) + ["", "AA==", "AAA="][bytes % 3];
        for (item, says) in [
            (json!({"a": {"S": "geheim"}}), "attribute a, a key of the index by-a, is of type S"),
            (json!({"a": {"NULL": true}}), "is of type NULL, and the index takes N"),
            (
                json!({"a": {"N": "1"}, "b": {"B": ""}}),
                "attribute b, a key of the index by-a, is empty",
            ),
            (json!({"b": {"B": base64(1025)}}), "has 1025 bytes, more than 1024"),
            (json!({"c": {"S": "é".repeat(513)}}), "index by-c, has 1026 bytes, more than 1024"),
            (json!({"c": {"S": "", "x": 1}}), "is empty"),
        ] {
            let misfit = fit().misfit(item.to_string().as_bytes()).unwrap();
            assert!(misfit.why.contains(says), "{}", misfit.why);
            assert!(misfit.why.contains(&misfit.index), "{misfit:?}");
            assert!(!misfit.why.contains("geheim"), "{misfit:?}");
        }
        let long = json!({"a": {"N": "7"}, "b": {"B": base64(1024)}, "c": {"S": "x".repeat(1024)}});
        let odd = json!({"a": "x", "other": {"S": ""}});
        for fits in [json!({"id": {"S": "only"}}), long, odd] {
            assert_eq!(fit().misfit(fits.to_string().as_bytes()), None, "{fits}");
        }
        let long = json!({"id": {"S": "x".repeat(2049)}});
        assert!(fit().misfit(long.to_string().as_bytes()).unwrap().why.contains("more than 2048"));
        assert_eq!(Fit::default().misfit(b"{\"a\":{\"S\":\"\"}}"), None);
    }
}
