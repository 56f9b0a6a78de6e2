"""Backs up a table as one would write it with boto3: a thread for each segment, items as lines of JSON, zstd level 1.

Arguments: table, segments, directory. The endpoint comes from AWS_ENDPOINT_URL_DYNAMODB. Prints the number of items.
"""

import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import boto3
import zstandard
from botocore.config import Config

table, segments, directory = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = boto3.client("dynamodb", config=Config(max_pool_connections=segments))


def as_text(value):
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"cannot write {type(value)}")


def back_up(segment):
    items = 0
    request = {"TableName": table, "Segment": segment, "TotalSegments": segments}
    compressor = zstandard.ZstdCompressor(level=1)
    with open(f"{directory}/{segment:05}.json.zst", "wb") as file, compressor.stream_writer(file) as out:
        while True:
            page = client.scan(**request)
            lines = [json.dumps({"Item": item}, default=as_text, separators=(",", ":")) for item in page["Items"]]
            out.write("".join(line + "\n" for line in lines).encode())
            items += len(lines)
            if "LastEvaluatedKey" not in page:
                return items
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


with ThreadPoolExecutor(segments) as pool:
    print(sum(pool.map(back_up, range(segments))))
