//! The commands of a manifest that restore it without AutoDump.

use super::arn::{DatabaseArn, Form};
use super::manifest::Data;
use super::plan::Plan;

/// The longest name of a database or cluster that RDS takes.
const LONGEST: usize = 63;
const END: &str = "-restored";

/// The data from the bucket, and the database from the snapshot as long as that is kept. A cluster
/// needs a class of instance, which no snapshot has: `CLASS` stands for it.
pub(super) fn commands(target: &DatabaseArn, plan: &Plan, data: &Data) -> Vec<String> {
    let DatabaseArn { region, name, form, .. } = target;
    let Plan { snapshot, snapshot_arn, engine, .. } = plan;
    let new = restored(name);
    let mut all = vec![format!("aws s3 sync s3://{}/{} {name}", data.bucket, data.prefix)];
    let cluster = format!(
        "aws rds restore-db-cluster-from-snapshot --region {region} --db-cluster-identifier {new} \
         --engine {engine} --snapshot-identifier {snapshot_arn}"
    );
    match form {
        Form::Instance => all.push(format!(
            "aws rds restore-db-instance-from-db-snapshot --region {region} \
             --db-instance-identifier {new} --db-snapshot-identifier {snapshot}"
        )),
        Form::Cluster if engine.starts_with("aurora-") => all.extend([
            cluster,
            format!(
                "aws rds create-db-instance --region {region} --db-cluster-identifier {new} \
                 --db-instance-identifier {new} --engine {engine} --db-instance-class CLASS"
            ),
        ]),
        Form::Cluster => all.push(format!("{cluster} --db-cluster-instance-class CLASS")),
    }
    all
}

/// A name for what is restored, which RDS takes too.
fn restored(name: &str) -> String {
    let name: String = name.chars().take(LONGEST - END.len()).collect();
    format!("{}{END}", name.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::arn::is_identifier;

    proptest! {
        #[test]
        fn rds_takes_the_new_name(name in "[a-z](-?[a-z0-9]){0,62}") {
            prop_assume!(name.len() <= LONGEST);
            prop_assert!(is_identifier(&restored(&name), LONGEST), "{name}");
        }
    }
}
