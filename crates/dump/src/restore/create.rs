//! The database is made.

use autodump_core::Result;

use super::names::ident;
use crate::engine::postgres::restoring::literal;
use crate::engine::postgres::wire::Session;

/// Whether there is a database of that name.
pub(super) async fn has_database(session: &mut Session, name: &str) -> Result<bool> {
    let sql = format!("SELECT 1 FROM pg_database WHERE datname = {}", literal(name));
    Ok(!session.query(&sql).await?.is_empty())
}

/// Makes the database as the one that was dumped was made, as far as this server can. Returns
/// what is different.
pub(super) async fn create_database(
    session: &mut Session,
    name: &str,
    like: Option<&str>,
) -> Result<Option<String>> {
    let (all, encoding) = properties(like);
    let create = |with: &str| format!("CREATE DATABASE {} TEMPLATE = template0{with}", ident(name));
    let failure = match session.execute(&create(&all)).await {
        Ok(()) => return Ok(None),
        Err(failure) => failure,
    };
    // An unknown locale or provider, or words that this version does not know.
    if all == encoding || !matches!(failure.code(), Some("22023" | "42601" | "0A000")) {
        return Err(failure.into());
    }
    session.execute(&create(&encoding)).await?;
    Ok(Some(format!(
        "the database {name} has this server's own locale, since that of the backup could not be \
         used: {failure}"
    )))
}

/// What follows the template in a `CREATE DATABASE`, without the tablespace; and the encoding
/// alone.
fn properties(like: Option<&str>) -> (String, String) {
    let after = like.and_then(|sql| sql.split_once("TEMPLATE = template0"));
    let Some((_, rest)) = after else { return (String::new(), String::new()) };
    let all = rest.split(';').next().unwrap_or_default();
    let all = all.split(" TABLESPACE = ").next().unwrap_or_default().trim_end().to_owned();
    let encoding = all
        .split_once("ENCODING = '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map_or_else(String::new, |(name, _)| format!(" ENCODING = '{name}'"));
    (all, encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_made_like_another() {
        let sql = "CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' \
                   LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8' TABLESPACE = fast;\n\n\n";
        let (all, encoding) = properties(Some(sql));
        assert_eq!(all, " ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8'");
        assert_eq!(encoding, " ENCODING = 'UTF8'");
        assert_eq!(properties(None), (String::new(), String::new()));
        assert_eq!(properties(Some("CREATE DATABASE x;")), (String::new(), String::new()));
    }
}
