//! The shell commands that restore an archive without AutoDump.

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::manifest::Object;

use crate::engine::shell_quoted;

/// The commands, for the objects of one archive in their order.
pub(super) fn commands(
    objects: &[Object],
    database: &str,
    compression: Compression,
) -> Vec<String> {
    let copy = |object: &Object| {
        let uri = shell_quoted(&format!("s3://{}/{}", object.bucket, object.key));
        format!("aws s3 cp {uri} -")
    };
    let copies: Vec<_> = objects.iter().map(copy).collect();
    let copies = match copies.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join(" && ")),
    };
    let gzip = if compression.algorithm() == Algorithm::Gzip { " --gzip" } else { "" };
    let namespaces = shell_quoted(&format!("{}.*", literal(database)));
    vec![format!("{copies} | mongorestore --archive{gzip} --stopOnError --nsInclude={namespaces}")]
}

/// In a pattern a star and a backslash stand for themselves behind a backslash.
fn literal(name: &str) -> String {
    name.replace('\\', "\\\\").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use autodump_core::manifest::Manifest;

    use super::*;

    #[test]
    fn the_commands_are_those_of_the_golden_manifest() {
        let golden: Manifest =
            serde_json::from_str(include_str!("../../../../../contract/manifest-mongodb.json"))
                .unwrap();
        let compression = golden.method.compression.parse().unwrap();
        assert_eq!(commands(&golden.objects, &golden.database, compression), golden.restore);
    }

    #[test]
    fn further_objects_follow_in_order_and_names_are_quoted() {
        let object = |key: &str| Object {
            bucket: "b".to_owned(),
            key: key.to_owned(),
            bytes: 1,
            sha256: String::new(),
            crc64nvme: String::new(),
            segments: Vec::new(),
        };
        let objects = ["r/a b.archive", "r/a b.archive.2"].map(object);
        assert_eq!(
            commands(&objects, "it's *", Compression::usual(Algorithm::None)),
            ["(aws s3 cp 's3://b/r/a b.archive' - && aws s3 cp 's3://b/r/a b.archive.2' -) \
              | mongorestore --archive --stopOnError --nsInclude='it'\\''s \\*.*'"]
        );
    }
}
