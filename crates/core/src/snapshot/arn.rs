//! Which database of RDS: its ARN in parts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What RDS keeps apart: instances and clusters have snapshots of their own, with their own calls
/// and their own quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// An instance that is of no cluster.
    Instance,
    /// A cluster: of Aurora, or of several zones.
    Cluster,
}

impl Form {
    /// As in "the cluster orders".
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Cluster => "cluster",
        }
    }

    /// What the ARNs of its databases have before the name.
    const fn of_database(self) -> &'static str {
        match self {
            Self::Instance => "db",
            Self::Cluster => "cluster",
        }
    }

    /// What the ARNs of its snapshots have before the name.
    const fn of_snapshot(self) -> &'static str {
        match self {
            Self::Instance => "snapshot",
            Self::Cluster => "cluster-snapshot",
        }
    }
}

/// The ARN of an instance or a cluster, `arn:aws:rds:eu-central-1:111122223333:db:orders`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DatabaseArn {
    /// Such as `aws`.
    pub partition: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// The account's number.
    pub account: String,
    /// Instance or cluster.
    pub form: Form,
    /// The identifier that RDS knows it by.
    pub name: String,
}

impl DatabaseArn {
    /// The ARN that its snapshot of this name has.
    #[must_use]
    pub fn snapshot(&self, name: &str) -> String {
        let Self { partition, region, account, form, .. } = self;
        format!("arn:{partition}:rds:{region}:{account}:{}:{name}", form.of_snapshot())
    }

    /// Whether another resource, by its ARN, is of the same region and account.
    #[must_use]
    pub fn is_beside(&self, arn: &str) -> bool {
        let mut parts = arn.split(':').skip(3);
        parts.next() == Some(&self.region) && parts.next() == Some(&self.account)
    }
}

impl fmt::Display for DatabaseArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, form, name } = self;
        write!(f, "arn:{partition}:rds:{region}:{account}:{}:{name}", form.of_database())
    }
}

impl FromStr for DatabaseArn {
    type Err = String;

    /// Reads the ARN of an instance or a cluster. The error is a sentence fragment that says what
    /// is allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let parts: Vec<_> = text.splitn(7, ':').collect();
            let ["arn", partition, "rds", region, account, resource, name] = parts[..] else {
                return None;
            };
            let forms = [Form::Instance, Form::Cluster];
            let form = forms.into_iter().find(|form| form.of_database() == resource)?;
            let whole = [partition, region, account].iter().all(|part| !part.is_empty());
            (whole && is_identifier(name, 63)).then(|| Self {
                partition: partition.to_owned(),
                region: region.to_owned(),
                account: account.to_owned(),
                form,
                name: name.to_owned(),
            })
        };
        read().ok_or_else(|| {
            "is no ARN of an RDS instance or cluster, such as \
             arn:aws:rds:eu-central-1:111122223333:db:orders"
                .to_owned()
        })
    }
}

/// Whether RDS allows something to be named so: 1 to `longest` letters, digits and hyphens, a
/// letter first, no hyphen last, and no two in a row.
#[must_use]
pub fn is_identifier(name: &str, longest: usize) -> bool {
    (1..=longest).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !name.ends_with('-')
        && !name.contains("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for (text, form, snapshot) in [
            (
                "arn:aws:rds:eu-central-1:111122223333:db:orders",
                Form::Instance,
                "arn:aws:rds:eu-central-1:111122223333:snapshot:rds:orders-1",
            ),
            (
                "arn:aws-cn:rds:cn-north-1:111122223333:cluster:Orders-2",
                Form::Cluster,
                "arn:aws-cn:rds:cn-north-1:111122223333:cluster-snapshot:rds:orders-1",
            ),
        ] {
            let arn: DatabaseArn = text.parse().unwrap();
            assert_eq!((arn.to_string().as_str(), arn.form), (text, form));
            assert_eq!(arn.snapshot("rds:orders-1"), snapshot);
            assert!(arn.is_beside(snapshot));
            assert!(!arn.is_beside("arn:aws:rds:eu-central-1:444455556666:db:orders"));
        }
    }

    #[test]
    fn what_is_no_database_is_refused() {
        for text in [
            "orders",
            "arn:aws:rds:eu-central-1:111122223333:db:",
            "arn:aws:rds:eu-central-1:111122223333:db:1orders",
            "arn:aws:rds:eu-central-1:111122223333:db:or--ders",
            "arn:aws:rds:eu-central-1:111122223333:db:orders-",
            "arn:aws:rds:eu-central-1:111122223333:snapshot:orders",
            "arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:orders",
            "arn:aws:rds::111122223333:db:orders",
            "arn:aws:dynamodb:eu-central-1:111122223333:db:orders",
        ] {
            let error = text.parse::<DatabaseArn>().unwrap_err();
            assert!(error.contains("no ARN of an RDS instance or cluster"), "{text}");
        }
    }
}
