use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::ports::Page;
use crate::source::Source;
use crate::targets::Targets;

const SCHEDULE: &str = "autodump:start-schedule";
const PAGE: usize = 100;

fn arn(number: usize) -> String {
    format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:db{number:05}-AbCdEf")
}

fn target(number: usize, tags: &[(&str, &str)]) -> Resource {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Resource { arn: arn(number), name: format!("db{number:05}"), tags }
}

fn daily(number: usize) -> Resource {
    target(number, &[(SCHEDULE, "0 8 * * *")])
}

/// A world in memory that counts how much of it is on the way at any time.
#[derive(Default)]
struct World {
    resources: Vec<Resource>,
    /// The page, counted from 0, that cannot be listed.
    broken_page: Option<usize>,
    /// The starts, counted from 1, that fail.
    broken_starts: HashSet<usize>,
    names: Mutex<HashSet<String>>,
    inputs: Mutex<BTreeMap<String, ExecutionInput>>,
    listed: AtomicUsize,
    starts: AtomicUsize,
    finished: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    most_unfinished: AtomicUsize,
    seen: Mutex<Vec<Option<String>>>,
}

fn error(what: &str) -> Error {
    Error::new(ErrorClass::Source, what, "Wait")
}

impl TargetSource for World {
    async fn page(&self, tag_key: &str, token: Option<String>) -> Result<Page> {
        assert_eq!(tag_key, SCHEDULE);
        tokio::task::yield_now().await;
        let page: usize = token.map_or(0, |token| token.parse().unwrap());
        if self.broken_page == Some(page) {
            return Err(error("page cannot be listed"));
        }
        let from = page * PAGE;
        let until = (from + PAGE).min(self.resources.len());
        let resources = self.resources[from..until].to_vec();
        let listed = self.listed.fetch_add(resources.len(), Ordering::SeqCst) + resources.len();
        let unfinished = listed - self.finished.load(Ordering::SeqCst);
        self.most_unfinished.fetch_max(unfinished, Ordering::SeqCst);
        let next = (until < self.resources.len()).then(|| (page + 1).to_string());
        Ok(Page { resources, next })
    }

    async fn find(&self, id: &str) -> Result<Option<Resource>> {
        if id == "throttled" {
            return Err(error("throttled"));
        }
        Ok(self.resources.iter().find(|found| found.arn == id || found.name == id).cloned())
    }
}

impl Executions for World {
    async fn start(&self, name: &str, input: &ExecutionInput) -> Result<Start> {
        let number = self.starts.fetch_add(1, Ordering::SeqCst) + 1;
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        for _ in 0..number % 7 {
            tokio::task::yield_now().await;
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.broken_starts.contains(&number) {
            return Err(error("no start"));
        }
        let new = self.names.lock().unwrap().insert(name.to_owned());
        self.inputs.lock().unwrap().insert(input.resource_arn.clone(), input.clone());
        Ok(if new { Start::Started } else { Start::AlreadyThere })
    }
}

impl Observer for World {
    fn outcome(&self, resource: Option<&str>, _: &Outcome) {
        self.finished.fetch_add(1, Ordering::SeqCst);
        self.seen.lock().unwrap().push(resource.map(str::to_owned));
    }
}

impl World {
    fn of(resources: impl IntoIterator<Item = Resource>) -> Self {
        Self { resources: resources.into_iter().collect(), ..Self::default() }
    }

    async fn scan(&self, request: &ScanRequest) -> ScanReport {
        let prefix = TagPrefix::default();
        let now = "2026-11-21T07:59:30Z".parse().unwrap();
        let scan = Scan { source: self, executions: self, observer: self, prefix: &prefix, now };
        scan.run(request).await
    }

    async fn next_of(&self, id: &str, after: Option<&str>) -> ScanReport {
        let after = after.map(|after| after.parse().unwrap());
        self.scan(&ScanRequest::One { id: id.to_owned(), after }).await
    }

