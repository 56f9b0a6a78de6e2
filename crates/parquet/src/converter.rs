//! One table after the other, as the settings say.

use std::pin::Pin;

use autodump_core::pages::{Pages, exists};
use autodump_core::ports::{ObjectReader, ObjectWriter};
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::open_uploads::SharedStore;
use autodump_dump::stop::unless_stopped;

use crate::convert::{Outcome, convert};
use crate::layout::{SUCCESS, Table};
use crate::manifest::ResultManifest;
use crate::options::Options;
use crate::request::{Done, Looked, Size, Summary, TableAt};
use crate::settings::Settings;
use crate::sources::{Before, before};

/// The most objects of a table's directory that are looked at: all of them are in memory.
const MOST: usize = 100_000;

/// What converts the tables of a source.
#[derive(Debug)]
pub struct Converter<'a, S> {
    /// What holds source, destination and schemas.
    pub store: &'a S,
    /// The settings.
    pub settings: &'a Settings,
}

impl<S> Converter<'_, S>
where
    S: SharedStore + ObjectReader + ObjectWriter,
{
    /// What is to be done about an object that has come. A table that is there whole, and has no
    /// result yet, is for the function if its files have at most `most` bytes, else for a job.
    pub async fn look(&self, bucket: &str, key: &str, most: u64) -> Result<Looked> {
        let nothing = |reason: String| Ok(Looked::Nothing { reason });
        let at = match self.table_of(bucket, key) {
            Ok(at) => at,
            Err(reason) => return nothing(reason),
        };
        let (table, options) = match self.prepared(&at).await? {
            Prepared::Whole(table, options) => (table, options),
            Prepared::Growing { reason } => return nothing(reason),
        };
        let uri = format!("s3://{bucket}/{}", at.directory);
        if table.files.is_empty() {
            // All of it may be gone by now, with its export.
            if !exists(self.store, bucket, key).await? {
                return nothing(format!("{uri} has no files of Parquet"));
            }
            return Err(Error::new(
                ErrorClass::Verification,
                format!("{uri} has its _SUCCESS, and no files of Parquet"),
                "Find out what wrote _SUCCESS there without any, or removed them",
            ));
        }
        let result = self.settings.destination.manifest(&table);
        if let Before::Covered(_) = before(self.store, &result, bucket, &table, &options).await? {
            let result = format!("s3://{}/{}", result.bucket, result.key);
            return nothing(format!("{uri} is converted already: {result}"));
        }
        let bytes = table.files.iter().map(|file| file.bytes).sum();
        let size = Size { table: at, bytes, files: table.files.len() };
        Ok(if bytes <= most { Looked::Function(size) } else { Looked::Job(size) })
    }

    /// Converts a table, unless it is growing or converted already.
    ///
    /// When `stop` ends first, everything ends, with an error of class
    /// [`ErrorClass::Interrupted`], and nothing is left.
    pub async fn convert(
        &self,
        at: &TableAt,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<Done> {
        self.check(at)?;
        let prepared = unless_stopped(stop.as_mut(), || interrupted(at), self.prepared(at)).await?;
        let (table, options) = match prepared {
            Prepared::Whole(table, options) => (table, options),
            Prepared::Growing { reason } => return Ok(Done::Growing { reason }),
        };
        let destination = &self.settings.destination;
        let (reader, store) = (self.store, self.store);
        let outcome =
            convert(reader, &at.bucket, &table, store, destination, &options, stop).await?;
        let result = destination.manifest(&table);
        let summary = |manifest: Box<ResultManifest>| Summary {
            manifest: format!("s3://{}/{}", result.bucket, result.key),
            rows_in: manifest.rows_in,
            rows_out: manifest.rows_out,
            rejects: manifest.rejects,
        };
        Ok(match outcome {
            Outcome::Converted(manifest) => Done::Converted(summary(manifest)),
            Outcome::AlreadyThere(manifest) => Done::There(summary(manifest)),
            Outcome::Growing(reason) => Done::Growing { reason },
        })
    }

    async fn prepared(&self, at: &TableAt) -> Result<Prepared> {
        let table = self.listed(at).await?;
        if let Some(reason) = table.why_growing(&at.bucket) {
            return Ok(Prepared::Growing { reason });
        }
        let schema = match &self.settings.schemas {
            Some(schemas) => schemas.of(self.store, self.settings.layout, &table.name).await?,
            None => None,
        };
        Ok(Prepared::Whole(table, Box::new(self.settings.options(schema))))
    }

    /// The table whose end an object marks, or why it marks none.
    fn table_of(&self, bucket: &str, key: &str) -> Result<TableAt, String> {
        let (source, uri) = (&self.settings.source, format!("s3://{bucket}/{key}"));
        let directory = self.settings.layout.directory_of(key);
        let directory = directory.filter(|_| key.rsplit('/').next() == Some(SUCCESS));
        let directory = directory.ok_or_else(|| format!("{uri} is no {SUCCESS} of a table"))?;
        if bucket != source.bucket || !directory.starts_with(&source.prefix) {
            return Err(format!("{uri} is not below s3://{}/{}", source.bucket, source.prefix));
        }
        Ok(TableAt { bucket: bucket.to_owned(), directory: directory.to_owned() })
    }

    /// Refuses what is no table of the source.
    fn check(&self, at: &TableAt) -> Result<()> {
        let Settings { source, layout, .. } = self.settings;
        let is_below = at.bucket == source.bucket && at.directory.starts_with(&source.prefix);
        if is_below && layout.is_of_table(&at.directory) {
            return Ok(());
        }
        let (TableAt { bucket, directory }, layout) = (at, format!("{layout:?}").to_lowercase());
        let what = format!(
            "s3://{bucket}/{directory} is no directory of a table below s3://{}/{}, as the layout \
             {layout} has them",
            source.bucket, source.prefix
        );
        let hint = "Name a table's directory with its closing slash, or deploy another source";
        Err(Error::new(ErrorClass::Configuration, what, hint))
    }

    /// The table as it is now. One without files and without `_SUCCESS` has neither.
    async fn listed(&self, at: &TableAt) -> Result<Table> {
        let (layout, TableAt { bucket, directory }) = (self.settings.layout, at);
        let mut objects = Vec::new();
        let mut pages = Pages::of(self.store, bucket, directory);
        while let Some(page) = pages.next().await? {
            let is_ours = |key: &str| layout.directory_of(key) == Some(directory);
            objects.extend(page.into_iter().filter(|object| is_ours(&object.key)));
            if objects.len() > MOST {
                let what = format!("s3://{bucket}/{directory} has more than {MOST} objects");
                let hint = "Have it written as fewer and larger files";
                return Err(Error::new(ErrorClass::Configuration, what, hint));
            }
        }
        let table = layout.tables(&objects).pop();
        Ok(table.unwrap_or_else(|| layout.without_files(directory)))
    }
}

enum Prepared {
    Whole(Table, Box<Options>),
    Growing { reason: String },
}

fn interrupted(at: &TableAt) -> Error {
    let TableAt { bucket, directory } = at;
    let what = format!("somebody asked to stop before s3://{bucket}/{directory} was converted");
    Error::new(ErrorClass::Interrupted, what, "Convert it again if that was not meant")
}

#[cfg(test)]
#[path = "converter_tests.rs"]
mod tests;
