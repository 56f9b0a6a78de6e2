//! The shell command that restores an archive without AutoDump.

use autodump_core::compression::Algorithm;
use autodump_core::manifest::Object;

use crate::engine::shell_quoted;

/// What an archive is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Archive<'a> {
    /// A database.
    Database(&'a str),
    /// A database, its users and its roles.
    WithUsers(&'a str),
    /// All databases, and the oplog of that time.
    Everything,
}

/// The command, for the archive's objects, which go on one in another.
pub(super) fn commands(
    archive: Archive<'_>,
    algorithm: Algorithm,
    objects: &[Object],
) -> Vec<String> {
    let each: Vec<_> = objects.iter().map(copied).collect();
    let read = match &each[..] {
        [one] => one.clone(),
        several => format!("({})", several.join(" && ")),
    };
    let gzip = if algorithm == Algorithm::Gzip { " --gzip" } else { "" };
    let what = match archive {
        Archive::Database(name) => {
            format!("--stopOnError --nsInclude={}", shell_quoted(&format!("{}.*", literal(name))))
        }
        Archive::WithUsers(name) => {
            format!(
                "--stopOnError --restoreDbUsersAndRoles {}",
                shell_quoted(&format!("--db={name}"))
            )
        }
        Archive::Everything => "--stopOnError --oplogReplay".to_owned(),
    };
    vec![format!("{read} | mongorestore --archive{gzip} {what}")]
}

fn copied(object: &Object) -> String {
    format!("aws s3 cp {} -", shell_quoted(&format!("s3://{}/{}", object.bucket, object.key)))
}

/// As a pattern of mongorestore, in which a star stands for anything.
fn literal(name: &str) -> String {
    name.replace('\\', "\\\\").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use autodump_core::manifest::Manifest;

    use super::*;

    #[test]
    fn the_commands_are_those_of_the_golden_manifest() {
        let golden = include_str!("../../../../../contract/manifest-mongodb.json");
        let golden: Manifest = serde_json::from_str(golden).unwrap();
        let archive = Archive::Database(&golden.database);
        assert_eq!(commands(archive, Algorithm::Gzip, &golden.objects), golden.restore);
    }

    #[test]
    fn objects_are_joined_in_their_order_and_names_are_no_patterns() {
        let golden = include_str!("../../../../../contract/manifest-mongodb.json");
        let golden: Manifest = serde_json::from_str(golden).unwrap();
        let object = |key: &str| Object {
            bucket: "b".to_owned(),
            key: key.to_owned(),
            ..golden.objects[0].clone()
        };
        let objects = [object("r/x.archive"), object("r/x.archive.2")];
        let read = "(aws s3 cp s3://b/r/x.archive - && aws s3 cp s3://b/r/x.archive.2 -) | \
                    mongorestore --archive";
        for (archive, rest) in [
            (Archive::Database("it's*"), r"--stopOnError --nsInclude='it'\''s\*.*'"),
            (Archive::WithUsers("a b"), "--stopOnError --restoreDbUsersAndRoles '--db=a b'"),
            (Archive::Everything, "--stopOnError --oplogReplay"),
        ] {
            assert_eq!(commands(archive, Algorithm::None, &objects), [format!("{read} {rest}")]);
        }
    }
}