    fn when(&self, number: usize) -> String {
        self.inputs.lock().unwrap()[&arn(number)].when.clone()
    }
}

fn counts(report: &ScanReport) -> [u64; 5] {
    let ScanReport { started, already_there, rejected, failed, not_targets, .. } = report;
    [*started, *already_there, *rejected, *failed, *not_targets]
}

#[tokio::test]
async fn ten_thousand_targets_in_bounded_memory() {
    let world = World::of((0..10_000).map(daily));
    let report = world.scan(&ScanRequest::All).await;
    assert_eq!(counts(&report), [10_000, 0, 0, 0, 0]);
    assert_eq!(world.names.lock().unwrap().len(), 10_000);
    assert_eq!(world.most_in_flight.load(Ordering::SeqCst), CONCURRENCY);
    let most = world.most_unfinished.load(Ordering::SeqCst);
    assert!(most <= PAGE + CONCURRENCY, "{most} resources were held at once");

    let report = world.scan(&ScanRequest::All).await;
    assert_eq!(counts(&report), [0, 10_000, 0, 0, 0]);
}

#[tokio::test]
async fn the_input_is_that_of_the_next_start() {
    let large = target(7, &[(SCHEDULE, "0 9 * * *"), ("autodump:timezone", "Europe/Berlin")]);
    let world = World::of([large]);
    world.scan(&ScanRequest::All).await;
    assert_eq!(world.when(7), "2026-11-21T08:00:00Z");
    let (name, input) = (
        world.names.lock().unwrap().iter().next().unwrap().clone(),
        world.inputs.lock().unwrap()[&arn(7)].clone(),
    );
    let when = input.when.parse().unwrap();
    assert_eq!(name, execution::name(&arn(7), &input.tag_hash, when));
    assert_eq!(input.tag_hash, TagHash::of(&TagPrefix::default(), &world.resources[0].tags));
}

#[tokio::test]
async fn the_input_says_whether_this_run_is_verified() {
    let daily = |number, verify: &[(&str, &str)]| {
        target(number, &[&[(SCHEDULE, "0 8 * * *")], verify].concat())
    };
    // The 21st of November 2026 is a Saturday.
    let weekly = |weekday| [("autodump:verify", "restore"), ("autodump:verify-schedule", weekday)];
    let world = World::of([
        daily(1, &[]),
        daily(2, &[("autodump:verify", "checksum")]),
        daily(3, &weekly("0 12 - - 6")),
        daily(4, &weekly("0 12 - - 0")),
    ]);
    world.scan(&ScanRequest::All).await;
    let inputs = world.inputs.lock().unwrap();
    let levels: Vec<_> = inputs.values().map(|input| input.verify.as_str()).collect();
    assert_eq!(levels, ["none", "checksum", "restore", "none"]);
}

#[tokio::test]
async fn bad_targets_and_failing_starts_stop_no_other() {
    let mut world = World::of((0..500).map(|number| match number % 5 {
        0 => target(number, &[(SCHEDULE, "8 o'clock"), ("autodump:size", "huge")]),
        1 => target(number, &[("autodump:start-schedule-x", "@daily")]),
        _ => daily(number),
    }));
    world.broken_starts = HashSet::from([1, 150, 300]);
    let report = world.scan(&ScanRequest::All).await;
    assert_eq!(counts(&report), [297, 0, 100, 3, 100]);
    assert_eq!(world.seen.lock().unwrap().len(), 500);
    assert_eq!(report.rejections.len(), 100);
    assert_eq!(report.rejections[0].reasons.len(), 2);
    assert!(report.rejections[0].reasons[1].contains("\"huge\""));

    let failed: Vec<_> =
        report.failures.iter().map(|failure| failure.resource_arn.clone().unwrap()).collect();
    let error = report.into_result().unwrap_err().to_string();
    assert!(error.starts_with("3 of 400 targets could not be scheduled"), "{error}");
    assert!(error.ends_with("A retry may help."), "{error}");
    for arn in &failed {
        assert!(error.contains(&format!("{arn}: no start. Wait.")), "{arn} is not in {error}");
    }

    world.broken_starts.clear();
    let again = world.scan(&ScanRequest::All).await;
    assert_eq!(counts(&again), [3, 297, 100, 0, 100], "the next scan starts those that failed");
}

#[tokio::test]
async fn lists_are_capped_and_counts_are_not() {
    let bad = (0..250).map(|number| target(number, &[(SCHEDULE, "never")]));
    let mut world = World::of(bad.chain((250..500).map(daily)));
    world.broken_starts = (1..=250).collect();
    let report = world.scan(&ScanRequest::All).await;
    assert_eq!(counts(&report), [0, 0, 250, 250, 0]);
    assert_eq!((report.rejections.len(), report.failures.len()), (LISTED, LISTED));
    let error = report.into_result().unwrap_err().to_string();
    assert_eq!(error.matches("no start").count(), NAMED, "{error}");
    assert!(error.contains(" …. See"), "{error}");
}

#[tokio::test]
async fn a_page_that_fails_ends_the_listing_after_what_was_listed() {
    let mut world = World::of((0..500).map(daily));
    world.broken_page = Some(2);
    let report = world.scan(&ScanRequest::All).await;
    assert_eq!(counts(&report), [200, 0, 0, 1, 0]);
    assert_eq!(report.failures[0].resource_arn, None);
    assert_eq!(world.seen.lock().unwrap().iter().filter(|resource| resource.is_none()).count(), 1);
    let error = report.into_result().unwrap_err().to_string();
    assert!(error.contains("the list of targets: page cannot be listed"), "{error}");
}

#[tokio::test]
async fn a_target_that_is_listed_twice_is_started_once() {
    let world = World::of([daily(1), daily(2), daily(1)]);
    let report = world.scan(&ScanRequest::All).await;
    assert_eq!(counts(&report), [2, 1, 0, 0, 0]);
}

#[tokio::test]
async fn no_targets_is_a_success() {
    let report = World::default().scan(&ScanRequest::All).await;
    assert_eq!(counts(&report), [0; 5]);
    assert!(report.into_result().is_ok());
}

#[tokio::test]
async fn the_next_start_is_strictly_after_both_now_and_the_run_that_asks() {
    for (after, when) in [
        (None, "2026-11-21T08:00:00Z"),
        (Some("2026-11-20T08:00:00Z"), "2026-11-21T08:00:00Z"),
        (Some("2026-11-21T08:00:00Z"), "2026-11-22T08:00:00Z"),
        (Some("2026-11-21T07:59:59Z"), "2026-11-21T08:00:00Z"),
    ] {
        let world = World::of([daily(1)]);
        let report = world.next_of(&arn(1), after).await;
        assert_eq!((counts(&report), world.when(1).as_str()), ([1, 0, 0, 0, 0], when), "{after:?}");
    }
}

#[tokio::test]
async fn one_resource_can_be_anything() {
    let world = World::of([daily(1), target(2, &[]), target(3, &[(SCHEDULE, "never")])]);
    for (id, expected) in [
        ("db00001", [1, 0, 0, 0, 0]),
        (arn(1).as_str(), [0, 1, 0, 0, 0]),
        ("db00002", [0, 0, 0, 0, 1]),
        ("db00003", [0, 0, 1, 0, 0]),
        ("gone", [0, 0, 0, 0, 1]),
        ("throttled", [0, 0, 0, 1, 0]),
    ] {
        assert_eq!(counts(&world.next_of(id, None).await), expected, "{id}");
    }
    let ignored = ScanRequest::Ignored { reason: "none of ours".to_owned() };
    assert_eq!(counts(&world.scan(&ignored).await), [0; 5]);
}

#[tokio::test]
async fn the_report_is_the_contract() {
    let mut world = World::of([daily(1), target(2, &[(SCHEDULE, "never")]), daily(3)]);
    world.broken_starts = HashSet::from([2]);
    let report = world.scan(&ScanRequest::All).await;
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        json!({
            "started": 1, "alreadyThere": 0, "rejected": 1, "failed": 1, "later": 0, "notTargets": 0,
            "rejections": [{
                "resourceArn": arn(2),
                "reasons": ["tag autodump:start-schedule with value \"never\" has 1 fields instead of 5"]
            }],
            "failures": [{"resourceArn": arn(3), "error": "no start. Wait. A retry may help."}]
        })
    );
}

