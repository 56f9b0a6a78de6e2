//! What the database that is restored into is like, and what follows for the restore.

use std::collections::BTreeSet;

use autodump_core::ports::DatabaseAccess;
use autodump_core::restore::RestoreOptions;
use autodump_core::{Error, ErrorClass, Result};

use super::clean::{detach, dropped_by_name};
use super::contents::{Contents, Item};
use super::create::has_database;
use super::missing::missing;
use super::residents::{not_empty, residents};
use super::table_checks::{check_tables, check_triggers, may_silence_triggers};
use super::target::{Server, Target, server};
use crate::engine::postgres::wire::{Failure, Session};
use crate::restore::state::Before;

/// What was found in the database.
pub(super) struct There {
    pub(super) server: Server,
    pub(super) before: Before,
    /// What is restored of the archive.
    pub(super) ids: BTreeSet<i32>,
    /// What is dropped before.
    pub(super) dropped: BTreeSet<i32>,
    /// What of that is there, for people.
    pub(super) dropped_names: Vec<String>,
    /// Statements before those that drop.
    pub(super) detach: Vec<String>,
    /// Triggers and foreign keys are switched off.
    pub(super) without_triggers: bool,
    /// The tables that are made or filled.
    pub(super) tables: Vec<String>,
    /// Sentences.
    pub(super) remarks: Vec<String>,
}

/// Looks at the database; an error if it is in the way of restoring `ids`. What of them is only
/// `needed` by others is not restored where it is there already.
pub(super) async fn look<A: DatabaseAccess>(
    target: &Target<'_, A>,
    options: &RestoreOptions,
    database: &str,
    contents: &Contents,
    mut ids: BTreeSet<i32>,
    needed: &BTreeSet<i32>,
) -> Result<There> {
    let mut session = connect(target, options, database).await?;
    let server = server(&session)?;
    let before = before(&mut session, options, database, contents, &ids).await?;
    let (mut without_triggers, mut remarks) = (false, Vec::new());
    if let Before::Tables { .. } = before {
        let failure = may_silence_triggers(&mut session).await?;
        without_triggers = failure.is_none();
        remarks.extend(failure.iter().map(with_triggers));
    }
    let kept = kept(&mut session, contents, needed, before).await?;
    ids.retain(|id| !kept.contains(id));
    let dropped: BTreeSet<i32> = match before {
        Before::Cleaned => ids.difference(needed).copied().collect(),
        _ => BTreeSet::new(),
    };
    let dropped_names = dropped_by_name(&mut session, contents, &dropped).await?;
    let (detach, detached) = detach(&mut session, contents, &dropped).await?;
    remarks.extend(detached);
    let tables = in_question(&mut session, contents, &ids, before).await?;
    session.close().await;
    Ok(There {
        server,
        before,
        ids,
        dropped,
        dropped_names,
        detach,
        without_triggers,
        tables,
        remarks,
    })
}

/// A connection to the server, to the database if it is there yet.
async fn connect<A: DatabaseAccess>(
    target: &Target<'_, A>,
    options: &RestoreOptions,
    database: &str,
) -> Result<Session> {
    let mut session =
        if options.create { target.connect_elsewhere().await? } else { target.connect().await? };
    let replica = session.query("SELECT pg_catalog.pg_is_in_recovery()").await?;
    if replica.into_iter().flatten().flatten().next().as_deref() == Some("t") {
        return Err(Error::new(
            ErrorClass::Configuration,
            "the server is a replica, which cannot be written",
            "Restore into its primary",
        ));
    }
    if options.create && has_database(&mut session, database).await? {
        return Err(Error::new(
            ErrorClass::Configuration,
            format!("the database {database} is there already, and create was asked for"),
            "Leave out create, or name another database",
        ));
    }
    Ok(session)
}

/// What is there already; an error if that is in the way.
async fn before(
    session: &mut Session,
    options: &RestoreOptions,
    database: &str,
    contents: &Contents,
    ids: &BTreeSet<i32>,
) -> Result<Before> {
    if options.create {
        return Ok(Before::Absent);
    }
    if options.data_only {
        let rows = contents.chosen(Some(ids)).filter(|item| item.is_rows());
        let tables: Vec<_> = rows.map(|i| (i.schema.as_str(), i.name.as_str())).collect();
        check_tables(session, &tables, options.allow_non_empty).await?;
        check_triggers(session, &tables).await?;
        return Ok(Before::Tables { may_have_rows: options.allow_non_empty });
    }
    let residents = residents(session).await?;
    match residents.count {
        0 => Ok(Before::Empty),
        _ if options.clean => Ok(Before::Cleaned),
        _ if options.allow_non_empty => Ok(Before::Populated),
        _ => Err(not_empty(database, &residents)),
    }
}

fn with_triggers(failure: &Failure) -> String {
    format!(
        "triggers fire and foreign keys are checked while rows are loaded, since the role may not \
         switch them off: {failure}"
    )
}

/// What of `needed` is there, and is not made again.
async fn kept(
    session: &mut Session,
    contents: &Contents,
    needed: &BTreeSet<i32>,
    before: Before,
) -> Result<BTreeSet<i32>> {
    Ok(match before {
        Before::Absent | Before::Empty => BTreeSet::new(),
        Before::Tables { .. } => needed.clone(),
        Before::Cleaned | Before::Populated => {
            let items: Vec<_> = contents.chosen(Some(needed)).collect();
            let missing = missing(session, &items).await?;
            needed.difference(&missing).copied().collect()
        }
    })
}

/// The tables that a failed restore leaves behind in a database that has others too.
async fn in_question(
    session: &mut Session,
    contents: &Contents,
    ids: &BTreeSet<i32>,
    before: Before,
) -> Result<Vec<String>> {
    let chosen = || contents.chosen(Some(ids));
    Ok(match before {
        Before::Absent | Before::Empty => Vec::new(),
        Before::Tables { .. } => {
            chosen().filter(|item| item.is_rows()).map(Item::full_name).collect()
        }
        Before::Cleaned => {
            chosen().filter(|item| item.kind == "TABLE").map(Item::full_name).collect()
        }
        Before::Populated => {
            let tables: Vec<_> = chosen().filter(|item| item.kind == "TABLE").collect();
            // Those that are there are not ours, and are in the way.
            let made = missing(session, &tables).await?;
            tables.iter().filter(|t| made.contains(&t.id)).map(|t| t.full_name()).collect()
        }
    })
}
