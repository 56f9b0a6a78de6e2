use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::table::choose::Who;
use crate::table::options::Replica;
use crate::table::ports::TableWriter as _;
use crate::testing::{MemoryStore, MemoryTables};
use crate::verification::Level;

const BUCKET: &str = "backups";
const EXPORT: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders/export/01-a";

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../contract/planner.json")).unwrap()
}

fn request() -> PlanRequest {
    match serde_json::from_value(golden()["plan"]["event"].clone()).unwrap() {
        Request::Plan(request) => request,
        Request::Follow(request) => panic!("{request:?}"),
    }
}

fn wanted(method: Option<Who>) -> Wanted {
    Wanted {
        method,
        segments: Some(7),
        jobs: None,
        max_read_percent: None,
        consistent: false,
        compression: "zstd:1".to_owned(),
        vcpu: 1,
        memory_mib: 2048,
        verify: Level::None,
        replica: None,
    }
}

/// A table, and exports that are described by what is set.
struct Tables {
    memory: MemoryTables,
    exports: Mutex<Vec<Value>>,
    described: Value,
}

impl Tables {
    async fn new(described: Value) -> Self {
        Self { described, ..Self::made(json!({"BillingMode": "PAY_PER_REQUEST"})).await }
    }

    async fn made(billing: Value) -> Self {
        let tables = MemoryTables::new("eu-central-1", "111122223333");
        let mut create = json!({
            "TableName": "orders",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        });
        create.as_object_mut().unwrap().extend(billing.as_object().unwrap().clone());
        tables.dynamodb("CreateTable", create).await.unwrap();
        for _ in 0..3 {
            tables.dynamodb("DescribeTable", json!({"TableName": "orders"})).await.unwrap();
        }
        Self { memory: tables, exports: Mutex::default(), described: Value::Null }
    }

    /// A table with one provisioned unit and 400 items.
    async fn slow() -> Self {
        let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
        let tables = Self::made(json!({"BillingMode": "PROVISIONED",
            "ProvisionedThroughput": throughput}))
        .await;
        let items: Vec<_> = (0..400).map(|n| json!({"id": {"S": n.to_string()}})).collect();
        let writer = tables.memory.writer("orders");
        for items in items.chunks(25) {
            let items: Vec<_> = items.iter().map(|item| item.to_string().into()).collect();
            writer.write(&items).await.unwrap();
        }
        tables
    }

