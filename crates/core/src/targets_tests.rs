use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::event::ScanRequest;
use crate::execution::ExecutionInput;
use crate::ports::{Executions, Start};
use crate::scan::{Observer, Outcome, Scan};
use crate::tags::TagPrefix;

const KEY: &str = "autodump:start-schedule";

/// A place with these pages of resources, by their ARNs; `None` is a page that fails.
#[derive(Default)]
struct Place {
    pages: Vec<Option<Vec<&'static str>>>,
    tokens: Mutex<Vec<Option<String>>>,
    found: Mutex<Vec<String>>,
}

impl Place {
    fn of(pages: &[Option<&[&'static str]>]) -> Self {
        let pages = pages.iter().map(|page| page.map(<[_]>::to_vec)).collect();
        Self { pages, ..Self::default() }
    }

    fn found(&self) -> Vec<String> {
        std::mem::take(&mut self.found.lock().unwrap())
    }
}

fn resource(arn: &str) -> Resource {
    Resource { arn: arn.to_owned(), name: arn.to_owned(), tags: BTreeMap::new() }
}

impl TargetSource for Place {
    async fn page(&self, tag_key: &str, token: Option<String>) -> Result<Page> {
        assert_eq!(tag_key, KEY);
        self.tokens.lock().unwrap().push(token.clone());
        // With a space, as a token may have one.
        let number = token.map_or(0, |token| token.strip_prefix("page ").unwrap().parse().unwrap());
        let Some(page) = self.pages.get(number).cloned().unwrap_or(Some(Vec::new())) else {
            return Err(Error::new(ErrorClass::Credentials, "no entry", "Knock"));
        };
        let next = (number + 1 < self.pages.len()).then(|| format!("page {}", number + 1));
        Ok(Page { resources: page.into_iter().map(resource).collect(), next })
    }

    async fn find(&self, id: &str) -> Result<Option<Resource>> {
        self.found.lock().unwrap().push(id.to_owned());
        Ok(Some(resource(id)))
    }
}

fn sources() -> Vec<Source> {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../contract/sources.json")).unwrap();
    crate::source::parse(&golden["sources"].to_string()).unwrap()
}

fn targets(secrets: Place, tables: Place, further: Vec<Place>) -> Targets<Place, Place> {
    let further = sources().into_iter().zip(further).collect();
    Targets::new("eu-central-1", secrets, tables, further)
}

/// All that is listed, and all that is not, one place after the other.
async fn listed(targets: &Targets<Place, Place>) -> (Vec<String>, Vec<String>) {
    let (mut arns, mut failures) = (Vec::new(), Vec::new());
    for start in targets.starts() {
        let mut token = start;
        while token.is_some() {
            match targets.page(KEY, token).await {
                Ok(page) => {
                    arns.extend(page.resources.into_iter().map(|found| found.arn));
                    token = page.next;
                }
                Err(error) => {
                    failures.push(error.to_string());
                    token = None;
                }
            }
        }
    }
    (arns, failures)
}

#[tokio::test]
async fn all_places_are_listed_page_by_page() {
    let targets = targets(
        Place::of(&[Some(&["a", "b"]), Some(&[]), Some(&["c"])]),
        Place::of(&[Some(&["d"]), Some(&["e"])]),
        vec![Place::of(&[]), Place::of(&[Some(&["f"])]), Place::of(&[Some(&["g"])])],
    );
    let (arns, failures) = listed(&targets).await;
    assert_eq!(arns, ["a", "b", "c", "d", "e", "f", "g"]);
    assert_eq!(failures, [""; 0]);
    let tokens = targets.secrets.tokens.lock().unwrap();
    assert_eq!(*tokens, [None, Some("page 1".to_owned()), Some("page 2".to_owned())]);
}

#[tokio::test]
async fn a_place_that_fails_is_named_and_stops_no_other() {
    let targets = targets(
        Place::of(&[Some(&["a"]), None, Some(&["never asked for"])]),
        Place::of(&[Some(&["b"])]),
        vec![Place::of(&[Some(&["c"])]), Place::of(&[None]), Place::of(&[Some(&["d"])])],
    );
    let (arns, failures) = listed(&targets).await;
    assert_eq!(arns, ["a", "b", "c", "d"]);
    assert_eq!(
        failures,
        [
            "the secrets of eu-central-1: no entry. Knock. A retry does not help.",
            "the tables and databases of eu-central-1 by arn:aws:iam::222233334444:role/AutoDumpSource: \
             no entry. Knock. A retry does not help.",
        ]
    );
}

#[tokio::test]
async fn the_last_place_may_fail_too() {
    let targets = targets(Place::of(&[Some(&["a"])]), Place::of(&[None]), Vec::new());
    let (arns, failures) = listed(&targets).await;
    assert_eq!((arns.len(), failures.len()), (1, 1));
    assert!(
        failures[0].starts_with("the tables and databases of eu-central-1: no entry"),
        "{failures:?}"
    );
}

/// Counts what is started, and shows it to the places that wait for it.
#[derive(Default)]
struct Started(std::sync::atomic::AtomicUsize);

impl Started {
    fn count(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Executions for Started {
    async fn start(&self, _: &str, _: &ExecutionInput) -> Result<Start> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Start::Started)
    }
}

impl Observer for Started {
    fn outcome(&self, _: Option<&str>, _: &Outcome) {}
}

/// A place that does not answer before two targets have been started.
struct Slow<'a>(&'a Started);

impl TargetSource for Slow<'_> {
    async fn page(&self, _: &str, _: Option<String>) -> Result<Page> {
        let mut patience = 10_000;
        while self.0.count() < 2 {
            patience -= 1;
            assert!(patience > 0, "all wait for this place");
            tokio::task::yield_now().await;
        }
        Err(Error::new(ErrorClass::Source, "no answer", "Wait"))
    }

