"""boto3 through the front door: snapshots of an instance and a cluster, and their exports. The bucket is given."""

import sys
import time

import boto3
from botocore.exceptions import ClientError

bucket = sys.argv[1]
rds = boto3.client("rds")
ROLE = "arn:aws:iam::123456789012:role/toy"
KEY = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    raise AssertionError(f"not refused: {arguments}")


def until(look, wanted):
    begun = time.monotonic()
    while (found := look()) != wanted:
        assert time.monotonic() < begun + 20, f"{found}, not {wanted}"
        time.sleep(0.05)


def export(name, source, **more):
    arguments = {"S3BucketName": bucket, "S3Prefix": "boto3", "IamRoleArn": ROLE, "KmsKeyId": KEY, **more}
    return rds.start_export_task(ExportTaskIdentifier=name, SourceArn=source, **arguments)


def status_of(name):
    return rds.describe_export_tasks(ExportTaskIdentifier=name)["ExportTasks"][0]["Status"]


def exported(name, source):
    """Exports, and gives the task and the names that it wrote."""
    assert export(name, source)["Status"] == "STARTING"
    running = rds.describe_export_tasks(Filters=[{"Name": "status", "Values": ["starting", "in_progress"]}])
    assert name in [task["ExportTaskIdentifier"] for task in running["ExportTasks"]]
    refused("ExportTaskAlreadyExists", export, name=name, source=source)
    refused("InvalidExportSourceState", export, name=f"{name}-2", source=source)
    until(lambda: status_of(name), "COMPLETE")
    refused("InvalidExportSourceState", export, name=f"{name}-3", source=source)
    refused("InvalidExportTaskStateFault", rds.cancel_export_task, ExportTaskIdentifier=name)
    task = rds.describe_export_tasks(ExportTaskIdentifier=name)["ExportTasks"][0]
    found = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"boto3/{name}/")["Contents"]
    return task, [object["Key"].split("/", 2)[2] for object in found]


def check_export(name, source):
    task, names = exported(name, source)
    assert (task["PercentProgress"], task["WarningMessage"]) == (100, "A table was skipped"), task
    assert task["TaskEndTime"] > task["TaskStartTime"] > task["SnapshotTime"], task
    table = "shop/public.orders"
    assert f"{table}/1/_SUCCESS" in names and f"{table}/2/_SUCCESS" in names, names
    assert len([name for name in names if name.endswith(".gz.parquet")]) == 3, names
    assert f"export_tables_info_{name}_from_1_to_2.json" in names, names


# An instance.
tags = [{"Key": "a", "Value": "1"}]
made = rds.create_db_instance(
    DBInstanceIdentifier="stub-boto3", Engine="postgres", DBInstanceClass="db.t3.micro", Tags=tags
)["DBInstance"]
assert made["DBInstanceArn"] == "arn:aws:rds:us-east-1:123456789012:db:stub-boto3", made
found = rds.describe_db_instances(DBInstanceIdentifier="stub-boto3")["DBInstances"]
assert [(one["DBInstanceStatus"], one["TagList"]) for one in found] == [("available", tags)], found
refused("DBInstanceNotFound", rds.describe_db_instances, DBInstanceIdentifier="stub-nobody")
names = {"DBInstanceIdentifier": "stub-boto3", "DBSnapshotIdentifier": "stub-boto3-1"}
snapshot = rds.create_db_snapshot(**names, Tags=tags)["DBSnapshot"]
assert snapshot["Status"] == "creating", snapshot
refused("DBSnapshotAlreadyExists", rds.create_db_snapshot, **names)
busy = {**names, "DBSnapshotIdentifier": "stub-boto3-2"}
refused("InvalidDBInstanceState", rds.create_db_snapshot, **busy)
refused("InvalidDBSnapshotState", rds.delete_db_snapshot, DBSnapshotIdentifier="stub-boto3-1")
refused("InvalidParameterValue", rds.create_db_snapshot, **{**names, "DBSnapshotIdentifier": "a--b"})
rds.get_waiter("db_snapshot_available").wait(
    DBSnapshotIdentifier="stub-boto3-1", WaiterConfig={"Delay": 1, "MaxAttempts": 10}
)
pages = rds.get_paginator("describe_db_snapshots").paginate(DBInstanceIdentifier="stub-boto3", SnapshotType="manual")
[found] = [snapshot for page in pages for snapshot in page["DBSnapshots"]]
assert found["TagList"] == tags and found["AllocatedStorage"] == 20, found
quotas = rds.describe_account_attributes()["AccountQuotas"]
[quota] = [one for one in quotas if one["AccountQuotaName"] == "ManualSnapshots"]
assert quota["Used"] >= 1 and quota["Max"] == 100, quotas
source = found["DBSnapshotArn"]
refused("InvalidExportOnly", export, name="stub-nothing", source=source, ExportOnly=["other.public"])
check_export("stub-boto3", source)
refused("InvalidS3BucketFault", export, name="stub-no-bucket", source=source, S3BucketName="toy-nowhere")
refused("KMSKeyNotAccessibleFault", export, name="stub-no-key", source=source, KmsKeyId=KEY[:-36] + "0" * 36)
refused("IamRoleNotFound", export, name="stub-no-role", source=source, IamRoleArn=ROLE.replace("1234", "4321"))
refused("DBSnapshotNotFound", export, name="stub-nowhere", source=source + "0")
refused("ExportTaskNotFound", rds.describe_export_tasks, ExportTaskIdentifier="stub-nothing")
deleted = rds.delete_db_snapshot(DBSnapshotIdentifier="stub-boto3-1")["DBSnapshot"]
assert deleted["Status"] == "deleted", deleted
refused("DBSnapshotNotFound", rds.delete_db_snapshot, DBSnapshotIdentifier="stub-boto3-1")

# A cluster, with an instance that has no snapshots of its own.
rds.create_db_cluster(DBClusterIdentifier="stub-boto3-cluster", Engine="aurora-postgresql")
rds.create_db_instance(
    DBInstanceIdentifier="stub-boto3-member",
    DBClusterIdentifier="stub-boto3-cluster",
    Engine="aurora-postgresql",
    DBInstanceClass="db.r6g.large",
)
member = {"DBInstanceIdentifier": "stub-boto3-member", "DBSnapshotIdentifier": "stub-boto3-3"}
refused("InvalidDBInstanceState", rds.create_db_snapshot, **member)
refused("DBClusterNotFoundFault", rds.describe_db_clusters, DBClusterIdentifier="stub-nobody")
names = {"DBClusterIdentifier": "stub-boto3-cluster", "DBClusterSnapshotIdentifier": "stub-boto3-1"}
rds.create_db_cluster_snapshot(**names)
refused("DBClusterSnapshotAlreadyExistsFault", rds.create_db_cluster_snapshot, **names)
mine = {"DBClusterSnapshotIdentifier": "stub-boto3-1"}
refused("InvalidDBClusterSnapshotStateFault", rds.delete_db_cluster_snapshot, **mine)
until(lambda: rds.describe_db_cluster_snapshots(**mine)["DBClusterSnapshots"][0]["Status"], "available")
check_export("stub-boto3-cluster", rds.describe_db_cluster_snapshots(**mine)["DBClusterSnapshots"][0]["DBClusterSnapshotArn"])
rds.delete_db_cluster_snapshot(**mine)
refused("DBClusterSnapshotNotFoundFault", rds.describe_db_cluster_snapshots, **mine)
