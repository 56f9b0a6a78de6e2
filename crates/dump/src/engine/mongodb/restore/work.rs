//! The restore itself, phase by phase.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodump_core::options::ReadPreference;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::EngineName;
use autodump_core::{Error, ErrorClass, Result};

use super::definition::Definition;
use super::load::{Goal, Loader, Parts};
use super::pieces::{Piece, compared, strangers};
use super::select::{Choice, Chosen, check, choose};
use super::there::{There, count, drop_one, look};
use super::unpack::Order;
use crate::engine::mongodb::archive::Known;
use crate::engine::mongodb::connection::{Connection, Gate};
use crate::engine::mongodb::stored::Stored;
use crate::object::broken;
use crate::restore::names::few;
use crate::restore::state::{Before, Situation, Words};
use crate::restore::{Event, Phase, Plan, PlannedTable, RestoreWork, Restored, SharedReader};

const WORDS: Words = Words { thing: "collection", filling: "documents", besides: "" };

/// A restore at work.
pub(in super::super) struct Work<'a, R, A> {
    restore: &'a RestoreWork<'a, R, A>,
    ca_bundle: PathBuf,
}

/// What a restore goes by.
pub(in super::super) struct Found<'a> {
    stored: Stored<'a>,
    pub(in super::super) known: Known,
    pub(super) choice: Choice,
    there: There,
    pub(in super::super) plan: Plan,
    pub(super) connection: Arc<Connection>,
}

impl Found<'_> {
    /// What has documents, each with its number in the prelude.
    pub(in super::super) fn filled(&self) -> impl Iterator<Item = Target<'_>> {
        self.choice.with_documents().map(|chosen| Target {
            number: chosen.number,
            name: &chosen.name,
            stored: &chosen.stored,
            loses: self.there.loses(chosen),
        })
    }

    /// What is made, by names.
    pub(in super::super) fn definitions(&self) -> impl Iterator<Item = (&str, &Definition)> {
        self.choice.chosen.iter().map(|chosen| (chosen.name.as_str(), &chosen.definition))
    }

    /// Users and roles are in the archive, and left out.
    pub(in super::super) const fn has_accounts(&self) -> bool {
        self.choice.has_accounts
    }
}

/// A collection that is filled.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Target<'a> {
    /// Its number in the prelude.
    pub(in super::super) number: usize,
    pub(in super::super) name: &'a str,
    /// Where its documents are.
    pub(in super::super) stored: &'a str,
    /// Why it may have fewer documents than were inserted, by itself.
    pub(in super::super) loses: Option<&'static str>,
}

/// What was filled.
#[derive(Debug, Default)]
struct Filled {
    rows: u64,
    bytes: u64,
    warnings: Vec<String>,
}

