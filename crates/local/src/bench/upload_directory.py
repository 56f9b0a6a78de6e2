"""Uploads all files of a directory as `aws s3 sync` does: lists what is there, then ten requests at a time.

Arguments: directory, bucket, prefix. The endpoint comes from AWS_ENDPOINT_URL.
"""

import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.config import Config

directory, bucket, prefix = sys.argv[1:]
config = Config(s3={"addressing_style": "path"}, max_pool_connections=10)
client = boto3.client("s3", config=config)
there = {one["Key"] for one in client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])}
with create_transfer_manager(client, TransferConfig(max_concurrency=10)) as manager:
    uploads = [
        manager.upload(os.path.join(directory, name), bucket, prefix + name)
        for name in sorted(os.listdir(directory))
        if prefix + name not in there
    ]
    for upload in uploads:
        upload.result()
