//! The steps of a restore.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use autodump_core::ports::DatabaseAccess;
use autodump_core::{Error, Result};

use super::clean::{drop_all, is_dropped};
use super::client::{Client, Part};
use super::contents::Item;
use super::create::create_database;
use super::find::{Found, find};
use super::load::{Door, Loader, NO_TRIGGERS};
use super::order::delicate;
use super::rest;
use super::target::Target;
use crate::engine::Postgres;
use crate::engine::postgres::toc::Section;
use crate::restore::state::{Situation, Words};
use crate::restore::{Event, Phase, RestoreWork, Restored, SharedReader};
use crate::stop::StopFlag;

const WORDS: Words = Words { thing: "table", filling: "rows", besides: ", and sequences set" };

/// A restore at work.
pub(super) struct Work<'a, R, A> {
    restore: &'a RestoreWork<'a, R, A>,
    target: Target<'a, A>,
    stop: StopFlag,
    warnings: Mutex<Vec<String>>,
}

impl<'a, R: SharedReader, A: DatabaseAccess + 'static> Work<'a, R, A> {
    pub(super) fn new(
        postgres: &'a Postgres,
        restore: &'a RestoreWork<'a, R, A>,
        stop: StopFlag,
    ) -> Self {
        let target = Target { postgres, access: Arc::clone(restore.access) };
        Self { restore, target, stop, warnings: Mutex::default() }
    }

    pub(super) async fn run(&self) -> Result<Restored> {
        let options = self.restore.options;
        let found = find(self.restore, &self.target).await?;
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
            self.carry_out(&found, &mut restored).await?;
        }
        restored.warnings =
            std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(restored)
    }

    fn warn(&self, what: String) {
        self.restore.watcher.note(&Event::Warning(&what));
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Does it, and counts.
    async fn carry_out(&self, found: &Found<'_>, restored: &mut Restored) -> Result<()> {
        let there = &found.there;
        self.restore.state.begin(Situation {
            database: found.plan.database.clone(),
            before: there.before,
            words: WORDS,
            things: there.tables.clone(),
        });
        let client = Client {
            restorer: &found.restorer,
            options: self.restore.options,
            archive: found.scratch.path(),
            server: there.server.major,
            without_triggers: there.without_triggers,
        };
        for phase in &found.plan.phases {
            self.restore.watcher.note(&Event::Phase(*phase));
            self.restore.state.reached(*phase);
            match phase {
                Phase::Clean => self.clean(&client, found).await?,
                Phase::PreData => self.pre_data(&client, found).await?,
                Phase::Rows => {
                    let (tables, rows, bytes) = self.rows(found).await?;
                    restored.tables += tables;
                    restored.rows += rows;
                    restored.bytes += bytes;
                }
                Phase::OtherData => {
                    self.other_data(&client, found).await?;
                    restored.bytes += rest::bytes(&found.files);
                }
                Phase::PostData => self.post_data(&client, found).await?,
            }
        }
        Ok(())
    }

    /// Restores the entries `ids` of one section.
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

    async fn clean(&self, client: &Client<'_>, found: &Found<'_>) -> Result<()> {
        let there = &found.there;
        let items = found.contents.chosen(Some(&there.dropped)).filter(|item| is_dropped(item));
        let ids = items.map(|item| item.id);
        let drops = client.drops(&found.contents, &ids.collect(), self.stop.clone()).await?;
        let mut session = self.target.connect().await?;
        drop_all(&mut session, &there.detach, &drops).await?;
        session.close().await;
        Ok(())
    }

    async fn pre_data(&self, client: &Client<'_>, found: &Found<'_>) -> Result<()> {
        if client.options.create {
            self.create(found).await?;
        }
        self.part(client, Part::PreData, found, &found.there.ids, 1).await
    }

    async fn create(&self, found: &Found<'_>) -> Result<()> {
        let mut session = self.target.connect_elsewhere().await?;
        let like = found.contents.database.as_deref();
        let different = create_database(&mut session, &found.plan.database, like).await?;
        if let Some(different) = different {
            self.warn(different);
        }
        self.restore.state.made();
        session.close().await;
        Ok(())
    }

    /// Returns tables, rows and bytes.
    async fn rows(&self, found: &Found<'_>) -> Result<(u64, u64, u64)> {
        let mut door = Door {
            postgres: self.target.postgres.clone(),
            access: Arc::clone(self.restore.access),
            settings: found.contents.settings.clone(),
        };
        let witness = door.open().await.map_err(Error::from)?;
        if found.there.without_triggers {
            door.settings.push(NO_TRIGGERS.to_owned());
        }
        let loader = Loader::new(
            door,
            self.restore.reader.clone(),
            Arc::clone(self.restore.watcher),
            found.loads.pieces.clone(),
            witness,
        );
        Arc::new(loader).run(found.plan.jobs).await
    }

    async fn other_data(&self, client: &Client<'_>, found: &Found<'_>) -> Result<()> {
        rest::fetch(self.restore.reader, found.files.clone()).await?;
        if client.options.data_only {
            self.large_objects(client, found).await?;
        }
        // Rows come in their order, which several connections would not keep.
        let is_rows = |id: &i32| found.contents.item(*id).is_some_and(Item::is_rows);
        let (rows, others): (BTreeSet<_>, BTreeSet<_>) =
            found.loads.others.iter().copied().partition(is_rows);
        if !rows.is_empty() {
            self.part(client, Part::Data, found, &rows, 1).await?;
        }
        if !others.is_empty() {
            let jobs = if found.files.len() > 2 { found.plan.jobs } else { 1 };
            self.part(client, Part::Data, found, &others, jobs).await?;
        }
        Ok(())
    }

    /// Makes the large objects, whose content is data, and whose being is not.
    async fn large_objects(&self, client: &Client<'_>, found: &Found<'_>) -> Result<()> {
        let items = found.contents.chosen(Some(&found.there.ids));
        let ids: BTreeSet<_> =
            items.filter(|item| item.section != Section::Data).map(|item| item.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.part(client, Part::PreData, found, &ids, 1).await
    }

    async fn post_data(&self, client: &Client<'_>, found: &Found<'_>) -> Result<()> {
        let ids = &found.there.ids;
        let delicate = delicate(&found.contents, ids);
        let others = ids.difference(&delicate).copied().collect();
        self.part(client, Part::PostData, found, &others, found.plan.jobs).await?;
        if !delicate.is_empty() {
            self.part(client, Part::PostData, found, &delicate, 1).await?;
        }
        Ok(())
    }
}
