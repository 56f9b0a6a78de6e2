use autodump_core::ErrorClass;
use autodump_core::ports::Resource;

use super::*;
use crate::replay::{Answer, Sent, replay};

const INSTANCE: &str = "arn:aws:rds:eu-central-1:111122223333:db:orders";
const CLUSTER: &str = "arn:aws:rds:eu-central-1:111122223333:cluster:orders";

fn arn(text: &str) -> DatabaseArn {
    text.parse().unwrap()
}

pub(super) fn answer(operation: &str, result: &str) -> Answer {
    Answer::text(&format!(
        "<{operation}Response xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\">\
         <{operation}Result>{result}</{operation}Result></{operation}Response>"
    ))
}

pub(super) fn refused(status: u16, code: &str) -> Answer {
    Answer::unreadable(
        status,
        &format!(
            "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error>\
             <Type>Sender</Type><Code>{code}</Code><Message>It is so.</Message></Error>\
             </ErrorResponse>"
        ),
    )
}

pub(super) async fn rds(answers: Vec<Answer>) -> (Rds, Sent) {
    let (config, sent) = replay(answers).await;
    (Rds::new(&config), sent)
}

/// The parameters of each request, decoded, without version.
pub(super) fn asked(sent: &Sent) -> Vec<String> {
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    sent.requests()
        .map(|request| {
            let body = std::str::from_utf8(request.body().bytes().unwrap()).unwrap();
            let parts = body.split('&').filter(|part| !part.starts_with("Version="));
            parts.map(decode).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

const TAGS: &str = "<TagList><Tag><Key>autodump:start-schedule</Key><Value>@daily</Value></Tag>\
                    <Tag><Key>x</Key><Value/></Tag></TagList>";

fn instance(arn: &str, status: &str, cluster: &str) -> Answer {
    answer(
        "DescribeDBInstances",
        &format!(
            "<DBInstances><DBInstance><DBInstanceIdentifier>orders</DBInstanceIdentifier>\
             <DBInstanceArn>{arn}</DBInstanceArn><DBInstanceStatus>{status}</DBInstanceStatus>\
             <Engine>postgres</Engine><EngineVersion>15.4</EngineVersion>{cluster}{TAGS}\
             </DBInstance></DBInstances>"
        ),
    )
}

fn cluster(status: &str) -> Answer {
    answer(
        "DescribeDBClusters",
        &format!(
            "<DBClusters><DBCluster><DBClusterIdentifier>orders</DBClusterIdentifier>\
             <DBClusterArn>{CLUSTER}</DBClusterArn><Status>{status}</Status>\
             <Engine>aurora-mysql</Engine><EngineVersion>8.0</EngineVersion>{TAGS}\
             </DBCluster></DBClusters>"
        ),
    )
}

#[tokio::test]
async fn a_database_is_described() {
    let member = "<DBClusterIdentifier>shop</DBClusterIdentifier>";
    for (text, described, engine, of, request) in [
        (
            INSTANCE,
            instance(INSTANCE, "available", ""),
            ("postgres", "15.4"),
            None,
            "Action=DescribeDBInstances DBInstanceIdentifier=orders",
        ),
        (
            INSTANCE,
            instance(INSTANCE, "available", member),
            ("postgres", "15.4"),
            Some("shop"),
            "Action=DescribeDBInstances DBInstanceIdentifier=orders",
        ),
        (
            CLUSTER,
            cluster("available"),
            ("aurora-mysql", "8.0"),
            None,
            "Action=DescribeDBClusters DBClusterIdentifier=orders",
        ),
    ] {
        let (rds, sent) = rds(vec![described]).await;
        let expected = Database {
            status: "available".to_owned(),
            engine: engine.0.to_owned(),
            engine_version: engine.1.to_owned(),
            cluster: of.map(str::to_owned),
        };
        assert_eq!(rds.database(&arn(text)).await.unwrap(), Some(expected));
        assert_eq!(asked(&sent), [request]);
    }
}

#[tokio::test]
async fn a_target_has_its_tags_and_one_that_goes_is_none() {
    let find = |text: &'static str, answers| async move {
        let (config, _) = replay(answers).await;
        Databases::new(&config).find(text).await.unwrap()
    };
    for (text, there) in
        [(INSTANCE, instance(INSTANCE, "modifying", "")), (CLUSTER, cluster("available"))]
    {
        let found = find(text, vec![there]).await.unwrap();
        let tags = [("autodump:start-schedule", "@daily"), ("x", "")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(found, Resource { arn: text.to_owned(), name: "orders".to_owned(), tags });
    }
    let elsewhere = INSTANCE.replace("111122223333", "444455556666");
    for (text, gone) in [
        (INSTANCE, instance(INSTANCE, "deleting", "")),
        (INSTANCE, instance(&elsewhere, "available", "")),
        (INSTANCE, refused(404, "DBInstanceNotFound")),
        (INSTANCE, answer("DescribeDBInstances", "<DBInstances/>")),
        (CLUSTER, cluster("deleting")),
        (CLUSTER, refused(404, "DBClusterNotFoundFault")),
    ] {
        assert_eq!(find(text, vec![gone]).await, None);
    }
}

fn snapshot(of: &DatabaseArn, name: &str) -> String {
    let (element, arn) = match of.form {
        Form::Instance => ("DBSnapshot", of.snapshot(name)),
        Form::Cluster => ("DBClusterSnapshot", of.snapshot(name)),
    };
    format!(
        "<{element}><{element}Identifier>{name}</{element}Identifier><{element}Arn>{arn}\
         </{element}Arn><Status>available</Status><Engine>postgres</Engine>\
         <EngineVersion>15.4</EngineVersion><AllocatedStorage>20</AllocatedStorage>\
         <SnapshotCreateTime>2026-11-22T08:00:52.5Z</SnapshotCreateTime>{TAGS}</{element}>"
    )
}

/// The names of a form: operation, list and identifier of snapshots, and identifier of databases.
fn names(form: Form) -> (&'static str, &'static str, &'static str, &'static str) {
    match form {
        Form::Instance => {
            ("DBSnapshot", "DBSnapshots", "DBSnapshotIdentifier", "DBInstanceIdentifier")
        }
        Form::Cluster => (
            "DBClusterSnapshot",
            "DBClusterSnapshots",
            "DBClusterSnapshotIdentifier",
            "DBClusterIdentifier",
        ),
    }
}

#[tokio::test]
async fn a_snapshot_is_described_with_its_tags() {
    for of in [arn(INSTANCE), arn(CLUSTER)] {
        let (noun, list, identifier, _) = names(of.form);
        let operation = format!("Describe{noun}s");
        let found = answer(&operation, &format!("<{list}>{}</{list}>", snapshot(&of, "a-1")));
        let (rds, sent) = rds(vec![
            found,
            answer(&operation, &format!("<{list}/>")),
            refused(404, &format!("{noun}NotFound")),
        ])
        .await;
        let found = rds.snapshot(of.form, "a-1").await.unwrap().unwrap();
        assert_eq!((found.arn, found.name.as_str()), (of.snapshot("a-1"), "a-1"));
        assert_eq!((found.status.as_str(), found.size_gib), ("available", Some(20)));
        assert_eq!(found.created, Some("2026-11-22T08:00:52.5Z".parse().unwrap()));
        assert_eq!(found.tags.len(), 2);
        for _ in 0..2 {
            assert_eq!(rds.snapshot(of.form, "a-1").await.unwrap(), None);
        }
        assert_eq!(asked(&sent)[0], format!("Action={operation} {identifier}=a-1"));
        let (rds, sent) = self::rds(vec![answer(&operation, &format!("<{list}/>"))]).await;
        assert_eq!(rds.snapshot(of.form, "rds:a-1").await.unwrap(), None);
        let expected = format!("Action={operation} {identifier}=rds:a-1 SnapshotType=automated");
        assert_eq!(asked(&sent), [expected]);
    }
}

#[tokio::test]
async fn snapshots_are_listed_page_by_page() {
    for of in [arn(INSTANCE), arn(CLUSTER)] {
        let (noun, list, _, database) = names(of.form);
        let operation = format!("Describe{noun}s");
        let page = |names: &[&str], marker: &str| {
            let all: String = names.iter().map(|name| snapshot(&of, name)).collect();
            answer(&operation, &format!("<Marker>{marker}</Marker><{list}>{all}</{list}>"))
        };
        let (rds, sent) = rds(vec![
            page(&["a", "b"], "more"),
            refused(400, "Throttling"),
            page(&[], "and more"),
            page(&["rds:c"], ""),
        ])
        .await;
        let found = rds.snapshots(&of, Maker::Automated).await.unwrap();
        let seen: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(seen, ["a", "b", "rds:c"]);
        let request = |marker: &str| {
            format!(
                "Action={operation} {database}=orders SnapshotType=automated MaxRecords=100{marker}"
            )
        };
        let second = request(" Marker=more");
        let expected = [request(""), second.clone(), second, request(" Marker=and more")];
        assert_eq!(asked(&sent), expected);
    }
}

#[tokio::test]
async fn a_snapshot_is_asked_for_with_its_tags() {
    let tags = [("autodump:made-for".to_owned(), "arn:x".to_owned())];
    for of in [arn(INSTANCE), arn(CLUSTER)] {
        let (noun, _, identifier, database) = names(of.form);
        let operation = format!("Create{noun}");
        let (service, sent) = rds(vec![answer(&operation, "")]).await;
        assert_eq!(service.create(&of, "a-1", &tags).await.unwrap(), Made::Begun);
        let [request] = asked(&sent).try_into().unwrap();
        for part in [
            format!("Action={operation} "),
            format!("{identifier}=a-1"),
            format!("{database}=orders"),
            "Tags.Tag.1.Key=autodump:made-for Tags.Tag.1.Value=arn:x".to_owned(),
        ] {
            assert!(request.contains(&part), "{part} is not in {request}");
        }
        let why = || "It is so".to_owned();
        for (code, made) in [
            ("DBSnapshotAlreadyExists", Made::AlreadyThere),
            ("DBClusterSnapshotAlreadyExistsFault", Made::AlreadyThere),
            ("SnapshotQuotaExceeded", Made::QuotaFull(why())),
            ("SnapshotQuotaExceededFault", Made::QuotaFull(why())),
            ("InvalidDBInstanceState", Made::Busy(why())),
            ("InvalidDBClusterStateFault", Made::Busy(why())),
        ] {
            let (service, _) = rds(vec![refused(400, code)]).await;
            assert_eq!(service.create(&of, "a-1", &tags).await.unwrap(), made, "{code}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_is_deleted() {
    for of in [arn(INSTANCE), arn(CLUSTER)] {
        let (noun, _, identifier, _) = names(of.form);
        let operation = format!("Delete{noun}");
        for (answered, deleted) in [
            (answer(&operation, ""), Deleted::Gone),
            (refused(404, &format!("{noun}NotFound")), Deleted::Gone),
            (refused(404, &format!("{noun}NotFoundFault")), Deleted::Gone),
            (refused(400, &format!("Invalid{noun}State")), Deleted::InUse("It is so".to_owned())),
            (
                refused(400, &format!("Invalid{noun}StateFault")),
                Deleted::InUse("It is so".to_owned()),
            ),
        ] {
            let (rds, sent) = rds(vec![answered]).await;
            assert_eq!(rds.delete(of.form, "a-1").await.unwrap(), deleted);
            assert_eq!(asked(&sent), [format!("Action={operation} {identifier}=a-1")]);
        }
    }
}

#[tokio::test]
async fn the_quota_is_the_accounts() {
    let quota = |name: &str, used: u32, max: u32| {
        format!(
            "<AccountQuota><AccountQuotaName>{name}</AccountQuotaName><Used>{used}</Used>\
             <Max>{max}</Max></AccountQuota>"
        )
    };
    let all = quota("ManualSnapshots", 40, 100) + &quota("ManualClusterSnapshots", 7, 150);
    let all = || {
        let quotas = format!("<AccountQuotas>{all}</AccountQuotas>");
        answer("DescribeAccountAttributes", &quotas)
    };
    let (service, _) = rds(vec![all(), all()]).await;
    let instances = service.quota(Form::Instance).await.unwrap();
    let clusters = service.quota(Form::Cluster).await.unwrap();
    assert_eq!((instances.used, instances.most, clusters.used, clusters.most), (40, 100, 7, 150));
    // One that does not tell: they are counted.
    let of = arn(INSTANCE);
    let list: String = ["a", "b", "c"].iter().map(|name| snapshot(&of, name)).collect();
    let (service, sent) = rds(vec![
        answer("DescribeAccountAttributes", "<AccountQuotas/>"),
        answer("DescribeDBSnapshots", &format!("<DBSnapshots>{list}</DBSnapshots>")),
    ])
    .await;
    assert_eq!(service.quota(Form::Instance).await.unwrap(), Quota { used: 3, most: 100 });
    let counted = "Action=DescribeDBSnapshots SnapshotType=manual MaxRecords=100";
    assert_eq!(asked(&sent)[1], counted);
}

pub(super) fn export(only: &[&str]) -> ExportRequest {
    ExportRequest {
        name: "t".to_owned(),
        source_arn: "arn:source".to_owned(),
        bucket: "backups".to_owned(),
        prefix: "rds/orders/export".to_owned(),
        role_arn: "arn:role".to_owned(),
        kms_key: "arn:key".to_owned(),
        export_only: only.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[tokio::test]
async fn throttling_is_waited_out_and_missing_rights_are_errors() {
    let found = || instance(INSTANCE, "available", "");
    for code in ["Throttling", "ThrottlingException", "RequestLimitExceeded"] {
        let (rds, sent) = rds(vec![refused(400, code), refused(503, "Busy"), found()]).await;
        assert!(rds.database(&arn(INSTANCE)).await.unwrap().is_some());
        assert_eq!(sent.requests().count(), 3, "{code}");
    }
    for (status, code, class, requests) in [
        (400, "Throttling", ErrorClass::Source, 10),
        (500, "InternalFailure", ErrorClass::Source, 10),
        (403, "AccessDenied", ErrorClass::Credentials, 1),
        (400, "InvalidParameterValue", ErrorClass::Configuration, 1),
    ] {
        let answers = (0..20).map(|_| refused(status, code)).collect();
        let (rds, sent) = rds(answers).await;
        let error = rds.start_export(&export(&[])).await.unwrap_err();
        assert_eq!((error.class(), sent.requests().count()), (class, requests), "{error}");
        assert!(error.what().contains(code), "{error}");
    }
}
