"""Uploads standard input as `aws s3 cp -` does: with boto3's transfer manager and its defaults.

Arguments: bucket, key. The endpoint comes from AWS_ENDPOINT_URL.
"""

import sys

import boto3
from botocore.config import Config

bucket, key = sys.argv[1:]
client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
client.upload_fileobj(sys.stdin.buffer, bucket, key)
