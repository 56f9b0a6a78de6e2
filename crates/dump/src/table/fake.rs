//! A table in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use autodump_core::table::ports::{Answer, PageRequest, TableReader};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use tokio::task::yield_now;

/// Bytes of a page, as a part of what DynamoDB has.
const PAGE_BYTES: usize = 1 << 20;

/// The table. Items are divided into segments by a hash of their number, and sorted by it.
#[derive(Debug)]
pub(super) struct FakeTable {
    /// The most items of a page.
    pub(super) page: usize,
    /// This call fails, from 1.
    pub(super) fails: Option<u32>,
    /// Every n-th call is throttled.
    pub(super) throttles: Option<u32>,
    /// The table is deleted after this many calls.
    pub(super) gone_after: Option<u32>,
    /// Each call adds an item.
    pub(super) grows: bool,
    /// Its id, and that of the table that is made again under its name after so many calls.
    pub(super) id: Option<&'static str>,
    pub(super) again: Option<(u32, &'static str)>,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// By hash.
    items: BTreeMap<u32, String>,
    calls: u32,
    /// How often each page was answered.
    read: BTreeMap<(u32, Option<String>), u32>,
}

fn hash(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_761)
}

/// An item with attributes of all types.
pub(super) fn item(number: u32) -> String {
    format!(
        r#"{{"id":{{"N":"{}"}},"n":{{"N":"-1234567890123456789012345678901234567.{}"}},
        "s":{{"S":"\"{number}\" \\ \n ü \u20ac 漢 {{}}[]"}},"empty":{{"S":""}},"b":{{"B":"AAEC/w=="}},
        "yes":{{"BOOL":true}},"nil":{{"NULL":true}},"ss":{{"SS":["a","ü"]}},"ns":{{"NS":["1","2.5"]}},
        "bs":{{"BS":["AA==","/w=="]}},"l":{{"L":[{{"S":"x"}},{{"L":[]}},{{"M":{{}}}}]}},
        "m":{{"M":{{"a b":{{"M":{{"c":{{"N":"0"}}}}}}}}}}}}"#,
        hash(number),
        number % 10,
    )
}

/// The line of an item's text.
pub(super) fn line(item: &str) -> String {
    format!("{{\"Item\":{}}}", item.replace('\n', " "))
}

impl FakeTable {
    pub(super) fn new(items: u32) -> Self {
        Self::of((0..items).map(|number| (number, item(number))))
    }

    pub(super) fn of(items: impl IntoIterator<Item = (u32, String)>) -> Self {
        let items = items.into_iter().map(|(number, item)| (hash(number), item)).collect();
        let state = Mutex::new(State { items, ..State::default() });
        Self {
            page: 10,
            fails: None,
            throttles: None,
            gone_after: None,
            grows: false,
            id: None,
            again: None,
            state,
        }
    }

    /// The lines of all items, sorted.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.state().items.values().map(|item| line(item)).collect();
        lines.sort_unstable();
        lines
    }

    /// How many calls there were.
    pub(super) fn calls(&self) -> u32 {
        self.state().calls
    }

    /// For the segment with the most: how many pages of it were read again.
    pub(super) fn in_vain(&self) -> u32 {
        let mut each = BTreeMap::<u32, u32>::new();
        for ((segment, _), times) in &self.state().read {
            *each.entry(*segment).or_default() += times - 1;
        }
        each.into_values().max().unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &PageRequest) -> Result<Answer<Bytes>> {
        let mut state = self.state();
        state.calls += 1;
        let call = state.calls;
        if self.gone_after.is_some_and(|last| call > last) {
            return Err(Error::new(ErrorClass::Configuration, "there is no table t", "Make one"));
        }
        if self.fails == Some(call) {
            return Err(Error::new(ErrorClass::Source, format!("call {call} fails"), "Again"));
        }
        if self.throttles.is_some_and(|nth| call.is_multiple_of(nth)) {
            return Ok(Answer::Throttled);
        }
        if self.grows {
            state.items.insert(hash(1_000_000 + call), item(1_000_000 + call));
        }
        *state.read.entry((request.segment, request.from.clone())).or_default() += 1;
        Ok(Answer::Done(self.body(&state, request)))
    }

    fn body(&self, state: &State, request: &PageRequest) -> Bytes {
        let after = request.from.as_deref().map_or(Bound::Unbounded, |key| {
            let key: serde_json::Value = serde_json::from_str(key).unwrap();
            Bound::Excluded(key["id"]["N"].as_str().unwrap().parse::<u32>().unwrap())
        });
        let most = request.limit.map_or(self.page, |limit| self.page.min(limit as usize));
        let all = state.items.range((after, Bound::Unbounded));
        let mut items = Vec::new();
        let (mut bytes, mut next) = (0, String::new());
        for (hash, item) in
            all.filter(|(hash, _)| *hash % request.total_segments == request.segment)
        {
            bytes += item.len();
            items.push(item.as_str());
            if items.len() == most || bytes >= PAGE_BYTES {
                next = format!(r#","LastEvaluatedKey":{{"id":{{"N":"{hash}"}}}}"#);
                break;
            }
        }
        let units = f64::from(u32::try_from(bytes.div_ceil(4096)).unwrap()) / 2.0;
        let count = items.len();
        let items = items.join(",");
        let consumed = format!(r#"{{"TableName":"t","CapacityUnits":{units}}}"#);
        format!(r#"{{"Items":[{items}],"Count":{count},"ConsumedCapacity":{consumed}{next}}}"#)
            .into()
    }
}

impl TableReader for FakeTable {
    async fn page(&self, request: &PageRequest) -> Result<Answer<Bytes>> {
        yield_now().await;
        let answer = self.answer(request);
        yield_now().await;
        answer
    }

    async fn id(&self) -> Result<Option<String>> {
        yield_now().await;
        let calls = self.calls();
        if self.gone_after.is_some_and(|last| calls >= last) {
            return Ok(None);
        }
        let again = self.again.filter(|(after, _)| calls >= *after).map(|(_, id)| id);
        Ok(again.or(self.id).map(str::to_owned))
    }
}
