//! Faults of S3, DynamoDB and RDS on request: which requests fail, how, and what was seen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::{Response, StatusCode};

use super::s3::S3Request;
use crate::http::{Body, full};

/// How often a request that is held looks whether it may go on.
const POLL: Duration = Duration::from_millis(10);

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503 `SlowDown`, which clients retry; of DynamoDB 400
    /// `ProvisionedThroughputExceededException`, of RDS 400 `Throttling`.
    SlowDown,
    /// 500 `InternalError`, which clients retry.
    InternalError,
    /// 403 `AccessDenied`, which clients do not retry.
    AccessDenied,
    /// The connection is cut without an answer, before anything was done.
    Cut,
    /// What was asked for is done, and the connection cut without an answer.
    LoseAnswer,
    /// The connection is cut in the middle of the answer.
    CutAnswer,
    /// The request is passed on after a pause.
    Delay(Duration),
    /// For `BatchWriteItem`: the first half is done, and the rest answered as unprocessed.
    HalfDone,
    /// The request waits until its rule is removed, and is passed on then.
    Hold,
}

/// In a rule, every operation.
pub const ANY: &str = "*";

/// Which requests fail: of those with this operation and a key that contains and ends with these
/// texts, `times` many from the `from`-th on, or of these each `every`-th.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    /// The operation by its name in S3's, DynamoDB's or RDS's API, such as `UploadPart` or `Scan`; or
    /// `StartExecution` or `DescribeSecret`, which any fault denies; or [`ANY`].
    pub operation: &'static str,
    /// A text that the key must contain; for all but S3 the body, of DynamoDB its beginning.
    pub key_contains: String,
    /// A text that the key must end with.
    pub key_ends_with: String,
    /// The first matching request that fails, counted from 1 since the rule was added.
    pub from: u64,
    /// Each so many-th from there on fails; 1 means all.
    pub every: u64,
    /// How many requests fail; none means all from there on.
    pub times: Option<u64>,
    /// How they fail.
    pub fault: Fault,
}

impl FaultRule {
    /// Every request of an operation on keys that contain a text.
    #[must_use]
    pub fn always(operation: &'static str, key_contains: &str, fault: Fault) -> Self {
        Self {
            operation,
            key_contains: key_contains.to_owned(),
            key_ends_with: String::new(),
            from: 1,
            every: 1,
            times: None,
            fault,
        }
    }

    /// The same, but only on keys that end with a text.
    #[must_use]
    pub fn ending_with(mut self, end: &str) -> Self {
        end.clone_into(&mut self.key_ends_with);
        self
    }

    /// The same, but only from the `n`-th matching request on.
    #[must_use]
    pub fn starting_at(mut self, n: u64) -> Self {
        self.from = n;
        self
    }

    /// The same, but only each `n`-th request.
    #[must_use]
    pub fn each(mut self, n: u64) -> Self {
        (self.from, self.every) = (n, n.max(1));
        self
    }

    /// The same, but only so many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Whether the `n`-th request that fits the rule otherwise, counted from 1, fails.
    fn fits_number(&self, n: u64) -> bool {
        n.checked_sub(self.from).is_some_and(|since| {
            since.is_multiple_of(self.every)
                && self.times.is_none_or(|times| since / self.every < times)
        })
    }
}

/// A request of S3, DynamoDB or RDS that came through the front door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// The operation by its name in the service's API.
    pub operation: &'static str,
    /// The bucket; empty for DynamoDB and RDS.
    pub bucket: String,
    /// The key, empty for requests on the bucket; for DynamoDB the beginning of the body, for RDS
    /// all of it.
    pub key: String,
    /// Whether a rule fitted it.
    pub faulted: bool,
}

/// The rules in force and the requests seen. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<(u64, FaultRule, u64)>,
    next_id: u64,
    seen: Vec<SeenRequest>,
}

impl Faults {
    /// Adds a rule; returns the number to remove it with.
    #[must_use]
    pub fn add(&self, rule: FaultRule) -> u64 {
        let mut state = self.lock();
        state.next_id += 1;
        let id = state.next_id;
        state.rules.push((id, rule, 0));
        id
    }

    /// Removes a rule; unknown numbers are ignored.
    pub fn remove(&self, id: u64) {
        self.lock().rules.retain(|(known, _, _)| *known != id);
    }

    /// How many requests of an operation were seen on keys that contain a text, faulted ones
    /// included.
    #[must_use]
    pub fn count(&self, operation: &str, key_contains: &str) -> usize {
        let fits =
            |seen: &&SeenRequest| seen.operation == operation && seen.key.contains(key_contains);
        self.lock().seen.iter().filter(fits).count()
    }

