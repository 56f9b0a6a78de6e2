//! Where a table is: its ARN in parts.

use std::fmt;
use std::str::FromStr;

/// The ARN of a table, `arn:aws:dynamodb:eu-central-1:111122223333:table/orders`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableArn {
    /// Such as `aws`.
    pub partition: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// The account's number.
    pub account: String,
    /// The table's name.
    pub name: String,
}

impl TableArn {
    /// Whether another resource, by its ARN, is of the same region and account.
    #[must_use]
    pub fn is_beside(&self, arn: &str) -> bool {
        let mut parts = arn.split(':').skip(3);
        parts.next() == Some(&self.region) && parts.next() == Some(&self.account)
    }
}

impl fmt::Display for TableArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, name } = self;
        write!(f, "arn:{partition}:dynamodb:{region}:{account}:table/{name}")
    }
}

impl FromStr for TableArn {
    type Err = String;

    /// Reads the ARN of a table. The error is a sentence fragment that says what is allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let parts: Vec<_> = text.splitn(6, ':').collect();
            let ["arn", partition, "dynamodb", region, account, resource] = parts[..] else {
                return None;
            };
            let name = resource.strip_prefix("table/")?;
            let whole = [partition, region, account].iter().all(|part| !part.is_empty());
            (whole && is_name(name)).then(|| Self {
                partition: partition.to_owned(),
                region: region.to_owned(),
                account: account.to_owned(),
                name: name.to_owned(),
            })
        };
        read().ok_or_else(|| {
            "is no ARN of a table, such as arn:aws:dynamodb:eu-central-1:111122223333:table/orders"
                .to_owned()
        })
    }
}

/// Whether DynamoDB allows a table of this name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (3..=255).contains(&name.len()) && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        let text = "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/prod.Orders_1-a";
        let arn: TableArn = text.parse().unwrap();
        assert_eq!((arn.name.as_str(), arn.region.as_str()), ("prod.Orders_1-a", "cn-north-1"));
        assert_eq!(arn.to_string(), text);
        assert!(arn.is_beside("arn:aws-cn:kms:cn-north-1:111122223333:key/1"));
        assert!(!arn.is_beside("arn:aws-cn:kms:cn-north-1:444455556666:key/1"));
        assert!(!arn.is_beside("arn:aws-cn:kms:cn-northwest-1:111122223333:key/1"));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in [
            "orders",
            "arn:aws:dynamodb:eu-central-1:111122223333:table/",
            "arn:aws:dynamodb:eu-central-1:111122223333:table/or",
            "arn:aws:dynamodb:eu-central-1:111122223333:table/orders/index/by-name",
            "arn:aws:dynamodb::111122223333:table/orders",
            "arn:aws:s3:eu-central-1:111122223333:table/orders",
        ] {
            assert!(text.parse::<TableArn>().unwrap_err().contains("no ARN of a table"), "{text}");
        }
    }
}
