//! The names of what a database has.

use std::collections::BTreeSet;

use autodump_core::Result;

use super::connection::{Connection, command};
use super::inventory::{all, malformed};
use super::raw::{Elements, Malformed};

/// The names of all that a database has, the server's own too; none where it is not there. An
/// entry of the server's list that cannot be read is an error.
pub(super) async fn names(connection: &Connection, database: &str) -> Result<BTreeSet<String>> {
    let command = command(|writer| {
        let writer = writer.int32("listCollections", 1).truth("nameOnly", true);
        writer.document("cursor", |cursor| cursor)
    })?;
    let doing = format!("the collections of {database} cannot be listed");
    let listed = all(connection, database, command, &doing).await?;
    let names = listed.iter().map(|entry| name_of(entry));
    names.collect::<Result<_, _>>().map_err(|error| malformed(&doing, error))
}

fn name_of(entry: &[u8]) -> Result<String, Malformed> {
    for field in Elements::of(entry)? {
        let field = field?;
        if field.name == "name" {
            return field.text().map(str::to_owned).ok_or(Malformed::Value);
        }
    }
    Err(Malformed::Name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mongodb::raw::Writer;

    fn entry(write: impl FnOnce(Writer<'_>) -> Writer<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(Writer::new(&mut bytes)).end();
        bytes
    }

    #[test]
    fn an_entry_without_a_name_is_no_entry() {
        let named = entry(|writer| writer.text("type", "view").text("name", "a.b"));
        assert_eq!(name_of(&named), Ok("a.b".to_owned()));
        assert_eq!(name_of(&entry(|writer| writer.text("type", "view"))), Err(Malformed::Name));
        assert_eq!(name_of(&entry(|writer| writer.int32("name", 1))), Err(Malformed::Value));
        assert!(name_of(&named[..named.len() - 1]).is_err());
    }
}
