//! The engines that are installed, by their names: the one place that tells them apart.

use std::sync::Arc;

use autodump_core::options::DumpOptions;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::EngineName;
use autodump_core::{Error, ErrorClass, Result};

use super::{Content, Engine, Mongodb, Order, Postgres};
use crate::open_uploads::SharedStore;
use crate::restore::{Backup, RestoreWork, Restored, SharedReader};
use crate::stop::StopFlag;
use crate::uploader::Uploader;
use crate::verify::{Tried, VerifyWork};

/// The engines that are installed.
#[derive(Debug, Clone)]
pub struct Engines {
    /// PostgreSQL.
    pub postgres: Postgres,
    /// MongoDB.
    pub mongodb: Mongodb,
}

impl Engines {
    /// The engine of this name.
    #[must_use]
    pub const fn of(&self, name: EngineName) -> AnyEngine<'_> {
        match name {
            EngineName::Postgres => AnyEngine::Postgres(&self.postgres),
            EngineName::Mongodb => AnyEngine::Mongodb(&self.mongodb),
        }
    }

    /// The engine that a manifest names. An unknown one is an error of class configuration.
    pub fn named(&self, name: &str) -> Result<AnyEngine<'_>> {
        let known = EngineName::ALL.into_iter().find(|known| known.as_str() == name);
        known.map(|known| self.of(known)).ok_or_else(|| {
            let all = EngineName::ALL.map(EngineName::as_str).join(" and ");
            Error::new(
                ErrorClass::Configuration,
                format!("the backup is of the engine {name:?}"),
                format!("Only backups of {all} can be restored and verified"),
            )
        })
    }
}

/// One of the engines.
#[derive(Debug, Clone, Copy)]
pub enum AnyEngine<'a> {
    /// PostgreSQL.
    Postgres(&'a Postgres),
    /// MongoDB.
    Mongodb(&'a Mongodb),
}

impl Engine for AnyEngine<'_> {
    fn name(&self) -> EngineName {
        match self {
            Self::Postgres(engine) => engine.name(),
            Self::Mongodb(engine) => engine.name(),
        }
    }

    async fn databases<A: DatabaseAccess>(
        &self,
        access: &Arc<A>,
        options: &DumpOptions,
    ) -> Result<Vec<String>> {
        match self {
            Self::Postgres(engine) => engine.databases(access, options).await,
            Self::Mongodb(engine) => engine.databases(access, options).await,
        }
    }

    async fn dump<A: DatabaseAccess + 'static, S: SharedStore>(
        &self,
        order: &Order<A>,
        uploader: &Arc<Uploader<S>>,
        stop: StopFlag,
    ) -> Result<Content<S::Upload>> {
        match self {
            Self::Postgres(engine) => engine.dump(order, uploader, stop).await,
            Self::Mongodb(engine) => engine.dump(order, uploader, stop).await,
        }
    }

    fn check(&self, backup: &Backup) -> Result<()> {
        match self {
            Self::Postgres(engine) => engine.check(backup),
            Self::Mongodb(engine) => engine.check(backup),
        }
    }

    async fn restore<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        work: &RestoreWork<'_, R, A>,
        stop: StopFlag,
    ) -> Result<Restored> {
        match self {
            Self::Postgres(engine) => engine.restore(work, stop).await,
            Self::Mongodb(engine) => engine.restore(work, stop).await,
        }
    }

    async fn verify<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        work: &VerifyWork<'_, R, A>,
        stop: StopFlag,
    ) -> Result<Tried> {
        match self {
            Self::Postgres(engine) => engine.verify(work, stop).await,
            Self::Mongodb(engine) => engine.verify(work, stop).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_is_found_by_its_name_and_no_other() {
        let engines = Engines {
            postgres: Postgres::new(None, "/bundle.pem", "/scratch"),
            mongodb: Mongodb::new(None, "/bundle.pem"),
        };
        for name in EngineName::ALL {
            assert_eq!(engines.of(name).name(), name);
            assert_eq!(engines.named(name.as_str()).unwrap().name(), name);
        }
        for name in ["", "mysql", "Postgres"] {
            let error = engines.named(name).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(&format!("{name:?}")), "{error}");
            for known in EngineName::ALL {
                assert!(error.hint().contains(known.as_str()), "{error}");
            }
        }
    }
}
