//! The database is made.

use autodump_core::Result;

use crate::engine::postgres::locale::{encoding, properties, understood_by};
use crate::engine::postgres::sql::{identifier, literal};
use crate::engine::postgres::version::major;
use crate::engine::postgres::wire::{Failure, Session};

/// Whether there is a database of that name.
pub(super) async fn has_database(session: &mut Session, name: &str) -> Result<bool> {
    let sql = format!("SELECT 1 FROM pg_database WHERE datname = {}", literal(name));
    Ok(!session.query(&sql).await?.is_empty())
}

/// Makes the database as the one that was dumped was made, by this statement, as far as this
/// server can. Returns what is different.
pub(super) async fn create_database(
    session: &mut Session,
    name: &str,
    like: Option<&str>,
) -> Result<Option<String>> {
    let version = session.parameter("server_version").and_then(major).unwrap_or_default();
    let all = like.and_then(properties).map(|all| understood_by(version, all)).unwrap_or_default();
    let encoding = encoding(&all);
    let create =
        |with: &str| format!("CREATE DATABASE {} TEMPLATE = template0{with}", identifier(name));
    let failure = match session.execute(&create(&all)).await {
        Ok(()) => return Ok(None),
        Err(failure) => failure,
    };
    if all == encoding || !is_about_locale(&failure) {
        return Err(failure.into());
    }
    session.execute(&create(&encoding)).await?;
    Ok(Some(format!(
        "the database {name} has this server's own locale, since that of the backup could not be \
         used: {failure}"
    )))
}

/// Whether the server may lack the locale or its provider, or not know the words for them. Each
/// version has codes of its own for that; what else a server may refuse has always the same.
fn is_about_locale(failure: &Failure) -> bool {
    /// `insufficient_privilege`, `duplicate_database`, `object_in_use`.
    const ELSE: [&str; 3] = ["42501", "42P04", "55006"];
    /// `insufficient_resources`, `operator_intervention`.
    const CLASSES: [&str; 2] = ["53", "57"];
    failure.code().is_some_and(|code| {
        !ELSE.contains(&code) && !CLASSES.iter().any(|class| code.starts_with(class))
    })
}
