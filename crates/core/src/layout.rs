//! Where things lie in the bucket: `docs/format.md`.
//!
//! `<engine>/<target>/<YYYY>/<MM>/<DD>/<YYYYMMDDTHHMMSSZ>-<id8>/…`. Names sort by time, and
//! say what is inside to someone who has lost this tool.

use chrono::{DateTime, NaiveDateTime, Utc};
use sha2::{Digest, Sha256};

/// The name of the manifest within a run's directory.
pub const MANIFEST: &str = "manifest.json";

/// How a time stands in names.
const TIMESTAMP: &str = "%Y%m%dT%H%M%SZ";

/// A time as it stands in names: `20261122T080000Z`.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.format(TIMESTAMP).to_string()
}

/// The resource's own name out of its ARN: what follows the sixth colon, without a resource
/// type, and for secrets without the six random characters AWS adds.
#[must_use]
pub fn resource_name(arn: &str) -> &str {
    let Some(resource) = arn.splitn(6, ':').nth(5) else { return arn };
    if let Some(secret) = resource.strip_prefix("secret:") {
        return match secret.rsplit_once('-') {
            Some((name, random)) if random.len() == 6 => name,
            _ => secret,
        };
    }
    resource.split_once([':', '/']).map_or(resource, |(_, name)| name)
}

/// The longest readable part of a target's directory.
const READABLE: usize = 100;

/// The directory of a target: its name in characters that need no care in S3, and 32 bits
/// of SHA-256 over account, region and full name, so that `prod/app` and `prod.app`, or two
/// long names, never share one. A secret that is deleted and made anew keeps it.
#[must_use]
pub fn target_directory(arn: &str) -> String {
    let identity = match arn.rsplit_once('-') {
        Some((identity, random)) if arn.contains(":secret:") && random.len() == 6 => identity,
        _ => arn,
    };
    format!("{}-{}", readable(arn, '.', READABLE), short_hash(&[identity]))
}

/// The resource's name in letters, digits, `-` and `_`, every other character replaced by
/// `other`; a letter or digit first, at most `longest` of them, and never empty.
pub(crate) fn readable(arn: &str, other: char, longest: usize) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { other };
    let name = resource_name(arn).trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() {
        "target".to_owned()
    } else {
        name.chars().map(legal).take(longest).collect()
    }
}

/// The directory of one run, with a closing slash. `attempt_id` is whatever makes the
/// attempt unique, such as Batch's job id and attempt number: two attempts never write to
/// the same place. Where an attempt makes several backups, of all databases of a server, its
/// text is [`attempt_of_database`]'s.
#[must_use]
pub fn run_directory(engine: &str, arn: &str, start: DateTime<Utc>, attempt_id: &str) -> String {
    format!(
        "{engine}/{}/{}/{}-{}/",
        target_directory(arn),
        start.format("%Y/%m/%d"),
        timestamp(start),
        short_hash(&[arn, &timestamp(start), attempt_id]),
    )
}

/// The directory of the run whose object has this key, with a closing slash; `None` where the key
/// is none of a run's.
#[must_use]
pub fn run_of(key: &str) -> Option<&str> {
    // Engine, target, year, month and day come before.
    let (slash, _) = key.match_indices('/').nth(5)?;
    let directory = &key[..=slash];
    let name = directory.trim_end_matches('/').rsplit('/').next()?;
    let (start, hash) = name.split_once('-')?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_start = NaiveDateTime::parse_from_str(start, TIMESTAMP).is_ok();
    (is_hash && is_start).then_some(directory)
}

/// The attempt's text for one of several databases that it backs up, so that each has a
/// directory and a manifest of its own.
#[must_use]
pub fn attempt_of_database(attempt_id: &str, database: &str) -> String {
    format!("{}:{attempt_id},{database}", attempt_id.len())
}

