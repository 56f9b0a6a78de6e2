//! The connection to `PostgreSQL`: statements prepared once, values in binary.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

use super::failure;
use crate::wire::reply::Failure;

/// A session of the server's. It ends when it is dropped.
pub(crate) struct Sql {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl Sql {
    /// Connects over the socket in a directory.
    pub(crate) async fn connect(socket: &Path) -> Result<Self> {
        let mut config = Config::new();
        config.host_path(socket).user("postgres").dbname("postgres");
        let (client, connection) =
            config.connect(NoTls).await.context("no connection to DocumentDB")?;
        tokio::spawn(connection);
        Ok(Self { client, prepared: HashMap::new() })
    }

    /// Runs statements that have no values and no result.
    pub(crate) async fn run(&self, statements: &str) -> Result<()> {
        Ok(self.client.batch_execute(statements).await?)
    }

    /// The one row of a query.
    pub(crate) async fn row(
        &mut self,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Failure> {
        let statement = if let Some(statement) = self.prepared.get(query) {
            statement.clone()
        } else {
            let statement = self.client.prepare(query).await.map_err(failure::of)?;
            self.prepared.insert(query.to_owned(), statement.clone());
            statement
        };
        self.client.query_one(&statement, values).await.map_err(failure::of)
    }

    /// The document that a query gives, if it gives one.
    pub(crate) async fn document(
        &mut self,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.row(query, values).await?.get(0))
    }
}
