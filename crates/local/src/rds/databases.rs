//! Instances and clusters.

use autodump_core::snapshot::arn::{Form, is_identifier};

use super::state::{Database, Place};
use super::tags::listed;
use super::xml::{element, inside, optional};
use super::{Query, Rds, Refusal};

/// What the operations and elements of a form are called.
pub(super) struct Names {
    pub(super) form: Form,
    pub(super) database: &'static str,
    pub(super) snapshot: &'static str,
}

impl Names {
    /// The form that an action is about.
    pub(super) fn of(query: &Query) -> Self {
        let form = if query.action().contains("Cluster") { Form::Cluster } else { Form::Instance };
        Self::by(form)
    }

    pub(super) const fn by(form: Form) -> Self {
        let (database, snapshot) = match form {
            Form::Instance => ("DBInstance", "DBSnapshot"),
            Form::Cluster => ("DBCluster", "DBClusterSnapshot"),
        };
        Self { form, database, snapshot }
    }

    /// The parameter and element of a database's name.
    pub(super) fn database_identifier(&self) -> String {
        format!("{}Identifier", self.database)
    }

    /// The parameter and element of a snapshot's name.
    pub(super) fn snapshot_identifier(&self) -> String {
        format!("{}Identifier", self.snapshot)
    }
}

impl Rds {
    /// Makes a database, which is available at once.
    pub(super) fn create_database(&self, place: &Place, query: &Query) -> Result<String, Refusal> {
        let names = Names::of(query);
        let name = query.need(&names.database_identifier())?;
        if !is_identifier(name, 63) {
            let message = format!("Invalid database identifier: {name}");
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        let database = Database {
            arn: place.database(names.form, name),
            engine: query.need("Engine")?.to_owned(),
            version: query.get("EngineVersion").unwrap_or("16.4").to_owned(),
            status: "available",
            cluster: query
                .get("DBClusterIdentifier")
                .filter(|_| names.form == Form::Instance)
                .map(str::to_ascii_lowercase),
            tags: query.tags(),
        };
        let mut state = self.state();
        if state.database(&database.arn).is_ok() {
            let code = match names.form {
                Form::Instance => "DBInstanceAlreadyExists",
                Form::Cluster => "DBClusterAlreadyExistsFault",
            };
            return Err(Refusal::new(code, format!("{} already exists", names.database)));
        }
        let answer = inside(names.database, &shown(&names, &database));
        state.databases.push(database);
        Ok(answer)
    }

    /// One by its name, or those of the account and region.
    pub(super) fn describe_databases(
        &self,
        place: &Place,
        query: &Query,
    ) -> Result<String, Refusal> {
        let names = Names::of(query);
        let mut state = self.state();
        let found = if let Some(name) = query.get(&names.database_identifier()) {
            vec![state.database(&place.database(names.form, name))?.clone()]
        } else {
            let here =
                |one: &&Database| Place::of(&one.arn) == *place && one.arn.form == names.form;
            state.databases.iter().filter(here).cloned().collect()
        };
        let (page, marker) = query.page(&found)?;
        let all: String =
            page.iter().map(|one| inside(names.database, &shown(&names, one))).collect();
        let list = inside(&format!("{}s", names.database), &all);
        Ok(optional("Marker", marker.as_deref()) + &list)
    }
}

fn shown(names: &Names, database: &Database) -> String {
    let status = match names.form {
        Form::Instance => "DBInstanceStatus",
        Form::Cluster => "Status",
    };
    [
        element(&names.database_identifier(), &database.arn.name),
        element(&format!("{}Arn", names.database), &database.arn.to_string()),
        element(status, database.status),
        element("Engine", &database.engine),
        element("EngineVersion", &database.version),
        optional("DBClusterIdentifier", database.cluster.as_deref()),
        listed(&database.tags),
    ]
    .concat()
}
