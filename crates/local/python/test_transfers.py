"""Exports and imports of the repaired moto, and other accounts' tables.

Run with the local cloud's own Python: `python -m unittest`, in this folder.
"""

import base64
import datetime
import gzip
import hashlib
import json
import time
import unittest

import boto3
import zstandard
from autodump_moto.dynamodb import probe
from tables_case import EVERY_TYPE, RECOVERY, Tables, every_item, put_all


class Transfers(Tables):
    def setUp(self):
        super().setUp()
        self.s3.create_bucket(Bucket="backups")

    def exported(self, arn, **more):
        asked = {"TableArn": arn, "S3Bucket": "backups", "S3Prefix": "pre/fix", **more}
        export = self.dynamodb.export_table_to_point_in_time(**asked)["ExportDescription"]
        self.assertEqual(export["ExportStatus"], "IN_PROGRESS")
        return self.ended(self.dynamodb.describe_export, "ExportDescription", "Export", ExportArn=export["ExportArn"])

    def ended(self, describe, member, kind, **asked):
        for _ in range(100):
            found = describe(**asked)[member]
            if found[f"{kind}Status"] != "IN_PROGRESS":
                return found
            time.sleep(0.1)
        self.fail(f"the {kind} does not end: {found}")

    def imported(self, dynamodb, compression, name="new", prefix="in/", **parameters):
        done = dynamodb.import_table(
            S3BucketSource={"S3Bucket": "backups", "S3KeyPrefix": prefix},
            InputFormat="DYNAMODB_JSON",
            InputCompressionType=compression,
            TableCreationParameters={
                "TableName": name,
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                **parameters,
            },
        )["ImportTableDescription"]
        self.assertEqual(dynamodb.describe_table(TableName=name)["Table"]["TableStatus"], "CREATING")
        return self.ended(dynamodb.describe_import, "ImportTableDescription", "Import", ImportArn=done["ImportArn"])

    def put(self, name, body):
        self.s3.put_object(Bucket="backups", Key=name, Body=body)

    def read(self, name):
        return self.s3.get_object(Bucket="backups", Key=name)

    def test_an_export_is_as_documented_and_can_be_imported(self):
        arn = probe.make_table(self.dynamodb)
        items = [{"id": {"S": str(n)}, **EVERY_TYPE} for n in range(30)]
        put_all(self.dynamodb, "probe", items)
        self.refused(
            "PointInTimeRecoveryUnavailableException",
            self.dynamodb.export_table_to_point_in_time,
            TableArn=arn,
            S3Bucket="backups",
        )
        self.dynamodb.update_continuous_backups(TableName="probe", PointInTimeRecoverySpecification=RECOVERY)
        now = datetime.datetime.now(datetime.timezone.utc)
        for bad in (-3600, 3600):
            self.refused(
                "InvalidExportTimeException",
                self.dynamodb.export_table_to_point_in_time,
                TableArn=arn,
                S3Bucket="backups",
                ExportTime=now + datetime.timedelta(seconds=bad),
            )
        self.exported(arn, ExportTime=now)
        export = self.exported(arn, ClientToken="once")
        self.assertEqual((export["ExportStatus"], export["ItemCount"]), ("COMPLETED", 30))
        again = self.dynamodb.export_table_to_point_in_time(
            TableArn=arn, S3Bucket="backups", S3Prefix="pre/fix", ClientToken="once"
        )
        self.assertEqual(again["ExportDescription"]["ExportArn"], export["ExportArn"])
        self.refused(
            "ExportConflictException",
            self.dynamodb.export_table_to_point_in_time,
            TableArn=arn,
            S3Bucket="backups",
            ClientToken="once",
        )
        root = f"pre/fix/AWSDynamoDB/{export['ExportArn'].rsplit('/')[-1]}"
        self.assertEqual(export["ExportManifest"], f"{root}/manifest-summary.json")
        body = self.read(export["ExportManifest"])["Body"].read()
        self.assertEqual(self.read(f"{root}/manifest-summary.md5")["Body"].read(), _md5(body))
        summary = json.loads(body)
        self.assertEqual((summary["itemCount"], summary["tableArn"]), (30, arn))
        listed = self.read(summary["manifestFilesS3Key"])["Body"].read()
        files = [json.loads(line) for line in listed.splitlines()]
        found = []
        for file in files:
            object = self.read(file["dataFileS3Key"])
            body = object["Body"].read()
            self.assertEqual((object["ETag"].strip('"'), _md5(body).decode()), (file["etag"], file["md5Checksum"]))
            lines = gzip.decompress(body).splitlines()
            self.assertEqual(len(lines), file["itemCount"])
            found += lines
        self.assertEqual(len(found), 30)
        self.read(f"{root}/_started")
        done = self.imported(self.dynamodb, "GZIP", prefix=f"{root}/data/")
        self.assertEqual((done["ImportStatus"], done["ImportedItemCount"]), ("COMPLETED", 30))
        found = every_item(self.dynamodb, "new")[0]
        self.assertEqual(sorted(found, key=lambda item: int(item["id"]["S"])), items)

    def test_an_export_that_cannot_be_written_fails(self):
        arn = probe.make_table(self.dynamodb)
        self.dynamodb.update_continuous_backups(TableName="probe", PointInTimeRecoverySpecification=RECOVERY)
        export = self.exported(arn, S3Bucket="nowhere")
        self.assertEqual((export["ExportStatus"], export["FailureCode"]), ("FAILED", "S3NoSuchBucket"))
        unknown = f"{arn}/export/01234567890123-01234567"
        self.refused("ExportNotFoundException", self.dynamodb.describe_export, ExportArn=unknown)

    def test_imports_of_every_compression(self):
        lines = [json.dumps({"Item": {"id": {"S": str(n)}}}).encode() + b"\n" for n in range(4)]
        for kind, compress in (("NONE", bytes), ("GZIP", gzip.compress), ("ZSTD", zstandard.compress)):
            # Two frames in one object, and another object.
            self.put(f"{kind}/1", compress(lines[0]) + compress(lines[1] + lines[2]))
            self.put(f"{kind}/2", compress(lines[3]))
            done = self.imported(self.dynamodb, kind, name=kind.lower(), prefix=f"{kind}/")
            self.assertEqual((done["ImportStatus"], done["ImportedItemCount"]), ("COMPLETED", 4), kind)
            found = every_item(self.dynamodb, kind.lower())[0]
            self.assertEqual(sorted(item["id"]["S"] for item in found), ["0", "1", "2", "3"])

    def test_what_is_wrong_is_counted(self):
        good, bad = {"Item": {"id": {"S": "1"}}}, {"Item": {"no id": {"S": "1"}}}
        self.put("in/1", "".join(json.dumps(line) + "\n" for line in (good, bad)).encode() + b"{cut")
        done = self.imported(self.dynamodb, "NONE")
        self.assertEqual((done["ImportStatus"], done["FailureCode"]), ("FAILED", "ItemValidationError"))
        self.assertEqual((done["ErrorCount"], done["ImportedItemCount"], done["ProcessedItemCount"]), (2, 1, 3))
        self.put("cut/1", zstandard.compress(b'{"Item":{"id":{"S":"1"}}}\n' * 100)[:-3])
        done = self.imported(self.dynamodb, "ZSTD", name="cut", prefix="cut/")
        self.assertEqual((done["ImportStatus"], done["ErrorCount"], done["ImportedItemCount"]), ("FAILED", 1, 0))
        self.refused("ImportNotFoundException", self.dynamodb.describe_import, ImportArn=done["ImportArn"] + "0")

    def test_another_account_imports_in_another_region(self):
        self.put("in/1", b'{"Item":{"id":{"S":"1"}}}\n')
        sts = probe.client("sts")
        role = "arn:aws:iam::222233334444:role/autodump-source"
        given = sts.assume_role(RoleArn=role, RoleSessionName="test", ExternalId="known")["Credentials"]
        session = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        there = boto3.client("dynamodb", region_name="eu-west-1", **session)
        done = self.imported(there, "NONE")
        self.assertEqual((done["ImportStatus"], done["ImportedItemCount"]), ("COMPLETED", 1))
        self.assertTrue(done["TableArn"].startswith("arn:aws:dynamodb:eu-west-1:222233334444:table/"))
        self.assertEqual(every_item(there, "new")[0], [{"id": {"S": "1"}}])
        self.assertEqual(self.dynamodb.list_tables()["TableNames"], [])


def _md5(body):
    return base64.b64encode(hashlib.md5(body).digest())


if __name__ == "__main__":
    unittest.main()