#[test]
fn a_retry_is_promised_when_one_failure_gains_by_it() {
    let class_of = |classes: &[ErrorClass]| {
        let mut report = ScanReport::default();
        for class in classes {
            report.add(None, Outcome::Failed(Error::new(*class, "x", "y")));
        }
        report.into_result().unwrap_err().class()
    };
    let (retried, other) = (ErrorClass::Source, ErrorClass::Credentials);
    assert_eq!(class_of(&[other, other]), other);
    assert_eq!(class_of(&[other, retried]), retried);
    assert_eq!(class_of(&[retried, other]), retried);
}

#[tokio::test]
async fn a_run_more_than_a_year_away_is_left_to_a_later_scan() {
    let leap_day = |number| target(number, &[(SCHEDULE, "0 8 29 2 *")]);
    let world = World::of([leap_day(1), daily(2)]);
    let report = world.scan(&ScanRequest::All).await;
    assert_eq!((report.later, report.started, report.failed), (1, 1, 0));
    assert!(!world.inputs.lock().unwrap().contains_key(&arn(1)));
}

#[tokio::test]
async fn one_target_is_answered_in_words() {
    let yearly = target(2, &[(SCHEDULE, "0 8 20 11 *")]);
    let world = World::of([daily(1), yearly, target(3, &[(SCHEDULE, "x")]), target(4, &[])]);
    for (number, words) in [
        (1, "The next run is scheduled."),
        (2, "a later scan schedules it."),
        (3, "cannot be accepted."),
        (4, "the target's schedule is gone."),
    ] {
        let report = world.next_of(&arn(number), Some("2026-11-21T08:00:00Z")).await;
        assert!(report.note.unwrap().ends_with(words), "{number}: {:?}", report.note);
    }
    assert_eq!(world.scan(&ScanRequest::All).await.note, None);
}