/// The directory of a database within a run's, without a slash: the database's name in
/// letters, digits, `-` and `_`, others as `_`; a letter, digit or `_` first, at most 100 of
/// them, and never empty. As it has no dot it is never the name of a file beside it.
///
/// Two databases may share a name so made: each has a run's directory of its own
/// ([`run_directory`]).
#[must_use]
pub fn archive_directory(database: &str) -> String {
    sturdy(database, READABLE)
}

/// The longest readable part of a table's file.
const TABLE: usize = 160;

/// The name of a table's data file within its archive's directory:
/// `<schema>.<table>-<oid>.dat<extension>`, the names as in [`archive_directory`]. It is at
/// most 200 bytes long; the OID alone makes it unique within a database. `extension` begins
/// with its dot, or is empty.
#[must_use]
pub fn table_file(schema: &str, name: &str, oid: u32, extension: &str) -> String {
    let schema = sturdy(schema, TABLE / 2);
    let name = plain(name, TABLE - 1 - schema.len());
    format!("{schema}.{name}-{oid}.dat{extension}")
}

/// As [`plain`], but never empty, and never taken for a program's option.
fn sturdy(name: &str, longest: usize) -> String {
    let plain = plain(name, longest);
    match plain.strip_prefix('-') {
        Some(rest) => format!("_{rest}"),
        None if plain.is_empty() => "_".to_owned(),
        None => plain,
    }
}

/// Letters, digits, `-` and `_`, others as `_`; at most `longest` of them.
fn plain(name: &str, longest: usize) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    name.chars().map(legal).take(longest).collect()
}

