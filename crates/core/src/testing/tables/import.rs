//! `ImportTable`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, State, Table, items, text};
use crate::table::calls::NOT_FOUND;

/// What `TableCreationParameters` may have.
const FIELDS: [&str; 8] = [
    "TableName",
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "ProvisionedThroughput",
    "OnDemandThroughput",
    "SSESpecification",
    "GlobalSecondaryIndexes",
];
/// How often an import says that it goes on.
const POLLS: u32 = 3;

/// Reads what an import is asked to read: given its input, the items, or why it fails.
pub type Importer = Arc<dyn Fn(&Value) -> Result<Vec<Value>, String> + Send + Sync>;

pub(super) struct Import {
    table: String,
    polls: u32,
    counts: (usize, usize),
    failure: Option<String>,
}

impl Import {
    pub(super) fn is_into(&self, table: &str) -> bool {
        self.table == table && self.polls > 0
    }
}

impl super::MemoryTables {
    /// From now on there are imports, which get their items here.
    pub fn import_by(&self, importer: Importer) {
        self.state().importer = Some(importer);
    }
}

impl State {
    pub(super) fn import_table(&mut self, input: &Value) -> Answer {
        let importer = self.importer.clone();
        let importer =
            importer.ok_or_else(|| ("UnknownOperationException", "ImportTable".to_owned()))?;
        let parameters = &input["TableCreationParameters"];
        let mut create = self.checked(parameters, &FIELDS)?;
        create.remove("TableName");
        let name = text(parameters, "TableName")?.to_owned();
        self.made += 1;
        let mut table = Table { number: self.made, create, ..Table::default() };
        let (mut counts, mut failure) = ((0, 0), None);
        match importer(input) {
            Ok(found) => {
                counts.0 = found.len();
                for item in found {
                    if let Ok(key) = items::key_of(&table.create, &item) {
                        table.items.insert(key, item);
                        counts.1 += 1;
                    }
                }
            }
            Err(message) => failure = Some(message),
        }
        self.tables.insert(name.clone(), table);
        self.imports.push(Import { table: name, polls: POLLS, counts, failure });
        let arn = format!("import/{}", self.imports.len() - 1);
        Ok(json!({"ImportTableDescription": {"ImportArn": arn, "ImportStatus": "IN_PROGRESS"}}))
    }

    pub(super) fn describe_import(&mut self, input: &Value) -> Answer {
        let number = text(input, "ImportArn")?.strip_prefix("import/").map(str::parse::<usize>);
        let import = number.and_then(Result::ok).and_then(|number| self.imports.get_mut(number));
        let import = import.ok_or_else(|| (NOT_FOUND, "no such import".to_owned()))?;
        import.polls = import.polls.saturating_sub(1);
        let status = match (import.polls, &import.failure) {
            (1.., _) => "IN_PROGRESS",
            (0, None) => "COMPLETED",
            (0, Some(_)) => "FAILED",
        };
        let (processed, imported) = import.counts;
        let mut description = json!({"ImportStatus": status, "ProcessedItemCount": processed,
            "ImportedItemCount": imported, "ErrorCount": processed - imported});
        if let Some(message) = import.failure.as_ref().filter(|_| import.polls == 0) {
            description["FailureCode"] = json!("ItemValidationError");
            description["FailureMessage"] = json!(message);
        }
        Ok(json!({"ImportTableDescription": description}))
    }
}
