//! The steps of a restore.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use autodump_core::ports::DatabaseAccess;
use autodump_core::restore::RestoreOptions;
use autodump_core::{Error, ErrorClass, Result};
use tempfile::TempDir;

use super::backup::Backup;
use super::client::{Client, Part, unusable};
use super::contents::{Contents, Item, major};
use super::load::{Door, Loader, NO_TRIGGERS};
use super::loads::{Loads, files, loads};
use super::order::delicate;
use super::rest::{self, Wanted};
use super::select::{BELONGINGS, Chosen, choose, hollow};
use super::state::{Before, Situation, State};
use super::table::Piece;
use super::target::{self, Server, Target};
use super::{Event, Phase, Plan, Restore, Restored, SharedReader};
use crate::engine::postgres::restoring::{Restorer, TOC};
use crate::engine::postgres::toc::Section;
use crate::engine::postgres::wire::{Failure, Session};
use crate::stop::StopFlag;

/// A restore at work.
pub(super) struct Work<'a, 'b, R, A> {
    restore: &'b Restore<'a, R, A>,
    target: Target<'a, A>,
    state: &'b State,
    stop: StopFlag,
    warnings: Mutex<Vec<String>>,
}

/// What was found out before anything is changed.
struct Found<'a> {
    contents: Contents,
    restorer: Restorer<'a>,
    scratch: TempDir,
    server: Server,
    /// What is restored of the archive.
    ids: BTreeSet<i32>,
    /// What is dropped before.
    dropped: BTreeSet<i32>,
    pieces: Vec<Piece>,
    /// Data that `pg_restore` loads.
    others: BTreeSet<i32>,
    files: Vec<Wanted>,
    /// What is done before something is dropped.
    detach: Vec<String>,
    /// Triggers and foreign keys are switched off.
    without_triggers: bool,
    before: Before,
    /// The tables that are made or filled.
    tables: Vec<String>,
    plan: Plan,
}

/// What was found in the database.
struct There {
    before: Before,
    without_triggers: bool,
    remarks: Vec<String>,
}

