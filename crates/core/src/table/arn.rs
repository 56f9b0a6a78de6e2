//! Where a table is: its ARN in parts.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorClass, Result};

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

/// A region of an account, as whoever asks its services is known there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Such as `aws`.
    pub partition: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// The account's number.
    pub account: String,
}

impl Home {
    /// The table of this name or ARN. A text that is neither, and the ARN of a table of elsewhere,
    /// are errors of class [`ErrorClass::Configuration`].
    pub fn table(&self, text: &str) -> Result<TableArn> {
        let wrong = |what, hint| Error::new(ErrorClass::Configuration, what, hint);
        let Self { partition, region, account } = self;
        if text.starts_with("arn:") {
            let arn: TableArn = text
                .parse()
                .map_err(|why| wrong(format!("{text:?} {why}"), "Name a table, or its ARN"))?;
            if arn.region != *region || arn.account != *account {
                return Err(wrong(
                    format!("{arn} is not of account {account} in {region}, which are asked"),
                    "Name the table's region, and a role of its account",
                ));
            }
            return Ok(arn);
        }
        if !is_name(text) {
            // What is no name at all may be a URL with a password.
            return Err(wrong(
                "what is to be restored into is no name of a table: it has 3 to 255 letters, \
                 digits and _ . -"
                    .to_owned(),
                "Name a table, or its ARN",
            ));
        }
        Ok(TableArn {
            partition: partition.clone(),
            region: region.clone(),
            account: account.clone(),
            name: text.to_owned(),
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
    fn a_table_is_named_or_is_of_here() {
        let home = Home {
            partition: "aws".to_owned(),
            region: "eu-central-1".to_owned(),
            account: "111122223333".to_owned(),
        };
        let orders = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
        for text in ["orders", orders] {
            assert_eq!(home.table(text).unwrap().to_string(), orders);
        }
        for (text, says) in [
            ("arn:aws:dynamodb:eu-west-1:111122223333:table/orders", "is not of account"),
            ("arn:aws:dynamodb:eu-central-1:444455556666:table/orders", "in eu-central-1, which"),
            ("arn:aws:dynamodb:eu-central-1:111122223333:table/a", "is no ARN of a table"),
            ("a", "3 to 255 letters"),
            ("postgres://u:geheim@h/d", "no name of a table"),
        ] {
            let error = home.table(text).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(says), "{error}");
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
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
