//! Whether the collections that were read are still those that were there before.

use std::collections::HashMap;

use autodump_core::ports::DatabaseAccess;
use autodump_core::{Error, ErrorClass, Result};

use super::connection::Gate;
use super::inventory::{Found, identities};

/// Fails where a collection of `database` was dropped or replaced since it was found: a part of
/// it may be missing, or another's. To be asked when all was read.
pub(super) async fn check<A: DatabaseAccess>(
    gate: &Gate<A>,
    database: &str,
    found: &[Found],
) -> Result<()> {
    let connection = gate.enter(None).await?;
    let now = match identities(&connection, database).await {
        Ok(now) => now,
        // Nobody may have used the connection for hours.
        Err(error) if [ErrorClass::Source, ErrorClass::Credentials].contains(&error.class()) => {
            identities(&*gate.enter(Some(&connection)).await?, database).await?
        }
        Err(error) => return Err(error),
    };
    changed(found, &now).map_or(Ok(()), Err)
}

/// The error for the first that is another one, or gone.
fn changed(found: &[Found], now: &HashMap<String, Option<String>>) -> Option<Error> {
    let stored = |found: &Found| found.definition.stored();
    let is_other = |found: &&Found| now.get(&stored(found).collection) != Some(&found.uuid);
    let changed = found.iter().filter(|found| !found.is_view()).find(is_other)?;
    Some(Error::new(
        ErrorClass::Source,
        format!("{} was replaced or dropped while it was read", stored(changed)),
        "Start the run again; leave out what is replaced while the dump runs \
         (exclude-collections)",
    ))
}

#[cfg(test)]
#[path = "unchanged_tests.rs"]
mod tests;
