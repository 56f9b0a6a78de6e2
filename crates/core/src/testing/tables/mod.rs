//! DynamoDB tables in memory, as strict as the service: for the tests of whoever makes and
//! writes tables.

pub mod contract;
mod create;
mod import;
mod items;
mod parts;
mod scaling;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

pub use self::import::Importer;
pub use self::items::MemoryWriter;
pub use self::scan::MemoryReader;
use crate::error::{Error, ErrorClass, Result};
use crate::table::calls::NOT_FOUND;
use crate::table::ports::{Called, TableService};

/// How often a table says that it is being made or changed before it is active.
const POLLS: u32 = 2;

/// What an operation comes to, before errors of the fake.
type Answer = std::result::Result<Value, (&'static str, String)>;

/// A region of an account with its tables. Clones share them.
#[derive(Clone)]
pub struct MemoryTables(Arc<Mutex<State>>);

struct State {
    region: String,
    account: String,
    tables: BTreeMap<String, Table>,
    /// How many tables were ever made.
    made: u32,
    imports: Vec<import::Import>,
    importer: Option<Importer>,
    scaling: BTreeMap<&'static str, Vec<Value>>,
    unknown: BTreeSet<String>,
    faults: Vec<(String, u32, Fault)>,
    calls: Vec<String>,
    writes: items::Writes,
    scans: scan::Scans,
    polls: u32,
}

#[derive(Clone)]
enum Fault {
    Error(ErrorClass),
    Refusal(String),
}

#[derive(Default)]
struct Table {
    /// Which of the tables that were ever made it is.
    number: u32,
    create: Map<String, Value>,
    polls: u32,
    is_deleted: bool,
    items: BTreeMap<String, Value>,
    tags: BTreeMap<String, String>,
    time_to_live: Option<Value>,
    recovery: Option<Value>,
    policy: Option<String>,
    kinesis: Vec<Value>,
    insights: Vec<Value>,
    replicas: Vec<String>,
}

fn invalid(what: impl Into<String>) -> (&'static str, String) {
    ("ValidationException", what.into())
}

fn text<'a>(input: &'a Value, name: &str) -> std::result::Result<&'a str, (&'static str, String)> {
    input[name].as_str().ok_or_else(|| invalid(format!("{name} is missing in {input}")))
}

impl MemoryTables {
    /// A region without tables.
    #[must_use]
    pub fn new(region: &str, account: &str) -> Self {
        Self(Arc::new(Mutex::new(State {
            region: region.to_owned(),
            account: account.to_owned(),
            tables: BTreeMap::new(),
            made: 0,
            imports: Vec::new(),
            importer: None,
            scaling: BTreeMap::new(),
            unknown: BTreeSet::new(),
            faults: Vec::new(),
            calls: Vec::new(),
            writes: items::Writes::default(),
            scans: scan::Scans::default(),
            polls: POLLS,
        })))
    }

    /// From now on tables that are made or changed are active at once.
    #[must_use]
    pub fn at_once(self) -> Self {
        self.state().polls = 0;
        self
    }

    /// From now on the service does not know these operations.
    pub fn forget(&self, operations: &[&str]) {
        self.state().unknown.extend(operations.iter().map(|name| (*name).to_owned()));
    }

    /// The `nth` call of an operation from now on, `Write`, `Delete` and `Page` among them, fails
    /// without effect.
    pub fn fail(&self, operation: &str, nth: u32, class: ErrorClass) {
        self.state().faults.push((operation.to_owned(), nth, Fault::Error(class)));
    }

    /// The `nth` call of an operation from now on is refused with a code.
    pub fn refuse(&self, operation: &str, nth: u32, code: &str) {
        self.state().faults.push((operation.to_owned(), nth, Fault::Refusal(code.to_owned())));
    }

    /// The names of all operations that were called, in order, since the last time.
    #[must_use]
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// The items of a table, by their keys; `None` where there is no such table.
    #[must_use]
    pub fn items(&self, table: &str) -> Option<Vec<Value>> {
        self.state().tables.get(table).map(|table| table.items.values().cloned().collect())
    }

