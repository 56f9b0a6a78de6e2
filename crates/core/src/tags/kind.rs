//! What kind of resource a target is: each has tags of its own.

use crate::snapshot::arn::DatabaseArn;
use crate::table::arn::TableArn;

/// What kind of resource a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A secret in Secrets Manager, which leads to a database.
    Secret,
    /// A DynamoDB table.
    Table,
    /// An instance or a cluster of RDS, of which snapshots are made.
    Database,
}

impl Kind {
    /// All kinds.
    pub(super) const ALL: [Self; 3] = [Self::Secret, Self::Table, Self::Database];

    /// The kind of the resource with this ARN; `None` where it can be no target.
    #[must_use]
    pub fn of(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        match parts.nth(2)? {
            "secretsmanager" => Some(Self::Secret),
            "dynamodb" => arn.parse::<TableArn>().ok().map(|_| Self::Table),
            "rds" => arn.parse::<DatabaseArn>().ok().map(|_| Self::Database),
            _ => None,
        }
    }

    /// As in "a tag of secrets".
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Table => "tables",
            Self::Database => "RDS databases",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_known_from_the_arn() {
        for (arn, kind) in [
            (
                "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf",
                Some(Kind::Secret),
            ),
            ("arn:aws:dynamodb:eu-central-1:111122223333:table/orders", Some(Kind::Table)),
            ("arn:aws:dynamodb:eu-central-1:111122223333:table/orders/stream/2026", None),
            ("arn:aws:rds:eu-central-1:111122223333:db:orders", Some(Kind::Database)),
            ("arn:aws:rds:eu-central-1:111122223333:cluster:orders", Some(Kind::Database)),
            ("arn:aws:rds:eu-central-1:111122223333:snapshot:orders", None),
            ("arn:aws:ec2:eu-central-1:111122223333:instance/i-0", None),
            ("prod/app", None),
            ("", None),
        ] {
            assert_eq!(Kind::of(arn), kind, "{arn}");
        }
    }
}