    /// All requests seen so far on keys that contain a text, in the order they came.
    #[must_use]
    pub fn seen(&self, key_contains: &str) -> Vec<SeenRequest> {
        let state = self.lock();
        state.seen.iter().filter(|seen| seen.key.contains(key_contains)).cloned().collect()
    }

    /// Waits until a rule is removed.
    pub(crate) async fn gone(&self, id: u64) {
        while self.lock().rules.iter().any(|(known, _, _)| *known == id) {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Notes a request and tells whether it fails, by which rule. The first that fits decides.
    pub(crate) fn decide(&self, request: &S3Request) -> Option<(u64, Fault)> {
        let mut state = self.lock();
        let mut fault = None;
        for (id, rule, matched) in &mut state.rules {
            if ![ANY, request.operation].contains(&rule.operation)
                || !request.key.contains(&rule.key_contains)
                || !request.key.ends_with(&rule.key_ends_with)
            {
                continue;
            }
            *matched += 1;
            if fault.is_none() && rule.fits_number(*matched) {
                fault = Some((*id, rule.fault));
            }
        }
        state.seen.push(SeenRequest {
            operation: request.operation,
            bucket: request.bucket.clone(),
            key: request.key.clone(),
            faulted: fault.is_some(),
        });
        fault
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    /// The answer in S3's words; none when the connection is cut or the request is passed on.
    pub(super) fn response(self) -> Option<Response<Body>> {
        let (status, code, message) = match self {
            Self::SlowDown => {
                (StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
            }
            Self::InternalError => {
                let message = "We encountered an internal error. Please try again.";
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
            }
            Self::AccessDenied => (StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
            Self::Cut
            | Self::LoseAnswer
            | Self::CutAnswer
            | Self::Delay(_)
            | Self::HalfDone
            | Self::Hold => return None,
        };
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
             <RequestId>local</RequestId><HostId>local</HostId></Error>"
        );
        let mut response = Response::new(full(body));
        *response.status_mut() = status;
        let kind = hyper::header::HeaderValue::from_static("application/xml");
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultRule, Faults, S3Request};

    fn part(key: &str) -> S3Request {
        S3Request { operation: "UploadPart", bucket: "b".into(), key: key.into() }
    }

    #[test]
    fn the_nth_request_of_a_key_fails_so_many_times() {
        let faults = Faults::default();
        let _ = faults
            .add(FaultRule::always("UploadPart", "app", Fault::SlowDown).starting_at(2).times(2));
        let decisions: Vec<_> = (0..5).map(|_| faults.decide(&part("x/app/y")).is_some()).collect();
        assert_eq!(decisions, [false, true, true, false, false]);
        assert_eq!(faults.decide(&part("other")), None);
        assert_eq!(faults.count("UploadPart", "app"), 5);
        assert_eq!(faults.seen("app").iter().filter(|seen| seen.faulted).count(), 2);
    }

    #[test]
    fn each_third_request_fails() {
        let faults = Faults::default();
        let _ = faults.add(FaultRule::always("UploadPart", "", Fault::SlowDown).each(3).times(2));
        let failed: Vec<_> = (1..=12).filter(|_| faults.decide(&part("k")).is_some()).collect();
        assert_eq!(failed, [3, 6]);
    }

    #[test]
    fn a_key_has_to_contain_and_to_end_with_what_the_rule_says() {
        let faults = Faults::default();
        let rule = FaultRule::always("UploadPart", "/a/", Fault::SlowDown).ending_with("/m.json");
        let _ = faults.add(rule);
        assert!(faults.decide(&part("x/a/b/m.json")).is_some());
        assert_eq!(faults.decide(&part("x/a/m.json.2")), None);
        assert_eq!(faults.decide(&part("x/b/m.json")), None);
    }

    #[tokio::test]
    async fn what_is_held_goes_on_when_the_rule_is_removed() {
        let faults = Faults::default();
        let id = faults.add(FaultRule::always("GetObject", "k", Fault::Hold));
        let held = tokio::spawn({
            let faults = faults.clone();
            async move { faults.gone(id).await }
        });
        tokio::task::yield_now().await;
        assert!(!held.is_finished());
        faults.remove(id);
        held.await.expect("it ends");
    }

    #[test]
    fn a_rule_can_be_for_ever_and_be_removed() {
        let faults = Faults::default();
        let id = faults.add(FaultRule::always("UploadPart", "", Fault::Cut));
        assert!((0..10).all(|_| faults.decide(&part("k")) == Some((id, Fault::Cut))));
        faults.remove(id);
        assert_eq!(faults.decide(&part("k")), None);
    }
}