    async fn find(&self, _: &str) -> Result<Option<Resource>> {
        Ok(None)
    }
}

struct Tagged;

impl TargetSource for Tagged {
    async fn page(&self, _: &str, _: Option<String>) -> Result<Page> {
        let resources = ["orders", "users"].map(|name| {
            let found = resource(&format!("arn:aws:dynamodb:eu-west-1:111122223333:table/{name}"));
            Resource { tags: BTreeMap::from([(KEY.to_owned(), "@daily".to_owned())]), ..found }
        });
        Ok(Page { resources: resources.into(), next: None })
    }

    async fn find(&self, _: &str) -> Result<Option<Resource>> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_place_that_does_not_answer_keeps_no_other_waiting() {
    let started = Started::default();
    let targets = Targets::new("eu-central-1", Slow(&started), Tagged, Vec::new());
    let (prefix, now) = (TagPrefix::default(), "2026-11-21T07:59:30Z".parse().unwrap());
    let scan =
        Scan { source: &targets, executions: &started, observer: &started, prefix: &prefix, now };
    let report = scan.run(&ScanRequest::All).await;
    assert_eq!((report.started, report.failed), (2, 1));
}

#[tokio::test]
async fn a_resource_is_asked_for_where_it_belongs() {
    let targets = targets(
        Place::default(),
        Place::default(),
        vec![Place::default(), Place::default(), Place::default()],
    );
    let places = [
        &targets.secrets,
        &targets.tagged,
        &targets.further[0].1,
        &targets.further[1].1,
        &targets.further[2].1,
    ];
    for (id, place) in [
        ("prod/app", 0),
        ("arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf", 0),
        ("arn:aws:dynamodb:eu-central-1:111122223333:table/orders", 1),
        ("arn:aws:rds:eu-central-1:111122223333:cluster:orders", 1),
        ("arn:aws:rds:us-east-1:111122223333:db:orders", 2),
        ("arn:aws:dynamodb:us-east-1:111122223333:table/orders", 2),
        ("arn:aws:dynamodb:eu-central-1:222233334444:table/orders", 3),
        ("arn:aws:dynamodb:eu-west-1:333344445555:table/orders", 4),
    ] {
        assert_eq!(targets.find(id).await.unwrap().unwrap().arn, id);
        let asked: Vec<_> = places.iter().map(|place| place.found()).collect();
        for (number, asked) in asked.iter().enumerate() {
            assert_eq!(asked.iter().any(|asked| asked == id), number == place, "{id} at {number}");
        }
    }
    let error =
        targets.find("arn:aws:dynamodb:eu-west-1:111122223333:table/far").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("eu-west-1:111122223333:table/far"), "{error}");
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_refused() {
    let targets = targets(Place::default(), Place::default(), Vec::new());
    for token in [None, Some("x y".to_owned()), Some("7".to_owned())] {
        let error = targets.page(KEY, token).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Internal, "{error}");
    }
}