    /// Says that a table has replicas.
    pub fn replicate(&self, table: &str, regions: &[&str]) {
        if let Some(table) = self.state().tables.get_mut(table) {
            table.replicas = regions.iter().map(|region| (*region).to_owned()).collect();
        }
    }

    /// From now on a table says that it is being deleted; it never goes.
    pub fn delete(&self, table: &str) {
        if let Some(table) = self.state().tables.get_mut(table) {
            table.is_deleted = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, operation: &str, input: &Value, serve: Serve) -> Result<Called> {
        let mut state = self.state();
        match state.meet(operation) {
            Some(Fault::Error(class)) => return Err(injected(operation, class)),
            Some(Fault::Refusal(code)) => {
                return Ok(Called::Refused { code, message: "injected".to_owned() });
            }
            None => {}
        }
        if state.unknown.contains(operation) {
            let message = format!("{operation} is not known");
            return Ok(Called::Refused { code: "UnknownOperationException".to_owned(), message });
        }
        Ok(match serve(&mut state, operation, input) {
            Ok(answer) => Called::Answered(answer),
            Err((code, message)) => Called::Refused { code: code.to_owned(), message },
        })
    }
}

type Serve = fn(&mut State, &str, &Value) -> Answer;

fn injected(operation: &str, class: ErrorClass) -> Error {
    let what = format!("fault injected into {operation}");
    Error::new(class, what, "These are the tables of a test")
}

impl TableService for MemoryTables {
    async fn dynamodb(&self, operation: &str, input: Value) -> Result<Called> {
        self.call(operation, &input, State::serve)
    }

    async fn auto_scaling(&self, operation: &str, input: Value) -> Result<Called> {
        self.call(operation, &input, State::scale)
    }
}

impl State {
    /// Counts a call, and says what is to go wrong with it.
    fn meet(&mut self, operation: &str) -> Option<Fault> {
        self.calls.push(operation.to_owned());
        let mut met = None;
        for (name, nth, fault) in &mut self.faults {
            if name == operation && *nth > 0 {
                *nth -= 1;
                if *nth == 0 {
                    met = Some(fault.clone());
                }
            }
        }
        met
    }

    fn arn(&self, table: &str) -> String {
        format!("arn:aws:dynamodb:{}:{}:table/{table}", self.region, self.account)
    }

    fn serve(&mut self, operation: &str, input: &Value) -> Answer {
        match operation {
            "CreateTable" => return self.create_table(input),
            "DescribeTable" => return self.describe_table(input),
            "ImportTable" => return self.import_table(input),
            "DescribeImport" => return self.describe_import(input),
            _ => {}
        }
        let name = match (input["TableName"].as_str(), input["ResourceArn"].as_str()) {
            (Some(name), None) => name.to_owned(),
            (None, Some(arn)) => {
                let name = arn.rsplit('/').next().unwrap_or_default();
                if arn != self.arn(name) {
                    return Err((NOT_FOUND, format!("there is no {arn}")));
                }
                name.to_owned()
            }
            _ => return Err(invalid(format!("no table in {input}"))),
        };
        let region = (self.region.clone(), self.account.clone());
        let Some(table) = self.tables.get_mut(&name) else {
            return Err((NOT_FOUND, format!("there is no table {name}")));
        };
        let busy = (table.polls, self.polls);
        let answer = table.serve(operation, input, &region);
        if table.polls > busy.0 {
            table.polls = busy.1;
        }
        answer
    }

    fn describe_table(&mut self, input: &Value) -> Answer {
        let name = text(input, "TableName")?.to_owned();
        let arn = self.arn(&name);
        let busy = self.imports.iter().any(|import| import.is_into(&name));
        let table = self
            .tables
            .get_mut(&name)
            .ok_or_else(|| (NOT_FOUND, format!("there is no table {name}")))?;
        let status = match table.polls > 0 || busy {
            _ if table.is_deleted => "DELETING",
            true => "CREATING",
            false => "ACTIVE",
        };
        table.polls = table.polls.saturating_sub(1);
        Ok(json!({"Table": table.described(&name, &arn, status)}))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
