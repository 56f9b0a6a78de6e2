//! Whether rows can be loaded into the tables that are there.

use autodump_core::{Error, ErrorClass, Result};

use super::load::NO_TRIGGERS;
use super::names::qualified;
use super::target::{TOGETHER, first_column};
use crate::engine::postgres::sql::literal;
use crate::engine::postgres::wire::{Failure, Session};
use crate::restore::names::few;

/// Refuses to load rows into tables that are not there, or that already have some.
pub(super) async fn check_tables(
    session: &mut Session,
    tables: &[(&str, &str)],
    may_have_rows: bool,
) -> Result<()> {
    for tables in tables.chunks(TOGETHER) {
        check_there(session, tables).await?;
        if !may_have_rows {
            check_empty(session, tables).await?;
        }
    }
    Ok(())
}

async fn check_there(session: &mut Session, tables: &[(&str, &str)]) -> Result<()> {
    let sql = format!(
        "SELECT name FROM unnest(ARRAY[{}]) AS name WHERE to_regclass(name) IS NULL",
        literals(tables)
    );
    let missing = first_column(session.query(&sql).await?);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorClass::Configuration,
        format!("the database lacks tables of the backup: {}", few(&missing)),
        "Restore the schema first, or choose tables",
    ))
}

async fn check_empty(session: &mut Session, tables: &[(&str, &str)]) -> Result<()> {
    let look = |(schema, table): &(&str, &str)| {
        let name = qualified(schema, table);
        format!("SELECT {} WHERE EXISTS (SELECT FROM ONLY {name})", literal(&name))
    };
    let looks: Vec<_> = tables.iter().map(look).collect();
    let full = first_column(session.query(&looks.join(" UNION ALL ")).await?);
    if full.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorClass::Configuration,
        format!("there are rows already in {}", few(&full)),
        "Empty these tables, or ask for allow-non-empty to add to them",
    ))
}

/// The names of tables as a list of SQL literals.
fn literals(tables: &[(&str, &str)]) -> String {
    let names: Vec<_> = tables.iter().map(|(s, t)| literal(&qualified(s, t))).collect();
    names.join(", ")
}

/// Refuses to load rows into tables with triggers that fire although triggers are switched off.
pub(super) async fn check_triggers(session: &mut Session, tables: &[(&str, &str)]) -> Result<()> {
    for tables in tables.chunks(TOGETHER) {
        // In some versions a trigger that a partition has from its parent counts as internal.
        let sql = format!(
            "SELECT quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass FROM pg_trigger t \
             WHERE t.tgenabled IN ('A', 'R') AND (NOT t.tgisinternal OR t.tgconstraint = 0) \
             AND t.tgrelid IN (SELECT to_regclass(name)::oid FROM unnest(ARRAY[{}]) AS name) \
             ORDER BY 1",
            literals(tables)
        );
        let triggers = first_column(session.query(&sql).await?);
        if !triggers.is_empty() {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!(
                    "triggers are enabled ALWAYS or as REPLICA, and would fire for each row that \
                     is loaded: {}",
                    few(&triggers)
                ),
                "Switch them off until the rows are loaded (ALTER TABLE … DISABLE TRIGGER …), or \
                 choose other tables",
            ));
        }
    }
    Ok(())
}

/// Whether the role may switch triggers and foreign keys off; else why not.
pub(super) async fn may_silence_triggers(session: &mut Session) -> Result<Option<Failure>> {
    match session.execute(NO_TRIGGERS).await {
        Ok(()) => {
            session.execute("RESET session_replication_role").await?;
            Ok(None)
        }
        Err(failure) if failure.is_lost() => Err(failure.into()),
        Err(failure) => Ok(Some(failure)),
    }
}