fn short_hash(texts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(format!("{}:{text},", text.len()));
    }
    hex::encode(&hasher.finalize()[..4])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:";

    #[test]
    fn a_run_lies_where_the_contract_says() {
        let start = "2026-11-22T08:00:00Z".parse().unwrap();
        let directory =
            run_directory("postgres", &format!("{SECRET}prod/app-AbCdEf"), start, "job:1");
        let (target, rest) = directory.strip_prefix("postgres/").unwrap().split_once('/').unwrap();
        assert_eq!(target.len(), "prod.app-".len() + 8);
        assert!(target.starts_with("prod.app-"));
        let id = rest.strip_prefix("2026/11/22/20261122T080000Z-").unwrap().strip_suffix('/');
        assert_eq!(id.unwrap().len(), 8);
    }

    #[test]
    fn no_other_key_is_taken_for_that_of_a_run() {
        let run = "postgres/app-1f2e3d4c/2026/11/22/20261122T080000Z-9a8b7c6d";
        assert_eq!(run_of(&format!("{run}/app/toc.dat")), Some(format!("{run}/").as_str()));
        for key in [
            "",
            "manifest.json",
            run,
            "a/b/c/d/e/f/g",
            "postgres/app-1f2e3d4c/2026/11/22/20261122T080000Z/toc.dat",
            "postgres/app-1f2e3d4c/2026/11/22/20261122T080000Z-9a8b7c6/toc.dat",
            "postgres/app-1f2e3d4c/2026/11/22/yesterday-9a8b7c6d/toc.dat",
        ] {
            assert_eq!(run_of(key), None, "{key}");
        }
    }

    #[test]
    fn an_archive_is_laid_out_in_plain_names() {
        for (database, directory) in [
            ("app", "app"),
            ("Äpp db", "_pp_db"),
            ("", "_"),
            ("-rf", "_rf"),
            ("..", "__"),
            ("manifest.json", "manifest_json"),
            ("globals.sql", "globals_sql"),
        ] {
            assert_eq!(archive_directory(database), directory);
        }
        assert_eq!(table_file("app", "orders", 16401, ".gz"), "app.orders-16401.dat.gz");
        assert_eq!(table_file("-App", "Größe/x", 1, ""), "_App.Gr__e_x-1.dat");
        let long = table_file(&"s".repeat(252), &"t".repeat(252), u32::MAX, ".zst");
        assert_eq!(long.len(), TABLE + "-4294967295.dat.zst".len());
        assert!(long.contains("ss.tt"));
        assert_eq!(table_file("a", &"t".repeat(252), 1, "").len(), TABLE + "-1.dat".len());
    }

    #[test]
    fn names_are_read_out_of_arns() {
        for (arn, name) in [
            (format!("{SECRET}prod/app-AbCdEf"), "prod/app"),
            (format!("{SECRET}rds!db-4f5c-AbCdEf"), "rds!db-4f5c"),
            ("arn:aws:dynamodb:eu-central-1:1:table/Orders".to_owned(), "Orders"),
            ("arn:aws:rds:eu-central-1:1:db:shop".to_owned(), "shop"),
            ("not an arn".to_owned(), "not an arn"),
        ] {
            assert_eq!(resource_name(&arn), name);
        }
    }

    #[test]
    fn a_secret_made_anew_keeps_its_directory_and_others_do_not_share_it() {
        let directory = |name: &str| target_directory(&format!("{SECRET}{name}"));
        assert_eq!(directory("prod/app-AbCdEf"), directory("prod/app-GhIjKl"));
        assert_eq!(directory("a-XaYzQw"), directory("a-BbCcDd"));
        assert_ne!(directory("prod/app-AbCdEf"), directory("prod.app-AbCdEf"));
        assert_ne!(directory("/prod/app-AbCdEf"), directory("prod/app-AbCdEf"));
        assert!(directory("/prod/app-AbCdEf").starts_with("prod.app-"));
        assert!(directory("=-AbCdEf").starts_with("target-"));
        let long = |end: char| directory(&format!("{}{end}-AbCdEf", "x".repeat(511)));
        assert_ne!(long('a'), long('b'));
    }

    proptest! {
        #[test]
        fn keys_fit_s3_and_attempts_never_share_one(
            name in "\\PC{1,512}", at in 0..4_102_444_800i64, attempts in ("[0-9]{1,8}", "[0-9]{1,8}"),
        ) {
            let arn = format!("{SECRET}{name}-AbCdEf");
            let start = DateTime::from_timestamp(at, 0).unwrap();
            let (a, b) = (
                run_directory("postgres", &arn, start, &attempts.0),
                run_directory("postgres", &arn, start, &attempts.1),
            );
            prop_assert!(a.len() + 110 <= 1024);
            prop_assert!(a.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_./".contains(&c)));
            prop_assert_eq!(a == b, attempts.0 == attempts.1);
            let in_directory = format!("{a}app/toc.dat");
            for key in [format!("{a}manifest.json"), in_directory] {
                prop_assert_eq!(run_of(&key), Some(a.as_str()));
            }
        }

        #[test]
        fn files_of_an_archive_need_no_care(
            database in "\\PC{0,63}", schema in "\\PC{0,63}", name in "\\PC{0,63}", oid in any::<u32>(),
        ) {
            let directory = archive_directory(&database);
            let file = table_file(&schema, &name, oid, ".lz4");
            prop_assert!((1..=100).contains(&directory.len()) && file.len() <= 200);
            for part in [&directory, &file] {
                prop_assert!(part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c)));
                prop_assert!(!part.starts_with('-'));
            }
            prop_assert!(!directory.contains('.'));
            let end = format!("-{oid}.dat.lz4");
            prop_assert!(!file.starts_with('.') && file.ends_with(&end));
        }

        #[test]
        fn databases_of_one_attempt_never_share_a_text(
            a in ("[0-9:,a]{0,4}", "[0-9:,a]{0,4}"), b in ("[0-9:,a]{0,4}", "[0-9:,a]{0,4}"),
        ) {
            let same = attempt_of_database(&a.0, &a.1) == attempt_of_database(&b.0, &b.1);
            prop_assert_eq!(same, a == b);
        }
    }
}
