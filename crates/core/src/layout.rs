//! Where things lie in the bucket: `docs/format.md`.
//!
//! `<engine>/<target>/<YYYY>/<MM>/<DD>/<YYYYMMDDTHHMMSSZ>-<id8>/…`. Names sort by time, and
//! say what is inside to someone who has lost this tool.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

/// The name of the manifest within a run's directory.
pub const MANIFEST: &str = "manifest.json";

/// A time as it stands in names: `20261122T080000Z`.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
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
/// the same place.
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

/// The name of the data file of a database: the database's name in characters that need no
/// care in S3 or a shell, then `extension`.
#[must_use]
pub fn data_file(database: &str, extension: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let readable: String = database.chars().map(legal).take(READABLE).collect();
    format!("{readable}.{extension}")
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
        assert_eq!(data_file("Äpp db", "dump"), "_pp_db.dump");
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
        }
    }
}
