//! The extensions that an archive needs.

use std::collections::BTreeSet;

use autodump_core::{Error, Result};

use super::needs::{Needs, schema_of_extension};
use crate::engine::postgres::sql::{identifier, literal};
use crate::engine::postgres::toc::{Entry, Toc};
use crate::engine::postgres::wire::Session;
use crate::verify::unverified;

/// Statements that let a role use what extensions have made: a dump has rows of their tables, and
/// servers for their foreign data wrappers. `search_path` is empty.
const GRANTS: &str = "
    SELECT pg_catalog.format(g.what, g.name, ROLE) FROM (
        SELECT CASE c.relkind WHEN 'S' THEN 'GRANT SELECT, UPDATE, USAGE ON SEQUENCE %s TO %s'
            ELSE 'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE %s TO %s' END, d.classid, c.oid,
            pg_catalog.format('%I.%I', n.nspname, c.relname)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_depend d ON d.objid = c.oid
        AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        WHERE c.relkind IN ('r', 'p', 'S') AND d.deptype = 'e'
      UNION ALL
        SELECT 'GRANT USAGE, CREATE ON SCHEMA %s TO %s', d.classid, n.oid,
            pg_catalog.quote_ident(n.nspname)
        FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_depend d ON d.objid = n.oid
        AND d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass WHERE d.deptype = 'e'
      UNION ALL
        SELECT 'GRANT USAGE ON FOREIGN DATA WRAPPER %s TO %s', d.classid, w.oid,
            pg_catalog.quote_ident(w.fdwname)
        FROM pg_catalog.pg_foreign_data_wrapper w JOIN pg_catalog.pg_depend d ON d.objid = w.oid
        AND d.classid = 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass
        WHERE d.deptype = 'e'
    ) g (what, classid, oid, name)";

/// Refuses an archive that needs extensions which the server does not have.
pub(super) async fn check_extensions(session: &mut Session, needs: &Needs) -> Result<()> {
    let rows = session
        .query("SELECT name FROM pg_catalog.pg_available_extensions")
        .await
        .map_err(Error::from)?;
    let available: Vec<_> = rows.into_iter().flatten().flatten().collect();
    let missing: Vec<_> =
        needs.extensions.iter().filter(|name| !available.contains(name)).cloned().collect();
    match missing.as_slice() {
        [] => Ok(()),
        [one] => Err(unverified(format!("extension {one} is not available here"))),
        some => Err(unverified(format!("extensions {} are not available here", some.join(", ")))),
    }
}

/// Makes the extensions of an archive, and the schemas they are in, in which `role` may do as it
/// could as their owner. Returns the entries of these.
pub(super) async fn make_extensions(
    session: &mut Session,
    toc: &Toc,
    role: &str,
) -> Result<BTreeSet<i32>> {
    let mut made = BTreeSet::new();
    for entry in toc.entries.iter().filter(|entry| entry.is("EXTENSION")) {
        let Some(schema) = schema_of_extension(entry) else { continue };
        let its_schema = |other: &&_| is_schema(other, &schema);
        if let Some(found) = toc.entries.iter().find(its_schema)
            && made.insert(found.dump_id)
        {
            // `public` is there already.
            let statement =
                format!("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {role}", identifier(&schema));
            session.execute(&statement).await.map_err(Error::from)?;
        }
        let name = entry.name();
        let (quoted, schema) = (identifier(&name), identifier(&schema));
        let statement = format!("CREATE EXTENSION IF NOT EXISTS {quoted} WITH SCHEMA {schema}");
        session.execute(&statement).await.map_err(|failure| {
            if failure.is_lost() {
                return Error::from(failure);
            }
            unverified(format!("extension {name} cannot be made here: {failure}"))
        })?;
        made.insert(entry.dump_id);
    }
    grant(session, role).await?;
    Ok(made)
}

async fn grant(session: &mut Session, role: &str) -> Result<()> {
    let rows = session.query(&GRANTS.replace("ROLE", &literal(role))).await.map_err(Error::from)?;
    for grant in rows.into_iter().flatten().flatten() {
        session.execute(&grant).await.map_err(Error::from)?;
    }
    Ok(())
}

fn is_schema(entry: &Entry, name: &str) -> bool {
    entry.is("SCHEMA") && entry.name() == name
}