impl<'a, 'b, R: SharedReader, A: DatabaseAccess + 'static> Work<'a, 'b, R, A> {
    pub(super) fn new(restore: &'b Restore<'a, R, A>, state: &'b State, stop: StopFlag) -> Self {
        let target = Target { postgres: restore.postgres, access: Arc::clone(&restore.access) };
        Self { restore, target, state, stop, warnings: Mutex::default() }
    }

    pub(super) async fn run(&self) -> Result<Restored> {
        let options = self.restore.options.clone().checked()?;
        let mut found = self.find(&options).await?;
        self.restore.watcher.note(&Event::Planned(&found.plan));
        for remark in &found.plan.remarks {
            self.warn(remark.clone());
        }
        let mut restored = Restored {
            plan: found.plan.clone(),
            dry_run: options.dry_run,
            tables: 0,
            rows: 0,
            bytes: 0,
            warnings: Vec::new(),
        };
        if !options.dry_run {
            let counted = self.carry_out(&options, &mut found).await?;
            (restored.tables, restored.rows, restored.bytes) = counted;
        }
        restored.warnings =
            std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(restored)
    }

    fn warn(&self, what: String) {
        self.restore.watcher.note(&Event::Warning(&what));
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Looks at backup and database. Nothing is changed.
    async fn find(&self, options: &RestoreOptions) -> Result<Found<'a>> {
        let restore = self.restore;
        let backup = Backup::open(&restore.reader, &restore.manifest).await?;
        let toc = backup.table_of_contents(&restore.reader).await?;
        let contents = Contents::read(&toc)?;
        let Chosen { ids, needed, left_out } = choose(&contents, options)?;
        let restorer = self.restorer(&backup).await?;
        let scratch = scratch(self.restore.postgres.scratch(), &toc)?;
        let secret = self.target.secret().await?;

        let is_selection = ids.is_some();
        let mut ids = ids.unwrap_or_else(|| contents.items.iter().map(|item| item.id).collect());
        ids.retain(|id| !is_left_out(&contents, *id, options));
        let mut session = self.session(options, &secret.database).await?;
        let server = target::server(&session)?;
        let There { before, without_triggers, remarks } =
            self.look(&mut session, options, &contents, &ids).await?;
        let is_populated = !matches!(before, Before::Absent | Before::Empty);
        if is_selection && options.data_only {
            ids.retain(|id| !needed.contains(id));
        } else if is_selection && is_populated {
            let items: Vec<_> = contents.chosen(Some(&needed)).collect();
            let missing = target::missing(&mut session, &items).await?;
            ids.retain(|id| !needed.contains(id) || missing.contains(id));
        }
        let dropped: BTreeSet<i32> = match before {
            Before::Cleaned => ids.difference(&needed).copied().collect(),
            _ => BTreeSet::new(),
        };
        let there = dropped_by_name(&mut session, &contents, &dropped).await?;
        let (detach, detached) = detach(&mut session, &contents, &dropped).await?;
        let tables = in_question(&mut session, &contents, &ids, before).await?;
        session.close().await;

        let Loads { tables: ours, pieces, others } = loads(&backup, &contents, &ids)?;
        let files = files(&backup, scratch.path(), &contents, &others)?;
        let mut remarks: Vec<_> = left_out.into_iter().chain(remarks).chain(detached).collect();
        if !options.schema_only && !options.data_only {
            remarks.extend(hollow(&contents, &ids, &needed));
        }
        if contents.server_major.is_some_and(|major| major > server.major) {
            remarks.push(format!(
                "the backup is of PostgreSQL {}, and the server is older: {}",
                backup.manifest.engine.server_version, server.version
            ));
        }
        let plan = Plan {
            host: secret.host,
            database: secret.database,
            server_version: server.version.clone(),
            client: format!("pg_restore {}", restorer.version()),
            jobs: options.jobs.unwrap_or_else(crate::run::default_jobs),
            phases: phases(options, &dropped, &pieces, &others),
            dropped: there,
            bytes: ours.iter().map(|table| table.bytes).sum(),
            tables: ours.iter().map(|table| table.planned()).collect(),
            remarks,
        };
        Ok(Found {
            contents,
            restorer,
            scratch,
            server,
            ids,
            dropped,
            pieces,
            others,
            files,
            detach,
            without_triggers,
            before,
            tables,
            plan,
        })
    }

    async fn restorer(&self, backup: &Backup) -> Result<Restorer<'a>> {
        let client = backup.manifest.engine.client.as_str();
        let version = client.strip_prefix("pg_dump ").unwrap_or(client);
        let archive = major(version).ok_or_else(|| {
            Error::new(
                ErrorClass::Verification,
                format!(
                    "the manifest says that {client:?} made the backup, which is not understood"
                ),
                "Use the commands in the manifest",
            )
        })?;
        self.restore.postgres.restorer(archive, version).await
    }

    /// A connection to the server, to the database if it is there yet.
    async fn session(&self, options: &RestoreOptions, database: &str) -> Result<Session> {
        let mut session = if options.create {
            self.target.connect_elsewhere().await?
        } else {
            self.target.connect().await?
        };
        let replica = session.query("SELECT pg_catalog.pg_is_in_recovery()").await?;
        if replica.into_iter().flatten().flatten().next().as_deref() == Some("t") {
            return Err(Error::new(
                ErrorClass::Configuration,
                "the server is a replica, which cannot be written",
                "Restore into its primary",
            ));
        }
        if options.create && target::has_database(&mut session, database).await? {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("the database {database} is there already, and create was asked for"),
                "Leave out create, or name another database",
            ));
        }
        Ok(session)
    }

    /// What is there already; an error if that is in the way.
    async fn look(
        &self,
        session: &mut Session,
        options: &RestoreOptions,
        contents: &Contents,
        ids: &BTreeSet<i32>,
    ) -> Result<There> {
        let there = |before| There { before, without_triggers: false, remarks: Vec::new() };
        if options.create {
            return Ok(there(Before::Absent));
        }
        if options.data_only {
            let rows = contents.chosen(Some(ids)).filter(|item| item.is_rows());
            let tables: Vec<_> = rows.map(|i| (i.schema.as_str(), i.name.as_str())).collect();
            target::check_tables(session, &tables, options.allow_non_empty).await?;
            target::check_triggers(session, &tables).await?;
            let failure = target::may_silence_triggers(session).await?;
            return Ok(There {
                before: Before::Tables { may_have_rows: options.allow_non_empty },
                without_triggers: failure.is_none(),
                remarks: failure.iter().map(with_triggers).collect(),
            });
        }
        let residents = target::residents(session).await?;
        if residents.1 > 0 && !options.clean && !options.allow_non_empty {
            let database = self.target.secret().await?.database;
            return Err(target::not_empty(&database, &residents));
        }
        Ok(there(match residents.1 {
            0 => Before::Empty,
            _ if options.clean => Before::Cleaned,
            _ => Before::Populated,
        }))
    }

    /// Does it.
    async fn carry_out(
        &self,
        options: &RestoreOptions,
        found: &mut Found<'_>,
    ) -> Result<(u64, u64, u64)> {
        let database = found.plan.database.clone();
        let jobs = found.plan.jobs;
        let pieces = std::mem::take(&mut found.pieces);
        let files = std::mem::take(&mut found.files);
        self.state.begin(Situation {
            database: database.clone(),
            before: found.before,
            tables: std::mem::take(&mut found.tables),
        });
        let found = &*found;
        let client = Client {
            restorer: &found.restorer,
            options,
            archive: found.scratch.path(),
            server: found.server.major,
            without_triggers: found.without_triggers,
        };
        let mut counted = (0, 0, 0);
        for phase in &found.plan.phases {
            self.restore.watcher.note(&Event::Phase(*phase));
            self.state.reached(*phase);
            let part = match phase {
                Phase::Clean => {
                    self.clean(&client, found).await?;
                    continue;
                }
                Phase::Rows => {
                    let done = self.rows(found, pieces.clone()).await?;
                    counted = (counted.0 + done.0, counted.1 + done.1, counted.2 + done.2);
                    continue;
                }
                Phase::PreData => {
                    if options.create {
                        self.create(found, &database).await?;
                    }
                    Part::PreData
                }
                Phase::OtherData => {
                    counted.2 += rest::bytes(&files);
                    rest::fetch(&self.restore.reader, files.clone()).await?;
                    if options.data_only {
                        self.large_objects(&client, found).await?;
                    }
                    Part::Data
                }
                Phase::PostData => Part::PostData,
            };
            match part {
                Part::PreData => self.part(&client, part, found, &found.ids, 1).await?,
                Part::Data => {
                    // Rows come in their order, which several connections would not keep.
                    let is_rows = |id: &i32| found.contents.item(*id).is_some_and(Item::is_rows);
                    let (rows, others): (BTreeSet<_>, BTreeSet<_>) =
                        found.others.iter().copied().partition(is_rows);
                    if !rows.is_empty() {
                        self.part(&client, part, found, &rows, 1).await?;
                    }
                    if !others.is_empty() {
                        let jobs = if files.len() > 2 { jobs } else { 1 };
                        self.part(&client, part, found, &others, jobs).await?;
                    }
                }
                Part::PostData => {
                    let delicate = delicate(&found.contents, &found.ids);
                    let others = found.ids.difference(&delicate).copied().collect();
                    self.part(&client, part, found, &others, jobs).await?;
                    if !delicate.is_empty() {
                        self.part(&client, part, found, &delicate, 1).await?;
                    }
                }
            }
        }
        Ok(counted)
    }

    async fn part(
        &self,
        client: &Client<'_>,
        part: Part,
        found: &Found<'_>,
        ids: &BTreeSet<i32>,
        jobs: u16,
    ) -> Result<()> {
        let secret = self.target.secret().await?;
        let stop = self.stop.clone();
        client.restore(&secret, part, &found.contents, ids, jobs, stop).await
    }

    async fn create(&self, found: &Found<'_>, database: &str) -> Result<()> {
        let mut session = self.target.connect_elsewhere().await?;
        let like = found.contents.database.as_deref();
        if let Some(different) = target::create_database(&mut session, database, like).await? {
            self.warn(different);
        }
        self.state.made();
        session.close().await;
        Ok(())
    }

    /// Makes the large objects, whose content is data, and whose being is not.
    async fn large_objects(&self, client: &Client<'_>, found: &Found<'_>) -> Result<()> {
        let items = found.contents.chosen(Some(&found.ids));
        let ids: BTreeSet<_> =
            items.filter(|item| item.section != Section::Data).map(|item| item.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.part(client, Part::PreData, found, &ids, 1).await
    }

    async fn clean(&self, client: &Client<'_>, found: &Found<'_>) -> Result<()> {
        let items = found.contents.chosen(Some(&found.dropped)).filter(|item| is_dropped(item));
        let ids = items.map(|item| item.id);
        let drops = client.drops(&found.contents, &ids.collect(), self.stop.clone()).await?;
        let mut session = self.target.connect().await?;
        target::drop_all(&mut session, &found.detach, &drops).await?;
        session.close().await;
        Ok(())
    }

    async fn rows(&self, found: &Found<'_>, pieces: Vec<Piece>) -> Result<(u64, u64, u64)> {
        let mut door = Door {
            postgres: self.restore.postgres.clone(),
            access: Arc::clone(&self.restore.access),
            settings: found.contents.settings.clone(),
        };
        let witness = door.open().await.map_err(Error::from)?;
        if found.without_triggers {
            door.settings.push(NO_TRIGGERS.to_owned());
        }
        let loader = Loader::new(
            door,
            self.restore.reader.clone(),
            Arc::clone(&self.restore.watcher),
            pieces,
            witness,
        );
        Arc::new(loader).run(found.plan.jobs).await
    }
}

