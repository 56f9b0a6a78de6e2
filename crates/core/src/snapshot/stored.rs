//! Small JSON objects of a run: read whole, and put once.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorClass, Result};
use crate::ports::{Content, ObjectLocation, ObjectReader, ObjectWriter, Put};

/// The longest of them. A list of RDS has the columns of some hundred tables.
const LONGEST: usize = 64 << 20;

/// The content of an object. One that is not there or cannot be read is an error of class
/// [`ErrorClass::Verification`].
pub(super) async fn read<T: DeserializeOwned>(
    store: &impl ObjectReader,
    bucket: &str,
    key: &str,
) -> Result<T> {
    let location = ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() };
    let mut content = store.get(&location, None).await?;
    let mut text = Vec::new();
    while let Some(bytes) = content.next().await? {
        text.extend_from_slice(&bytes);
        if text.len() > LONGEST {
            return Err(odd(format!("s3://{bucket}/{key} has more than {LONGEST} bytes")));
        }
    }
    serde_json::from_slice(&text)
        .map_err(|error| odd(format!("s3://{bucket}/{key} is not understood: {error}")))
}

/// As [`read`], of an object of ours, whose `version` has to be this one.
pub(super) async fn read_version<T: DeserializeOwned>(
    store: &impl ObjectReader,
    bucket: &str,
    key: &str,
    version: u32,
) -> Result<T> {
    let value: Value = read(store, bucket, key).await?;
    let found = &value["version"];
    if *found != version {
        return Err(odd(format!("s3://{bucket}/{key} has version {found}, not {version}")));
    }
    serde_json::from_value(value)
        .map_err(|error| odd(format!("s3://{bucket}/{key} is not understood: {error}")))
}

/// Puts an object, unless one of that key is there.
pub(super) async fn put_once(
    store: &impl ObjectWriter,
    bucket: &str,
    key: &str,
    content: &impl Serialize,
) -> Result<Put> {
    let text = serde_json::to_vec(content).map_err(|error| {
        let what = format!("s3://{bucket}/{key} cannot be written: {error}");
        Error::new(ErrorClass::Internal, what, "Report this")
    })?;
    let location = ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() };
    store.put(&location, "application/json", text.into()).await
}

fn odd(what: String) -> Error {
    Error::new(ErrorClass::Verification, what, "Start another run, and find out what changed it")
}
