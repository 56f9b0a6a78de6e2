//! All places where targets are found, as one.

use crate::error::{Error, ErrorClass, Result};
use crate::ports::{Page, Resource, TargetSource};
use crate::source::{self, Source};
use crate::tags::Kind;

/// The own secrets, tables and databases, and the tables and databases of further sources.
///
/// Secrets stay with `ListSecrets`: it tells which are scheduled for deletion, which the tagging
/// API does not; and with pages of a hundred and a filter by key there too, nothing would be
/// gained.
#[derive(Debug)]
pub struct Targets<S, T> {
    secrets: S,
    tagged: T,
    further: Vec<(Source, T)>,
    region: String,
}

impl<S: TargetSource, T: TargetSource> Targets<S, T> {
    /// The secrets of this account in `region`; the tables and databases there, which are one
    /// place; and those of the sources.
    #[must_use]
    pub fn new(
        region: impl Into<String>,
        secrets: S,
        tagged: T,
        further: Vec<(Source, T)>,
    ) -> Self {
        Self { secrets, tagged, further, region: region.into() }
    }

    /// How many places are listed.
    fn places(&self) -> usize {
        2 + self.further.len()
    }

    async fn page_of(&self, place: usize, tag_key: &str, token: Option<String>) -> Result<Page> {
        match place {
            0 => self.secrets.page(tag_key, token).await,
            1 => self.tagged.page(tag_key, token).await,
            _ => match self.further.get(place - 2) {
                Some((_, tagged)) => tagged.page(tag_key, token).await,
                None => Err(unknown_place(place)),
            },
        }
    }

    /// A place's name in reports.
    fn name_of(&self, place: usize) -> String {
        match place {
            0 => format!("the secrets of {}", self.region),
            1 => format!("the tables and databases of {}", self.region),
            _ => {
                let source = self.further.get(place - 2).map(|(source, _)| source.to_string());
                format!("the tables and databases of {}", source.unwrap_or_default())
            }
        }
    }

    /// Where a table or a database is to be asked for: where its account is named, then in the own
    /// region, and then in another region of the own account.
    fn tagged_of(&self, arn: &str) -> Option<&T> {
        let sources = self.further.iter().map(|(source, _)| source);
        match source::place_of(&sources, &self.region, arn)? {
            None => Some(&self.tagged),
            Some(place) => self.further.get(place).map(|(_, tagged)| tagged),
        }
    }
}

impl<S: TargetSource, T: TargetSource> TargetSource for Targets<S, T> {
    fn starts(&self) -> Vec<Option<String>> {
        (0..self.places()).map(|place| Some(place.to_string())).collect()
    }

    /// A page of one place, which the token names. An error names it, too.
    async fn page(&self, tag_key: &str, token: Option<String>) -> Result<Page> {
        let (place, token) = read(token.as_deref().unwrap_or_default())?;
        let page = self.page_of(place, tag_key, token).await;
        let page = page.map_err(|error| named(&self.name_of(place), error))?;
        Ok(Page { next: page.next.map(|token| format!("{place} {token}")), ..page })
    }

    /// A table or a database by its ARN, where it belongs; anything else is a secret's ARN or name.
    async fn find(&self, id: &str) -> Result<Option<Resource>> {
        match Kind::of(id) {
            Some(Kind::Table | Kind::Database) => {}
            Some(Kind::Secret) | None => return self.secrets.find(id).await,
        }
        match self.tagged_of(id) {
            Some(tagged) => tagged.find(id).await,
            None => Err(Error::new(
                ErrorClass::Configuration,
                format!("the target {id} is of no region and account where targets are looked for"),
                "Add its region and account to the construct's sources, or remove its runs",
            )),
        }
    }
}

/// A token of ours: the place, and the token of its own listing.
fn read(token: &str) -> Result<(usize, Option<String>)> {
    let (place, rest) = match token.split_once(' ') {
        Some((place, rest)) => (place, Some(rest.to_owned())),
        None => (token, None),
    };
    let place = place.parse().map_err(|_| {
        let what = format!("{token:?} is no token of a listing");
        Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
    })?;
    Ok((place, rest))
}

fn unknown_place(place: usize) -> Error {
    let what = format!("there is no place {place} to look for targets");
    Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
}

fn named(place: &str, error: Error) -> Error {
    let (what, hint) = (format!("{place}: {}", error.what()), error.hint().to_owned());
    Error::new(error.class(), what, hint).caused_by(error)
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