fn with_triggers(failure: &Failure) -> String {
    format!(
        "triggers fire and foreign keys are checked while rows are loaded, since the role may not \
         switch them off: {failure}"
    )
}

/// Whether it is dropped by a statement of its own. Keys and indexes go with their tables, but for
/// those that tie two tables together; and one that a partition has from its parent cannot be
/// dropped by itself.
fn is_dropped(item: &Item) -> bool {
    item.file.is_none() && !matches!(item.kind.as_str(), "CONSTRAINT" | "INDEX")
}

/// What of the entries `dropped` is there, without what goes with something else.
async fn dropped_by_name(
    session: &mut Session,
    contents: &Contents,
    dropped: &BTreeSet<i32>,
) -> Result<Vec<String>> {
    let is_named = |item: &&Item| {
        let kind = item.kind.as_str();
        is_dropped(item) && item.drops && (kind == "SEQUENCE" || !BELONGINGS.contains(&kind))
    };
    let items: Vec<_> = contents.chosen(Some(dropped)).filter(is_named).collect();
    let missing = target::missing(session, &items).await?;
    let there = items.iter().filter(|item| !missing.contains(&item.id));
    Ok(there.map(|item| item.shown()).collect())
}

/// How subscriptions among `dropped` are parted from their slots, and what is to be said of it.
async fn detach(
    session: &mut Session,
    contents: &Contents,
    dropped: &BTreeSet<i32>,
) -> Result<(Vec<String>, Vec<String>)> {
    let items = contents.chosen(Some(dropped)).filter(|item| item.kind == "SUBSCRIPTION");
    let names: Vec<_> = items.map(|item| item.name.as_str()).collect();
    target::detach(session, &names).await
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
            let made = target::missing(session, &tables).await?;
            tables.iter().filter(|t| made.contains(&t.id)).map(|t| t.full_name()).collect()
        }
    })
}