    async fn recoverable(self) -> Self {
        let input = json!({"TableName": "orders",
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
        self.memory.dynamodb("UpdateContinuousBackups", input).await.unwrap();
        self
    }
}

impl TableService for Tables {
    async fn dynamodb(&self, operation: &str, input: Value) -> Result<Called> {
        let answer = match operation {
            "ExportTableToPointInTime" => {
                self.exports.lock().unwrap().push(input);
                json!({"ExportArn": EXPORT})
            }
            "DescribeExport" => self.described.clone(),
            _ => return self.memory.dynamodb(operation, input).await,
        };
        Ok(Called::Answered(json!({"ExportDescription": answer})))
    }

    async fn auto_scaling(&self, operation: &str, input: Value) -> Result<Called> {
        self.memory.auto_scaling(operation, input).await
    }
}

fn planner<'a>(tables: &'a Tables, store: &'a MemoryStore) -> Planner<'a, Tables, MemoryStore> {
    Planner { tables, store, bucket: BUCKET, bucket_owner: None, kms_key: None, limits: None }
}

fn now() -> DateTime<Utc> {
    "2026-11-22T08:00:41Z".parse().unwrap()
}

async fn planned(
    planner: &Planner<'_, Tables, MemoryStore>,
    request: &PlanRequest,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<Planned> {
    planner.plan(request, &request.directory(), wanted, now).await
}

#[tokio::test]
async fn the_first_plan_holds() {
    let (tables, store) = (Tables::new(Value::Null).await, MemoryStore::default());
    let planner = planner(&tables, &store);
    let answer = planned(&planner, &request(), &wanted(None), now()).await.unwrap();
    assert_eq!(serde_json::to_value(&answer).unwrap(), golden()["plan"]["answers"][0]);
    let plan = read_plan(&store, BUCKET, &request().directory()).await.unwrap();
    assert_eq!((plan.planned_at, &plan.resource_arn), (now(), &request().resource_arn));
    assert_eq!(plan.definition["create"]["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(plan.table_id.as_deref(), Some("0f1e2d3c-0001"));
    // Another one that asks later, for something else.
    let other = Wanted { segments: Some(9), ..wanted(None) };
    planned(&planner, &request(), &other, now() + chrono::Duration::hours(1)).await.unwrap();
    assert_eq!(read_plan(&store, BUCKET, &request().directory()).await.unwrap(), plan);
    // Another execution has another directory.
    let execution_arn = format!("{}-2", request().execution_arn);
    let second = PlanRequest { execution_arn, ..request() };
    planned(&planner, &second, &other, now()).await.unwrap();
    assert_eq!(store.keys().len(), 2);
}

#[tokio::test]
async fn an_export_is_asked_for_with_one_token() {
    let tables = Tables::new(Value::Null).await.recoverable().await;
    let store = MemoryStore::default();
    let planner = Planner { kms_key: Some("arn:key"), ..planner(&tables, &store) };
    for _ in 0..2 {
        let answer = planned(&planner, &request(), &wanted(None), now()).await.unwrap();
        let mut expected = golden()["plan"]["answers"][2].clone();
        expected["exportArn"] = EXPORT.into();
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
    }
    let exports = tables.exports.lock().unwrap();
    assert_eq!(exports[0], exports[1]);
    let token = exports[0]["ClientToken"].as_str().unwrap();
    assert_eq!(token.len(), 32);
    assert_eq!(
        exports[0],
        json!({
            "TableArn": request().resource_arn,
            "S3Bucket": BUCKET,
            "S3BucketOwner": "111122223333",
            "S3Prefix": format!("{}export", request().directory()),
            "ClientToken": token,
            "ExportFormat": "DYNAMODB_JSON",
            "S3SseAlgorithm": "KMS",
            "S3SseKmsKeyId": "arn:key",
        })
    );
}

#[tokio::test]
async fn an_export_goes_into_a_bucket_of_whom_it_is() {
    let tables = Tables::new(Value::Null).await.recoverable().await;
    let store = MemoryStore::default();
    let planner = Planner { bucket_owner: Some("999900001111"), ..planner(&tables, &store) };
    planned(&planner, &request(), &wanted(None), now()).await.unwrap();
    assert_eq!(tables.exports.lock().unwrap()[0]["S3BucketOwner"], "999900001111");
}

#[tokio::test]
async fn a_replica_is_another_table() {
    let (tables, store) = (Tables::new(Value::Null).await, MemoryStore::default());
    let planner = planner(&tables, &store);
    let namesake = Wanted { replica: Some(Replica::Namesake), ..wanted(None) };
    let error = planned(&planner, &request(), &namesake, now()).await.unwrap_err();
    assert!(error.what().contains("would be the table itself"), "{error}");
    assert_eq!(store.keys(), Vec::<String>::new());
    // Of a table of another account, the replica has the same name.
    let execution_arn = request().execution_arn.replace("111122223333", "222233334444");
    let elsewhere = PlanRequest { execution_arn, ..request() };
    let answer = planned(&planner, &elsewhere, &namesake, now()).await.unwrap();
    let manifest = format!("s3://{BUCKET}/{}manifest.json", elsewhere.directory());
    let expected = json!({"manifest": manifest, "to": "orders",
        "options": {"intoExisting": true, "mirror": true}});
    assert_eq!(answer.replica, Some(expected));
    let replica = Some(Replica::Named("orders-copy".to_owned()));
    let answer = planned(&planner, &request(), &Wanted { replica, ..wanted(None) }, now()).await;
    assert_eq!(answer.unwrap().replica.unwrap()["to"], "orders-copy");
}

#[tokio::test]
async fn nothing_is_written_for_a_table_that_cannot_be_read() {
    let (tables, store) = (Tables::new(Value::Null).await, MemoryStore::default());
    let planner = planner(&tables, &store);
    let error = planned(&planner, &request(), &wanted(Some(Who::Export)), now()).await.unwrap_err();
    assert!(error.what().contains("point-in-time recovery"), "{error}");
    let gone = request().resource_arn.replace("orders", "gone");
    let gone = PlanRequest { resource_arn: gone, ..request() };
    let error = planned(&planner, &gone, &wanted(None), now()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    let secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf";
    let secret = PlanRequest { resource_arn: secret.to_owned(), ..request() };
    let error = planned(&planner, &secret, &wanted(None), now()).await.unwrap_err();
    assert!(error.what().contains("is no ARN of a table"), "{error}");
    assert_eq!(store.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn a_scan_that_cannot_end_in_time_is_refused() {
    let (tables, store) = (Tables::slow().await, MemoryStore::default());
    let limits = |seconds| Some(Limits { vcpus: 64, time: Duration::from_secs(seconds) });
    let wanted = Wanted { max_read_percent: Some(1), ..wanted(Some(Who::Scan)) };
    // 40,000 bytes are 4.9 units, at 0.01 a second.
    let short = Planner { limits: limits(480), ..planner(&tables, &store) };
    let error = planned(&short, &request(), &wanted, now()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("0.01 read units a second"), "{error}");
    assert!(error.what().contains(&request().resource_arn), "{error}");
    assert_eq!(store.keys(), Vec::<String>::new());
    let long = Planner { limits: limits(600), ..planner(&tables, &store) };
    let answer = planned(&long, &request(), &wanted, now()).await.unwrap();
    let forecast = answer.forecast.unwrap();
    assert_eq!(forecast.job.as_secs(), 488);
    assert!(limits(600).unwrap().is_tight(&forecast));
    let answer = serde_json::to_value(&answer).unwrap();
    assert_eq!(answer, golden()["plan"]["answers"][0], "the state machine is told no more");
    let plan = read_plan(&store, BUCKET, &request().directory()).await.unwrap();
    let Method::Scan(scan) = plan.method else { panic!("{plan:?}") };
    assert_eq!(scan.parallel, Some(1));
}

#[tokio::test]
async fn an_export_is_followed_to_its_end() {
    let golden = golden();
    let event = golden["follow"]["event"].clone();
    let Request::Follow(request) = serde_json::from_value(event).unwrap() else { panic!() };
    for (described, answer) in [
        (json!({"ExportStatus": "IN_PROGRESS"}), Some(0)),
        (json!({"ExportStatus": "COMPLETED"}), Some(1)),
        (
            json!({"ExportStatus": "FAILED", "FailureCode": "S3NoSuchBucket",
                "FailureMessage": "it is gone"}),
            None,
        ),
    ] {
        let (tables, store) = (Tables::new(described).await, MemoryStore::default());
        let followed = planner(&tables, &store).follow(&request).await;
        if let Some(answer) = answer {
            let followed = serde_json::to_value(followed.unwrap()).unwrap();
            assert_eq!(followed, golden["follow"]["answers"][answer]);
        } else {
            let error = followed.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Engine);
            assert!(error.what().contains("S3NoSuchBucket: it is gone"), "{error}");
        }
    }
}

#[test]
fn the_request_is_strict() {
    let mut event = golden()["plan"]["event"].clone();
    event["when"] = "now".into();
    assert!(serde_json::from_value::<Request>(event).is_err());
    let event = json!({"action": "export", "resourceArn": "x"});
    assert!(serde_json::from_value::<Request>(event).is_err());
}
