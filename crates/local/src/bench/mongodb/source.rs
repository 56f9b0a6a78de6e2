//! The servers that are dumped: one that has prepared replies, and `DocumentDB`.

use anyhow::{Context, Result};
use autodump_documentdb::{Content, Ids, Server, Settings, Shape, User};

/// The name of the user, and the password.
pub(super) const USER: &str = "bench";
/// Of [`USER`].
pub(super) const PASSWORD: &str = "bench";

/// The database with one large collection.
pub(super) const ONE: &str = "one";
/// The database with many collections.
pub(super) const MANY: &str = "many";

/// About the bytes of one document.
const DOCUMENT: u64 = 1000;

/// A server. Dropping it ends it.
pub(super) struct Source {
    server: Server,
    name: &'static str,
}

impl Source {
    /// A server that has documents of about 1 KB in memory: `one` bytes of them in a collection of [`ONE`], and `many` in
    /// `collections` of [`MANY`], the n-th with the n-th part of the first one's.
    pub(super) fn stub(one: u64, many: u64, collections: u64) -> Result<Self> {
        let mut content = Content::new().generated(ONE, "orders", generated(one)?)?;
        for (name, bytes) in shares(many, collections) {
            content = content.generated(MANY, &name, generated(bytes)?)?;
        }
        Ok(Self { server: Server::stub(content, &settings())?, name: "the stub" })
    }

    /// `DocumentDB` behind the shim, with nothing in it; `None` where it cannot be had, which it says.
    pub(super) fn documentdb() -> Result<Option<Self>> {
        let server = Server::documentdb(&settings())?;
        Ok(server.map(|server| Self { server, name: "DocumentDB" }))
    }

    pub(super) fn port(&self) -> u16 {
        self.server.port()
    }

    /// For messages.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// With user and password.
    pub(super) fn uri(&self) -> String {
        let uri = self.server.uri_as(&format!("{USER}:{PASSWORD}"));
        format!("{uri}?authSource=admin&authMechanism=SCRAM-SHA-256")
    }
}

fn settings() -> Settings {
    let user = User { name: USER.to_owned(), password: PASSWORD.to_owned() };
    Settings { users: vec![user], ..Settings::default() }
}

fn generated(bytes: u64) -> Result<(Shape, Ids, usize)> {
    let number = usize::try_from(bytes / DOCUMENT).context("so many bytes")?;
    Ok((Shape::Kilobyte, Ids::ObjectId, number))
}

/// Names of collections, and how many bytes each has.
fn shares(bytes: u64, collections: u64) -> Vec<(String, u64)> {
    let parts = |n: u64| 1_000_000 / n;
    let all: u64 = (1..=collections).map(parts).sum();
    (1..=collections).map(|n| (format!("orders_{n}"), bytes * parts(n) / all)).collect()
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn collections_share_all_bytes_and_shrink() {
        let shares = shares(1_000_000, 50);
        assert_eq!(shares.len(), 50);
        let sizes: Vec<u64> = shares.iter().map(|(_, bytes)| *bytes).collect();
        assert!(sizes.is_sorted_by(|one, next| one > next));
        let all: u64 = sizes.iter().sum();
        assert!((999_900..=1_000_000).contains(&all), "{all}");
    }
}
