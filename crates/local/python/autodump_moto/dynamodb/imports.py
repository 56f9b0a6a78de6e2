"""ImportTable reads what DynamoDB reads.

moto knows neither ZSTD nor several frames, nor the encryption and the limits that the table is to have, parses the
objects as something else than JSON lines, reads an account's own buckets only, and takes no token.

Upstream: not reported.
"""

import gzip
import io
import json
import threading
import time
import uuid

import zstandard
from moto import mock_aws
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.dynamodb.exceptions import ResourceInUseException
from moto.dynamodb.responses import DynamoHandler

from autodump_moto.dynamodb import buckets, probe
from autodump_moto.dynamodb.definitions import id_of, remember
from autodump_moto.dynamodb.refusals import refuse

# How long an import is IN_PROGRESS at least.
_MOMENT = 1.0


class Import:
    """One import, done by a thread of its own."""

    def __init__(self, table, asked):
        self.table = table
        self.asked = asked
        self.described = {
            "ImportArn": f"{table.table_arn}/import/{int(time.time() * 1000):014d}-{uuid.uuid4().hex[:8]}",
            "ImportStatus": "IN_PROGRESS",
            "TableArn": table.table_arn,
            "TableId": id_of(table),
            "ClientToken": asked.get("ClientToken", str(uuid.uuid4())),
            "S3BucketSource": asked["S3BucketSource"],
            "InputFormat": asked["InputFormat"],
            "InputCompressionType": asked.get("InputCompressionType", "NONE"),
            "TableCreationParameters": asked["TableCreationParameters"],
            "StartTime": utcnow(),
            "ErrorCount": 0,
            "ProcessedSizeBytes": 0,
            "ProcessedItemCount": 0,
            "ImportedItemCount": 0,
        }

    def run(self):
        """Reads everything; an item that is wrong is counted, and fails the import at its end."""
        time.sleep(_MOMENT)
        source = self.asked["S3BucketSource"]
        try:
            for _, body in buckets.contents(source["S3Bucket"], source.get("S3KeyPrefix", "")):
                self._read(body)
        except KeyError:
            self._end("FAILED", FailureCode="S3NoSuchBucket", FailureMessage="The specified bucket does not exist")
        except Exception as error:  # noqa: BLE001  (whatever it is, the caller waits for an end)
            self._end("FAILED", FailureCode="UNKNOWN", FailureMessage=str(error))
        else:
            if self.described["ErrorCount"]:
                message = "Some of the items failed validation checks and were not imported"
                self._end("FAILED", FailureCode="ItemValidationError", FailureMessage=message)
            else:
                self._end("COMPLETED")

    def _end(self, status, **more):
        self.table.table_status = "ACTIVE"
        self.described.update(more, ImportStatus=status, EndTime=utcnow())

    def _read(self, body):
        described = self.described
        described["ProcessedSizeBytes"] += len(body)
        try:
            lines = _decompress(body, described["InputCompressionType"]).splitlines()
        except Exception:  # noqa: BLE001  (an object that cannot be read is one error)
            described["ErrorCount"] += 1
            return
        for line in filter(bytes.strip, lines):
            described["ProcessedItemCount"] += 1
            try:
                self.table.put_item(item_attrs=json.loads(line)["Item"], overwrite=True)
                described["ImportedItemCount"] += 1
            except Exception:  # noqa: BLE001  (whatever is wrong with it, it is counted)
                described["ErrorCount"] += 1


def _decompress(body, kind):
    if kind == "NONE":
        return body
    if kind == "GZIP":
        return gzip.decompress(body)
    out = io.BytesIO()
    while body:
        frame = zstandard.ZstdDecompressor().decompressobj()
        out.write(frame.decompress(body))
        if not frame.eof:
            raise ValueError("the last frame is cut off")
        body = frame.unused_data
    return out.getvalue()


def _create(handler, parameters):
    """The table that an import fills. It is CREATING until the import ends."""
    throughput = parameters.get("ProvisionedThroughput")
    indexes = parameters.get("GlobalSecondaryIndexes")
    mode = parameters.get("BillingMode", "PROVISIONED")
    handler._validate_table_creation(
        billing_mode=mode,
        throughput=throughput,
        key_schema=parameters["KeySchema"],
        global_indexes=indexes,
        local_secondary_indexes=None,
        attr=parameters["AttributeDefinitions"],
        warm_throughput=None,
    )
    table = handler.dynamodb_backend.create_table(
        name=parameters["TableName"],
        schema=parameters["KeySchema"],
        throughput=throughput,
        attr=parameters["AttributeDefinitions"],
        global_indexes=indexes,
        indexes=None,
        streams=None,
        billing_mode=mode,
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    remember(table, parameters)
    table.table_status = "CREATING"
    return table


def _import(self):
    asked, backend = dict(self.body), self.dynamodb_backend
    for known in backend.table_imports.values():
        if "ClientToken" in asked and known.asked.get("ClientToken") == asked["ClientToken"]:
            if known.asked != asked:
                refuse("ImportConflictException", "The client token was used for another import")
            return ActionResult({"ImportTableDescription": dict(known.described)})
    if asked["InputFormat"] != "DYNAMODB_JSON":
        refuse("ValidationException", "The local cloud imports DYNAMODB_JSON only")
    name = asked["TableCreationParameters"]["TableName"]
    if name in backend.tables:
        raise ResourceInUseException(f"Table already exists: {name}")
    started = Import(_create(self, asked["TableCreationParameters"]), asked)
    backend.table_imports[started.described["ImportArn"]] = started
    threading.Thread(target=started.run, daemon=True).start()
    return ActionResult({"ImportTableDescription": dict(started.described)})


def _describe(self):
    found = self.dynamodb_backend.table_imports.get(self.body["ImportArn"])
    if found is None:
        refuse("ImportNotFoundException", f"Import not found: {self.body['ImportArn']}")
    return ActionResult({"ImportTableDescription": dict(found.described)})


def broken() -> bool:
    """Whether an import of two frames lacks an item."""
    with mock_aws():
        client, s3 = probe.client("dynamodb"), probe.client("s3")
        s3.create_bucket(Bucket="probe")
        frames = [zstandard.compress(json.dumps({"Item": {"id": {"S": name}}}).encode() + b"\n") for name in "ab"]
        s3.put_object(Bucket="probe", Key="p/1.json.zst", Body=b"".join(frames))
        done = client.import_table(
            S3BucketSource={"S3Bucket": "probe", "S3KeyPrefix": "p/"},
            InputFormat="DYNAMODB_JSON",
            InputCompressionType="ZSTD",
            TableCreationParameters={
                "TableName": "probe",
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )["ImportTableDescription"]
        while done["ImportStatus"] == "IN_PROGRESS":
            time.sleep(0.05)
            done = client.describe_import(ImportArn=done["ImportArn"])["ImportTableDescription"]
        return done["ImportStatus"] != "COMPLETED" or done["ImportedItemCount"] != 2


def apply() -> None:
    """Imports JSON lines of any compression that DynamoDB knows."""
    DynamoHandler.import_table = _import
    DynamoHandler.describe_import = _describe
