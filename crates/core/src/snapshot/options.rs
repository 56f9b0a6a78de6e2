//! What the tags of a database of RDS ask for, besides those that every target has.

use serde::{Deserialize, Serialize};

/// The names of the tags.
pub(crate) mod names {
    pub(crate) const SNAPSHOT: &str = "snapshot";
    pub(crate) const EXPORT_ONLY: &str = "export-only";
    pub(crate) const KEEP_SNAPSHOTS: &str = "keep-snapshots";
}

/// How many snapshots of a target are kept where its tags do not say.
pub const KEPT: u32 = 7;
/// The most: an account has at most 100 manual ones by default, and other things need some.
pub const MOST_KEPT: u32 = 90;

/// Which snapshot is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// One that is made for the run.
    #[default]
    Create,
    /// The newest of those that RDS makes by itself.
    Automated,
}

/// What is exported of a database, and what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Which snapshot.
    pub origin: Origin,
    /// Databases, schemas and tables, as `ExportOnly` of RDS takes them; all where there are none.
    pub export_only: Vec<String>,
    /// How many snapshots that AutoDump made are kept, 1 to [`MOST_KEPT`].
    pub keep: u32,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self { origin: Origin::default(), export_only: Vec::new(), keep: KEPT }
    }
}

/// Reads the value of `snapshot`. As with the others below, the error is a sentence fragment that
/// says what is allowed.
pub(crate) fn origin(value: &str) -> Result<Origin, String> {
    match value {
        "create" => Ok(Origin::Create),
        "automated" => Ok(Origin::Automated),
        _ => Err("is not allowed: it is create or automated".to_owned()),
    }
}

/// Reads the value of `export-only`.
pub(crate) fn export_only(value: &str) -> Result<Vec<String>, String> {
    let names: Vec<_> = value.split_whitespace().map(str::to_owned).collect();
    if names.is_empty() {
        return Err("names nothing: give names, or remove the tag".to_owned());
    }
    match names.iter().find(|name| !is_exportable(name)) {
        Some(name) => Err(format!(
            "has {name:?}, which RDS cannot export by name: allowed are database, \
             database.schema, database.table and database.schema.table, in the letters A to Z, \
             digits and _, separated by spaces"
        )),
        None => Ok(names),
    }
}

/// One to three names, in what RDS takes there. It takes `$` too, which no tag may have.
fn is_exportable(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let parts: Vec<_> = name.split('.').collect();
    parts.len() <= 3 && parts.iter().all(|part| !part.is_empty() && part.chars().all(legal))
}

/// Reads the value of `keep-snapshots`.
pub(crate) fn keep(value: &str) -> Result<u32, String> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let keep = value.parse().ok().filter(|keep| digits && (1..=MOST_KEPT).contains(keep));
    keep.ok_or_else(|| format!("is no number of snapshots: allowed are 1 to {MOST_KEPT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_others_are_not() {
        assert_eq!(
            (origin("create"), origin("automated")),
            (Ok(Origin::Create), Ok(Origin::Automated))
        );
        assert!(origin("newest").is_err() && origin("").is_err());
        assert_eq!((keep("1"), keep("90")), (Ok(1), Ok(MOST_KEPT)));
        for value in ["", "0", "91", "+7", "7.0", "all", "4294967297"] {
            assert!(keep(value).is_err(), "{value}");
        }
        let names = export_only(" shop  shop.public shop.public.orders_2 ").unwrap();
        assert_eq!(names, ["shop", "shop.public", "shop.public.orders_2"]);
        for value in [
            "",
            " ",
            "shop.",
            ".shop",
            "a.b.c.d",
            "shop.a/b",
            "shop,other",
            "a.*",
            "my-shop",
            "größe",
        ] {
            assert!(export_only(value).is_err(), "{value}");
        }
    }
}