impl<'a, R: SharedReader, A: DatabaseAccess + 'static> Work<'a, R, A> {
    pub(in super::super) fn new(ca_bundle: &Path, restore: &'a RestoreWork<'a, R, A>) -> Self {
        Self { restore, ca_bundle: ca_bundle.to_owned() }
    }

    pub(super) async fn run(&self) -> Result<Restored> {
        let found = self.find().await?;
        self.restore.watcher.note(&Event::Planned(&found.plan));
        let mut warnings = found.plan.remarks.clone();
        for remark in &warnings {
            self.restore.watcher.note(&Event::Warning(remark));
        }
        let dry_run = self.restore.options.dry_run;
        let mut filled = Filled::default();
        if !dry_run {
            self.begin(&found).await?;
            filled = self.fill(&found).await?;
            self.define(&found).await?;
        }
        let tables = if dry_run { 0 } else { found.plan.tables.len() as u64 };
        let Filled { rows, bytes, warnings: more } = filled;
        warnings.extend(more);
        Ok(Restored { plan: found.plan, dry_run, tables, rows, bytes, warnings })
    }

    /// Looks at backup and database. Nothing is changed.
    pub(in super::super) async fn find(&self) -> Result<Found<'a>> {
        let RestoreWork { backup, reader, access, options, .. } = self.restore;
        check(options)?;
        let stored = Stored::of(backup)?;
        let known = stored.compared(*reader).await?;
        let mut choice = choose(backup, &known.prelude, options)?;
        if let Some(first) = strangers(&backup.manifest.tables, &known).first() {
            return Err(broken(format!("the archive of {}: {first}", backup.uri())));
        }
        let secret = access.secret().await?;
        let database = secret.named_database()?.to_owned();
        let jobs = self.jobs(&mut choice);
        let connection = self.gate(jobs).enter(None).await?;
        let there = look(&connection, &database, &choice, options).await?;
        let plan = Plan {
            engine: EngineName::Mongodb,
            host: secret.host,
            server_version: there.server_version.clone(),
            client: format!("autodump {}", env!("CARGO_PKG_VERSION")),
            jobs,
            phases: self.phases(&there, &choice),
            dropped: there.dropped.iter().map(|name| format!("{database}.{name}")).collect(),
            tables: self.planned(&choice, &database),
            bytes: if options.schema_only { 0 } else { stored.bytes() },
            remarks: choice.remarks.clone(),
            database,
        };
        Ok(Found { stored, known, choice, there, plan, connection })
    }

    /// Connections that insert at once. What is capped keeps its order only over one.
    fn jobs(&self, choice: &mut Choice) -> u16 {
        let capped = choice.capped();
        let options = self.restore.options;
        if !capped.is_empty() && !options.schema_only {
            choice.remarks.push(format!(
                "documents are loaded one after another, since {} capped: their order is kept",
                if capped.len() == 1 {
                    format!("{} is", capped[0])
                } else {
                    format!("{} are", few(&capped))
                }
            ));
            return 1;
        }
        options.jobs.unwrap_or_else(crate::run::default_jobs)
    }

    fn gate(&self, jobs: u16) -> Gate<A> {
        let preference = Some(ReadPreference::Primary);
        Gate::new(self.restore.access, &self.ca_bundle, preference, jobs)
    }

    fn phases(&self, there: &There, choice: &Choice) -> Vec<Phase> {
        let options = self.restore.options;
        let defines = |chosen: &Chosen| chosen.is_view || chosen.definition.has_more();
        [
            (Phase::Clean, !there.dropped.is_empty()),
            (Phase::PreData, !options.data_only),
            (Phase::Rows, !options.schema_only),
            (Phase::PostData, !options.data_only && choice.chosen.iter().any(defines)),
        ]
        .into_iter()
        .filter_map(|(phase, is_done)| is_done.then_some(phase))
        .collect()
    }

    /// The archive mixes collections: how many bytes of it are whose is not known.
    fn planned(&self, choice: &Choice, database: &str) -> Vec<PlannedTable> {
        let manifest = &self.restore.backup.manifest;
        if self.restore.options.schema_only {
            return Vec::new();
        }
        let rows = |name: &str| {
            let is_it = |table: &&autodump_core::manifest::Table| {
                table.schema == manifest.database && table.name == name
            };
            manifest.tables.iter().find(is_it).map(|table| table.rows)
        };
        let planned = |chosen: &Chosen| PlannedTable {
            schema: database.to_owned(),
            name: chosen.name.clone(),
            bytes: 0,
            rows: rows(&chosen.name),
        };
        let mut tables: Vec<_> = choice.with_documents().map(planned).collect();
        tables.sort_by_key(|table| std::cmp::Reverse(table.rows));
        tables
    }

    pub(super) fn reached(&self, found: &Found<'_>, phase: Phase) -> bool {
        let is_done = found.plan.phases.contains(&phase);
        if is_done {
            self.restore.watcher.note(&Event::Phase(phase));
            self.restore.state.reached(phase);
        }
        is_done
    }

    /// Drops what is to be dropped, and makes the collections.
    async fn begin(&self, found: &Found<'_>) -> Result<()> {
        let (database, connection) = (&found.plan.database, &found.connection);
        self.restore.state.begin(Situation {
            database: database.clone(),
            before: found.there.before,
            words: WORDS,
            things: found.there.things.clone(),
        });
        if self.reached(found, Phase::Clean) {
            for name in &found.there.dropped {
                drop_one(connection, database, name).await?;
            }
        }
        if self.reached(found, Phase::PreData) {
            for chosen in found.choice.with_documents() {
                self.make(found, chosen).await?;
            }
        }
        Ok(())
    }

    /// Loads the documents, and compares what was read and what is there.
    async fn fill(&self, found: &Found<'_>) -> Result<Filled> {
        if !self.reached(found, Phase::Rows) {
            return Ok(Filled::default());
        }
        let pieces = Piece::all(&found.stored)?;
        let jobs = usize::from(found.plan.jobs);
        let loader = Arc::new(Loader::new(self.parts(found), pieces.clone(), jobs));
        let (seen, bytes) = loader.run(jobs).await?;
        let digests = compared(&found.stored, &found.known, &pieces, &seen)?;
        let mut filled = Filled { bytes, ..Filled::default() };
        for chosen in found.choice.with_documents() {
            let rows = digests[chosen.number].rows;
            filled.warnings.extend(self.filled(found, chosen, rows).await?);
            filled.rows += rows;
        }
        Ok(filled)
    }

    fn parts(&self, found: &Found<'_>) -> Parts<R, A> {
        let was_empty = found.there.before != Before::Tables { may_have_rows: true };
        let goal = |chosen: &Chosen| {
            let is_ordered = chosen.definition.is_capped();
            (chosen.number, Goal { name: chosen.stored.clone(), is_ordered, was_empty })
        };
        Parts {
            reader: self.restore.reader.clone(),
            gate: self.gate(found.plan.jobs),
            database: found.plan.database.clone(),
            watcher: Arc::clone(self.restore.watcher),
            goals: found.choice.with_documents().map(goal).collect::<BTreeMap<_, _>>(),
            order: Order {
                algorithm: found.stored.algorithm,
                known: found.known.clone(),
                is_first: false,
                wanted: found.choice.wanted(&found.known.prelude),
            },
        }
    }

    /// Counts the documents of a collection that was filled. Where they may get fewer by themselves,
    /// that is a warning.
    async fn filled(
        &self,
        found: &Found<'_>,
        chosen: &Chosen,
        rows: u64,
    ) -> Result<Option<String>> {
        let (schema, name) = (found.plan.database.as_str(), &chosen.name);
        let there = count(&found.connection, schema, &chosen.stored).await?;
        let is_alone = found.there.before != Before::Tables { may_have_rows: true };
        let mut warning = None;
        if is_alone && there != rows {
            let what = format!("{schema}.{name} has {there} documents, and {rows} were inserted");
            match found.there.loses(chosen).filter(|_| there < rows) {
                Some(why) => warning = Some(format!("{what}: {why}")),
                None => {
                    return Err(Error::new(
                        ErrorClass::Engine,
                        what,
                        "Restore when nobody else writes there; see the server's log",
                    ));
                }
            }
        }
        if let Some(warning) = &warning {
            self.restore.watcher.note(&Event::Warning(warning));
        }
        self.restore.watcher.note(&Event::Table { schema, name, rows });
        Ok(warning)
    }

    /// Everything but what comes after the documents: for whoever wants to look at them before.
    pub(in super::super) async fn documents(&self, found: &Found<'_>) -> Result<()> {
        self.begin(found).await?;
        self.fill(found).await.map(drop)
    }

    /// What comes after the documents: indexes, some options, and views.
    pub(in super::super) async fn definitions(&self, found: &Found<'_>) -> Result<()> {
        self.define(found).await
    }
}
