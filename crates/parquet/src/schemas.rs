//! Where the schemas of the tables are.

use std::collections::BTreeMap;

use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::layout::Layout;
use crate::read::whole;
use crate::schema::TableSchema;

/// The longest object of schemas that is read.
const LONGEST: u64 = 32 << 20;

/// The schemas of all tables. What tells a table from the others there is its name, with
/// [`Layout::Rds`] without the export: `<database>/<schema>.<table>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Schemas {
    /// An object for each table that has one: `<prefix><name>.json`.
    Each {
        /// The bucket.
        bucket: String,
        /// What the keys begin with.
        prefix: String,
    },
    /// One object for all: `{"tables": {"<name>": …}}`.
    All {
        /// The bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    bucket: String,
    prefix: Option<String>,
    key: Option<String>,
}

impl TryFrom<Written> for Schemas {
    type Error = &'static str;

    fn try_from(Written { bucket, prefix, key }: Written) -> Result<Self, Self::Error> {
        match (prefix, key) {
            (Some(prefix), None) => Ok(Self::Each { bucket, prefix }),
            (None, Some(key)) => Ok(Self::All { bucket, key }),
            _ => Err("schemas have either a prefix or a key"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    tables: BTreeMap<String, Box<RawValue>>,
}

impl Schemas {
    /// The schema of the table of this name (as [`Table::name`](crate::layout::Table)); `None` for
    /// one that has none. An object that is not understood is an error of class
    /// [`ErrorClass::Configuration`], as is one for all tables that is not there.
    pub async fn of<R: ObjectReader>(
        &self,
        reader: &R,
        layout: Layout,
        name: &str,
    ) -> Result<Option<TableSchema>> {
        let stem = layout.stem(name);
        match self {
            Self::Each { bucket, prefix } => {
                let key = format!("{prefix}{stem}.json");
                let location = ObjectLocation { bucket: bucket.clone(), key };
                let Some(json) = content(reader, &location).await? else { return Ok(None) };
                TableSchema::read(&json).map(Some).map_err(|error| within(&location, "", &error))
            }
            Self::All { bucket, key } => {
                let location = ObjectLocation { bucket: bucket.clone(), key: key.clone() };
                let json = content(reader, &location).await?;
                let json = json.ok_or_else(|| unusable(&location, "is not there"))?;
                let tables: Tables = serde_json::from_slice(&json).map_err(|error| {
                    unusable(&location, &format!("is none of {{\"tables\": {{…}}}}: {error}"))
                })?;
                let Some(schema) = tables.tables.get(stem) else { return Ok(None) };
                TableSchema::read(schema.get().as_bytes())
                    .map(Some)
                    .map_err(|error| within(&location, &format!(", table {stem}"), &error))
            }
        }
    }
}

/// A small object, if it is there.
async fn content<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
) -> Result<Option<bytes::Bytes>> {
    // Of all keys that begin with this one, it is the first.
    let page = reader.page(&location.bucket, &location.key, None).await?;
    let found = page.objects.into_iter().next().filter(|found| found.key == location.key);
    let Some(found) = found else { return Ok(None) };
    if found.bytes > LONGEST {
        let why = format!("has {} bytes, more than {LONGEST}", found.bytes);
        return Err(unusable(location, &why));
    }
    whole(reader, location, 0..found.bytes).await.map(Some)
}

fn unusable(location: &ObjectLocation, why: &str) -> Error {
    let what = format!("the object of schemas s3://{}/{} {why}", location.bucket, location.key);
    Error::new(ErrorClass::Configuration, what, "Correct the object, or the construct's schemas")
}

fn within(location: &ObjectLocation, place: &str, error: &Error) -> Error {
    let what = format!("s3://{}/{}{place}: {}", location.bucket, location.key, error.what());
    Error::new(error.class(), what, error.hint())
}

#[cfg(test)]
#[path = "schemas_tests.rs"]
mod tests;