#[tokio::test]
async fn one_failing_source_of_three_stops_no_other_and_is_named() {
    let table = |account: &str, number: usize| {
        let tags = BTreeMap::from([
            (SCHEDULE.to_owned(), "0 8 * * *".to_owned()),
            ("autodump:segments".to_owned(), "4".to_owned()),
        ]);
        let arn = format!("arn:aws:dynamodb:eu-west-1:{account}:table/orders{number}");
        Resource { arn, name: format!("orders{number}"), tags }
    };
    let tables = |account: &str, count| World::of((0..count).map(|number| table(account, number)));
    let source = |account: &str| Source {
        region: "eu-west-1".to_owned(),
        role_arn: Some(format!("arn:aws:iam::{account}:role/AutoDumpSource")),
        external_id: None,
    };
    let mut broken = tables("222233334444", 150);
    broken.broken_page = Some(1);
    let further = vec![
        (source("222233334444"), broken),
        (source("333344445555"), tables("333344445555", 50)),
    ];
    let own = World::of((0..250).map(daily));
    let targets = Targets::new("eu-central-1", own, tables("111122223333", 30), further);
    let (world, prefix) = (World::default(), TagPrefix::default());
    let now = "2026-11-21T07:59:30Z".parse().unwrap();
    let scan =
        Scan { source: &targets, executions: &world, observer: &world, prefix: &prefix, now };
    let report = scan.run(&ScanRequest::All).await;
    assert_eq!(counts(&report), [250 + 30 + 100 + 50, 0, 0, 1, 0]);
    let error = report.into_result().unwrap_err().to_string();
    let named = "the tables and databases of eu-west-1 by arn:aws:iam::222233334444:role/AutoDumpSource: page \
                 cannot be listed";
    assert!(error.contains(named), "{error}");
}

#[tokio::test]
async fn what_is_neither_secret_nor_table_is_rejected() {
    let arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders/index/by-name";
    let world = World::of([Resource { arn: arn.to_owned(), ..daily(1) }]);
    let report = world.scan(&ScanRequest::All).await;
    assert_eq!(counts(&report), [0, 0, 1, 0, 0]);
    assert_eq!(report.rejections[0].reasons, ["it is neither a secret nor a table nor a database"]);
}
