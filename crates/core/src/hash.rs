//! The tag hash: whether a target is still configured as it was when a run was planned.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::tags::TagPrefix;

/// SHA-256 over the canonical form of all configuration tags, with the form's version:
/// `v1:` and 64 hexadecimal digits. Golden vectors: `contract/tag-hash.json`.
///
/// Canonical form v1: the tags under the prefix, without those AutoDump writes itself,
/// sorted by the bytes of their name; for each its name without prefix and its trimmed
/// value, both as `<length in bytes>:<bytes>,`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TagHash(String);

impl TagHash {
    /// The hash of a resource's tags as they are.
    #[must_use]
    pub fn of(prefix: &TagPrefix, tags: &BTreeMap<String, String>) -> Self {
        let mut hasher = Sha256::new();
        for (name, value) in prefix.configuration(tags) {
            for text in [name, value] {
                hasher.update(format!("{}:{text},", text.len()));
            }
        }
        Self(format!("v1:{}", hex::encode(hasher.finalize())))
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for TagHash {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for TagHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Vector {
        name: String,
        prefix: String,
        tags: BTreeMap<String, String>,
        tag_hash: String,
    }

    #[test]
    fn golden_vectors_hold() {
        let golden: Vec<Vector> =
            serde_json::from_str(include_str!("../../../contract/tag-hash.json")).unwrap();
        assert!(golden.len() >= 5);
        for vector in golden {
            let prefix = TagPrefix::new(&vector.prefix).unwrap();
            let hash = TagHash::of(&prefix, &vector.tags);
            assert_eq!(hash.as_str(), vector.tag_hash, "{}", vector.name);
        }
    }

    fn configuration() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[a-z:,0-9-]{0,8}", "[ -~]{0,8}", 0..4)
    }

    fn hash(tags: &BTreeMap<String, String>) -> TagHash {
        let tags = tags.iter().map(|(k, v)| (format!("autodump:x{k}"), v.clone())).collect();
        TagHash::of(&TagPrefix::default(), &tags)
    }

    proptest! {
        #[test]
        fn spaces_around_a_value_do_not_count(tags in configuration(), pad in " {0,3}") {
            let padded = tags.iter().map(|(k, v)| (k.clone(), format!("{pad}{v} "))).collect();
            prop_assert_eq!(hash(&tags), hash(&padded));
        }

        #[test]
        fn every_other_change_counts(
            tags in configuration(), name in "[a-z:,0-9-]{1,8}", value in "[!-~]{1,8}",
        ) {
            let mut changed = tags.clone();
            let before = changed.insert(name.clone(), value.clone());
            let same = before.is_some_and(|before| before.trim() == value);
            prop_assert_eq!(hash(&tags) == hash(&changed), same);
            let mut removed = changed.clone();
            removed.remove(&name);
            prop_assert_ne!(hash(&changed), hash(&removed));
        }
    }
}
