//! The shell commands that restore a dump without AutoDump.

use autodump_core::manifest::Object;

use super::conninfo;
use crate::engine::shell_quoted;

/// The file with roles and tablespaces.
pub(super) const GLOBALS: &str = "globals.sql";

/// What the commands have to name.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    pub(super) bucket: &'a str,
    /// The run's directory, with a slash at its end.
    pub(super) run: &'a str,
    /// The archive's directory within.
    pub(super) directory: &'a str,
    pub(super) database: &'a str,
    pub(super) jobs: u16,
    /// `pg_restore` sets what the server does not know (`transaction_timeout`, from 17 on): it
    /// must not stop there.
    pub(super) goes_on: bool,
}

impl Archive<'_> {
    /// The commands, for the objects that are there.
    pub(super) fn commands(&self, objects: &[Object]) -> Vec<String> {
        let uri = |name: &str| shell_quoted(&format!("s3://{}/{}{name}", self.bucket, self.run));
        let (directory, database) = (shell_quoted(self.directory), shell_quoted(self.database));
        let mut commands = vec![format!("aws s3 sync {} {directory}", uri(self.directory))];
        for (first, more) in continued(objects) {
            let local = |key: &str| {
                let name = key.rsplit('/').next().unwrap_or(key);
                shell_quoted(&format!("{}/{name}", self.directory))
            };
            let (first, more) = (local(first), local(more));
            commands.push(format!("cat {more} >> {first} && rm {more}"));
        }
        if objects.iter().any(|object| object.key.ends_with(&format!("/{GLOBALS}"))) {
            commands.push(format!("aws s3 cp {} {GLOBALS}", uri(GLOBALS)));
            commands.push(format!("psql --file={GLOBALS} postgres"));
        }
        commands.push(format!("createdb {database}"));
        // A name with `=` would be taken for a connection string.
        let plain = !self.database.contains('=') && !self.database.contains("://");
        let target = if plain { self.database.to_owned() } else { conninfo(self.database) };
        let target = shell_quoted(&target);
        let stop = if self.goes_on { "" } else { " --exit-on-error" };
        commands.push(format!(
            "pg_restore{stop} --no-owner --jobs={} --dbname={target} {directory}",
            self.jobs
        ));
        commands
    }
}

/// Objects that go on in a further one: `x.dat.gz` in `x.dat.gz.2`.
fn continued(objects: &[Object]) -> impl Iterator<Item = (&str, &str)> {
    objects.iter().filter_map(|object| {
        let (first, number) = object.key.rsplit_once('.')?;
        let continues = number.bytes().all(|b| b.is_ascii_digit())
            && objects.iter().any(|other| other.key == first);
        continues.then_some((first, object.key.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str) -> Object {
        Object {
            bucket: "b".to_owned(),
            key: key.to_owned(),
            bytes: 1,
            sha256: String::new(),
            crc64nvme: String::new(),
            segments: Vec::new(),
        }
    }

    #[test]
    fn the_commands_are_those_of_the_golden_manifest() {
        let golden: autodump_core::manifest::Manifest =
            serde_json::from_str(include_str!("../../../../../contract/manifest.json")).unwrap();
        let toc = &golden.objects[0];
        let (archive, _) = toc.key.rsplit_once('/').unwrap();
        let (run, directory) = archive.rsplit_once('/').unwrap();
        let archive = Archive {
            bucket: &toc.bucket,
            run: &format!("{run}/"),
            directory,
            database: &golden.database,
            jobs: 4,
            goes_on: false,
        };
        assert_eq!(archive.commands(&golden.objects), golden.restore);
    }

    #[test]
    fn further_objects_are_joined_in_order_and_globals_come_first() {
        let archive = Archive {
            bucket: "b",
            run: "r/",
            directory: "my.db",
            database: "my db",
            jobs: 2,
            goes_on: true,
        };
        let objects: Vec<_> =
            ["r/my.db/t.dat.gz", "r/my.db/t.dat.gz.2", "r/my.db/t.dat.gz.3", "r/globals.sql"]
                .map(object)
                .into();
        assert_eq!(
            archive.commands(&objects),
            [
                "aws s3 sync s3://b/r/my.db my.db",
                "cat my.db/t.dat.gz.2 >> my.db/t.dat.gz && rm my.db/t.dat.gz.2",
                "cat my.db/t.dat.gz.3 >> my.db/t.dat.gz && rm my.db/t.dat.gz.3",
                "aws s3 cp s3://b/r/globals.sql globals.sql",
                "psql --file=globals.sql postgres",
                "createdb 'my db'",
                "pg_restore --no-owner --jobs=2 --dbname='my db' my.db",
            ]
        );
    }
}
