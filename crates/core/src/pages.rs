//! A listing of objects, a page at a time.

use crate::error::Result;
use crate::ports::{Listed, ObjectReader};

/// What follows of a listing.
#[derive(Debug)]
pub struct Pages<'a, R: ?Sized> {
    reader: &'a R,
    bucket: &'a str,
    prefix: &'a str,
    after: Option<String>,
    ended: bool,
}

impl<'a, R: ObjectReader + ?Sized> Pages<'a, R> {
    /// All objects whose keys begin with `prefix`.
    pub const fn of(reader: &'a R, bucket: &'a str, prefix: &'a str) -> Self {
        Self { reader, bucket, prefix, after: None, ended: false }
    }

    /// Those of them whose keys come after this one alone.
    #[must_use]
    pub fn after(self, key: String) -> Self {
        Self { after: Some(key), ..self }
    }

    /// The next page, by ascending key; `None` after the last. After an error it asks for the same
    /// page again.
    pub async fn next(&mut self) -> Result<Option<Vec<Listed>>> {
        if self.ended {
            return Ok(None);
        }
        let page = self.reader.page(self.bucket, self.prefix, self.after.as_deref()).await?;
        self.ended = page.next.is_none();
        self.after = page.next;
        Ok(Some(page.objects))
    }
}

/// Whether there is an object of this very key. Nothing of it is read.
pub async fn exists<R: ObjectReader>(reader: &R, bucket: &str, key: &str) -> Result<bool> {
    // Of all keys that begin with this one, it is the first.
    let page = reader.page(bucket, key, None).await?;
    Ok(page.objects.first().is_some_and(|first| first.key == key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::ObjectLocation;
    use crate::testing::{Call, Fault, FaultyStore, MemoryStore};

    fn store(names: impl IntoIterator<Item = String>) -> MemoryStore {
        let store = MemoryStore::default();
        for key in names {
            store.put(&ObjectLocation { bucket: "b".to_owned(), key }, "x");
        }
        store
    }

    #[tokio::test]
    async fn a_page_that_failed_is_asked_for_again() {
        let names: Vec<_> = (0..2500).map(|number| format!("many/{number:04}")).collect();
        let faults = vec![Fault::nth(Call::List, 2)];
        let store = FaultyStore::new(store(names.clone()), faults);
        let mut pages = Pages::of(&store, "b", "many/");
        let (mut seen, mut longest, mut failed) = (Vec::new(), 0, 0);
        loop {
            match pages.next().await {
                Ok(Some(page)) => {
                    longest = longest.max(page.len());
                    seen.extend(page.into_iter().map(|listed| listed.key));
                }
                Ok(None) => break,
                Err(_) => failed += 1,
            }
        }
        assert!(seen == names, "{} of 2500", seen.len());
        assert_eq!((failed, longest, store.count(Call::List)), (1, 1000, 4));
        assert_eq!(pages.next().await.unwrap(), None);
        let mut rest = Pages::of(&store, "b", "many/").after("many/2498".to_owned());
        assert_eq!(rest.next().await.unwrap().unwrap()[0].key, "many/2499");
    }

    #[tokio::test]
    async fn only_the_very_key_is_there() {
        let store = store(["a/b".to_owned(), "a/bc".to_owned(), "a/d.txt".to_owned()]);
        for (key, there) in [("a/b", true), ("a/bc", true), ("a/d", false), ("a/", false)] {
            assert_eq!(exists(&store, "b", key).await.unwrap(), there, "{key}");
        }
        assert!(!exists(&store, "other", "a/b").await.unwrap());
    }
}
