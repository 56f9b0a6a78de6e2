"""boto3 through the front door: a role of another account, in another region. The bucket is given."""

import json
import sys
import time

import boto3

bucket = sys.argv[1]
role = boto3.client("sts").assume_role(
    RoleArn="arn:aws:iam::222233334444:role/autodump-source", RoleSessionName="stub", ExternalId="known"
)["Credentials"]
there = boto3.Session(
    role["AccessKeyId"], role["SecretAccessKey"], role["SessionToken"], region_name="ap-southeast-2"
)
boto3.client("s3").put_object(Bucket=bucket, Key="accounts/1", Body=json.dumps({"Item": {"id": {"B": "AAE="}}}))
dynamodb = there.client("dynamodb")
done = dynamodb.import_table(
    S3BucketSource={"S3Bucket": bucket, "S3KeyPrefix": "accounts/1", "S3BucketOwner": "123456789012"},
    InputFormat="DYNAMODB_JSON",
    InputCompressionType="NONE",
    TableCreationParameters={
        "TableName": "stub-boto3",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "B"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
)["ImportTableDescription"]
while done["ImportStatus"] == "IN_PROGRESS":
    time.sleep(0.1)
    done = dynamodb.describe_import(ImportArn=done["ImportArn"])["ImportTableDescription"]
assert done["ImportStatus"] == "COMPLETED", done
assert done["TableArn"] == "arn:aws:dynamodb:ap-southeast-2:222233334444:table/stub-boto3", done
pages = dynamodb.get_paginator("scan").paginate(TableName="stub-boto3", TotalSegments=1, Segment=0)
assert [item for page in pages for item in page["Items"]] == [{"id": {"B": b"\x00\x01"}}]
assert "stub-boto3" not in boto3.client("dynamodb").list_tables()["TableNames"]
assert there.client("s3").get_object(Bucket=bucket, Key="accounts/1")["ContentLength"] > 0