/// A directory with the table of contents.
fn scratch(parent: &std::path::Path, toc: &[u8]) -> Result<TempDir> {
    let directory = tempfile::Builder::new()
        .prefix("autodump-")
        .tempdir_in(parent)
        .map_err(|error| unusable(parent, error))?;
    let path = directory.path().join(TOC);
    std::fs::write(&path, toc).map_err(|error| unusable(&path, error))?;
    Ok(directory)
}

/// What is never restored, and what the options leave out. The comment on an extension comes
/// with the extension, and only its owner may set it, who on a managed server is somebody else.
fn is_left_out(contents: &Contents, id: i32, options: &RestoreOptions) -> bool {
    let Some(item) = contents.item(id) else { return true };
    if item.kind == "COMMENT" && item.name.starts_with("EXTENSION ") {
        return true;
    }
    if item.kind == "DATABASE" || item.kind == "DATABASE PROPERTIES" {
        return true;
    }
    let large_object = item.is_large_object() || item.name.starts_with("LARGE OBJECT");
    if options.schema_only {
        return item.section == Section::Data || large_object;
    }
    options.data_only && item.section != Section::Data && !large_object
}

fn phases(
    options: &RestoreOptions,
    dropped: &BTreeSet<i32>,
    pieces: &[Piece],
    others: &BTreeSet<i32>,
) -> Vec<Phase> {
    let schema = !options.data_only;
    [
        (!dropped.is_empty(), Phase::Clean),
        (schema, Phase::PreData),
        (!pieces.is_empty(), Phase::Rows),
        (!others.is_empty(), Phase::OtherData),
        (schema, Phase::PostData),
    ]
    .into_iter()
    .filter_map(|(needed, phase)| needed.then_some(phase))
    .collect()
}
