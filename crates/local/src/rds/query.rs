//! How RDS is asked: a form, in whose names lists and structures are spelt out.

use std::collections::BTreeMap;

use super::xml::Refusal;

/// The parameters of a request, such as `Tags.Tag.1.Key`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    pub(crate) fn action(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    /// A parameter that is there, and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that has to be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| {
            let message =
                format!("The request must contain the parameter {name} and it cannot be empty");
            Refusal::new("MissingParameter", message)
        })
    }

    /// `<name>.1`, `<name>.2` and so on.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let items = (1..).map_while(|number| self.get(&format!("{name}.{number}")));
        items.map(str::to_owned).collect()
    }

    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        let tag = |number: u32| {
            let key = self.get(&format!("Tags.Tag.{number}.Key"))?;
            let value = self.get(&format!("Tags.Tag.{number}.Value")).unwrap_or_default();
            Some((key.to_owned(), value.to_owned()))
        };
        (1..).map_while(tag).collect()
    }

    /// The values of a filter, if it is asked for.
    pub(super) fn filter(&self, wanted: &str) -> Option<Vec<String>> {
        let names = (1..).map_while(|number| {
            self.get(&format!("Filters.Filter.{number}.Name")).map(|name| (number, name))
        });
        let (number, _) = names.into_iter().find(|(_, name)| *name == wanted)?;
        Some(self.list(&format!("Filters.Filter.{number}.Values.Value")))
    }

    /// The part of a list that is asked for, and the marker of what follows it.
    pub(super) fn page<'a, T>(&self, all: &'a [T]) -> Result<(&'a [T], Option<String>), Refusal> {
        let number = |name: &str, default: usize| match self.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| {
                let message = format!("Invalid value {text} for the parameter {name}");
                Refusal::new("InvalidParameterValue", message)
            }),
        };
        let (from, most) = (number("Marker", 0)?, number("MaxRecords", 100)?);
        if !(20..=100).contains(&most) {
            let message =
                format!("Invalid value {most} for MaxRecords. Must be between 20 and 100");
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        let from = from.min(all.len());
        let to = (from + most).min(all.len());
        Ok((&all[from..to], (to < all.len()).then(|| to.to_string())))
    }
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn lists_tags_and_filters_are_read() {
        let query = Query::read(
            b"Action=X&A=1+2%3D&Empty=&L.member.1=a&L.member.2=b&L.member.4=d&Tags.Tag.1.Key=k&\
              Tags.Tag.1.Value=v&Tags.Tag.2.Key=e&Tags.Tag.2.Value=&Filters.Filter.1.Name=other&\
              Filters.Filter.2.Name=status&Filters.Filter.2.Values.Value.1=starting",
        );
        assert_eq!((query.action(), query.get("A")), ("X", Some("1 2=")));
        assert_eq!(query.get("Empty"), None);
        assert_eq!(query.need("Empty").expect_err("it is empty").code, "MissingParameter");
        assert_eq!(query.list("L.member"), ["a", "b"]);
        let tags: Vec<_> = query.tags().into_iter().collect();
        assert_eq!(tags, [("e".into(), String::new()), ("k".into(), "v".into())]);
        assert_eq!(query.filter("status"), Some(vec!["starting".to_owned()]));
        assert_eq!(query.filter("nothing"), None);
    }

    #[test]
    fn pages_follow_each_other() {
        let all: Vec<u32> = (0..45).collect();
        let page = |query: &str| {
            let query = Query::read(query.as_bytes());
            query.page(&all).map(|(page, marker)| (page.len(), page.first().copied(), marker))
        };
        let of = |query: &str| page(query).map_err(|refusal| refusal.code);
        assert_eq!(of(""), Ok((45, Some(0), None)));
        assert_eq!(of("MaxRecords=20"), Ok((20, Some(0), Some("20".to_owned()))));
        assert_eq!(of("MaxRecords=20&Marker=40"), Ok((5, Some(40), None)));
        assert_eq!(of("MaxRecords=19"), Err("InvalidParameterValue"));
        assert_eq!(of("Marker=x"), Err("InvalidParameterValue"));
    }
}
