"""ExportTableToPointInTime writes what DynamoDB documents.

moto writes one data file and no manifest, in an account's own buckets only, takes no token and no missing prefix, and
asks for the items when it writes them.

What cannot be told apart here: an export holds what the table held when it was asked for, whatever its ExportTime.

Upstream: not reported.
"""

import base64
import datetime
import gzip
import hashlib
import json
import threading
import time
import uuid

from moto import mock_aws
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.dynamodb.exceptions import PointInTimeRecoveryUnavailable
from moto.dynamodb.responses import DynamoHandler

from autodump_moto.dynamodb import buckets, probe, wire
from autodump_moto.dynamodb.definitions import id_of
from autodump_moto.dynamodb.order import order_of
from autodump_moto.dynamodb.refusals import refuse

# How long an export is IN_PROGRESS at least.
_MOMENT = 1.0
_FILES = 4


class Export:
    """One export, written by a thread of its own."""

    def __init__(self, table, asked):
        self.asked = asked
        self.id = f"{int(time.time() * 1000):014d}-{uuid.uuid4().hex[:8]}"
        self.arn = f"{table.table_arn}/export/{self.id}"
        self.table = table
        self.arguments = {key: value for key, value in asked.items() if key != "ClientToken"}
        self.started = utcnow()
        self.parts = [order_of(table).page(part, _FILES, None, None, float("inf"))[:2] for part in range(_FILES)]
        self.described = {
            "ExportArn": self.arn,
            "ExportStatus": "IN_PROGRESS",
            "StartTime": self.started,
            "TableArn": table.table_arn,
            "TableId": id_of(table),
            "ExportTime": asked.get("ExportTime", self.started),
            "ClientToken": asked.get("ClientToken", str(uuid.uuid4())),
            "S3Bucket": asked["S3Bucket"],
            "S3SseAlgorithm": asked.get("S3SseAlgorithm", "AES256"),
            "ExportFormat": asked.get("ExportFormat", "DYNAMODB_JSON"),
            "ExportType": asked.get("ExportType", "FULL_EXPORT"),
        }
        for key in ("S3Prefix", "S3BucketOwner", "S3SseKmsKeyId"):
            if key in asked:
                self.described[key] = asked[key]

    def run(self):
        """Writes everything; a bucket that is not there fails the export."""
        try:
            self._write()
        except KeyError:
            self._end("FAILED", FailureCode="S3NoSuchBucket", FailureMessage="The specified bucket does not exist")
        except Exception as error:  # noqa: BLE001  (whatever it is, the caller waits for an end)
            self._end("FAILED", FailureCode="UNKNOWN", FailureMessage=str(error))

    def _end(self, status, **more):
        self.described.update(more, ExportStatus=status, EndTime=utcnow())

    def _write(self):
        prefix = self.asked.get("S3Prefix")
        root = f"{prefix}/AWSDynamoDB/{self.id}" if prefix else f"AWSDynamoDB/{self.id}"
        time.sleep(_MOMENT / 2)
        self._put(f"{root}/_started", b"")
        time.sleep(_MOMENT / 2)
        lines = [self._put_data(root, items) for items, _ in self.parts]
        files = "".join(json.dumps(line) + "\n" for line in lines).encode()
        count = sum(line["itemCount"] for line in lines)
        billed = sum(size for _, size in self.parts)
        self._put_with_md5(f"{root}/manifest-files", files)
        summary = json.dumps(self._summary(root, count, billed)).encode()
        self._put_with_md5(f"{root}/manifest-summary", summary)
        self._end(
            "COMPLETED", ExportManifest=f"{root}/manifest-summary.json", ItemCount=count, BilledSizeBytes=billed
        )

    def _put(self, key, body):
        return buckets.put(self.asked["S3Bucket"], key, body)

    def _put_data(self, root, items):
        body = gzip.compress("".join(f'{{"Item":{wire.text(item)}}}\n' for item in items).encode(), 1)
        key = f"{root}/data/{uuid.uuid4().hex[:26]}.json.gz"
        etag = self._put(key, body)
        return {"itemCount": len(items), "md5Checksum": _md5(body), "etag": etag, "dataFileS3Key": key}

    def _put_with_md5(self, name, body):
        self._put(f"{name}.json", body)
        self._put(f"{name}.md5", _md5(body).encode())

    def _summary(self, root, count, billed):
        described = self.described
        return {
            "version": "2020-06-30",
            "exportArn": self.arn,
            "startTime": _instant(self.started),
            "endTime": _instant(utcnow()),
            "tableArn": self.table.table_arn,
            "tableId": described["TableId"],
            "exportTime": _instant(described["ExportTime"]),
            "s3Bucket": described["S3Bucket"],
            "s3Prefix": described.get("S3Prefix"),
            "s3SseAlgorithm": described["S3SseAlgorithm"],
            "s3SseKmsKeyId": described.get("S3SseKmsKeyId"),
            "manifestFilesS3Key": f"{root}/manifest-files.json",
            "billedSizeBytes": billed,
            "itemCount": count,
            "outputFormat": described["ExportFormat"],
            "exportType": described["ExportType"],
        }


def _md5(body):
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def _instant(when):
    return when.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _find_table(backend, arn):
    table = next((table for table in list(backend.tables.values()) if table.table_arn == arn), None)
    if table is None:
        refuse("TableNotFoundException", f"Table not found: {arn}")
    recovery = table.continuous_backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    if recovery != "ENABLED":
        raise PointInTimeRecoveryUnavailable(name=table.name)
    return table


def _check_time(table, when):
    """Refuses a time outside of what can be restored. DynamoDB's own window ends some minutes ago."""
    if when is None:
        return
    at = when.replace(tzinfo=when.tzinfo or datetime.timezone.utc).timestamp()
    earliest = table.continuous_backups["PointInTimeRecoveryDescription"]["EarliestRestorableDateTime"]
    if not int(earliest) <= at <= time.time() + 1:
        refuse("InvalidExportTimeException", f"The export time {_instant(when)} is outside of the restorable window")


def _export(self):
    asked, backend = dict(self.body), self.dynamodb_backend
    for known in backend.table_exports.values():
        if "ClientToken" in asked and known.asked.get("ClientToken") == asked["ClientToken"]:
            if known.arguments != {key: value for key, value in asked.items() if key != "ClientToken"}:
                refuse("ExportConflictException", "The client token was used for another export")
            return ActionResult({"ExportDescription": known.described})
    table = _find_table(backend, asked["TableArn"])
    _check_time(table, asked.get("ExportTime"))
    kind = asked.get("ExportType", "FULL_EXPORT"), asked.get("ExportFormat", "DYNAMODB_JSON")
    if kind != ("FULL_EXPORT", "DYNAMODB_JSON"):
        refuse("ValidationException", "The local cloud makes full exports as DYNAMODB_JSON only")
    export = Export(table, asked)
    backend.table_exports[export.arn] = export
    threading.Thread(target=export.run, daemon=True).start()
    return ActionResult({"ExportDescription": dict(export.described)})


def _describe(self):
    export = self.dynamodb_backend.table_exports.get(self.body["ExportArn"])
    if export is None:
        refuse("ExportNotFoundException", f"Export not found: {self.body['ExportArn']}")
    return ActionResult({"ExportDescription": dict(export.described)})


def _list(self):
    exports = self.dynamodb_backend.table_exports.values()
    wanted = self.body.get("TableArn")
    found = [export.described for export in exports if wanted in (None, export.table.table_arn)]
    keys = ("ExportArn", "ExportStatus", "ExportType")
    return ActionResult({"ExportSummaries": [{key: export[key] for key in keys} for export in found]})


def broken() -> bool:
    """Whether an export lacks its manifest."""
    with mock_aws():
        client, s3 = probe.client("dynamodb"), probe.client("s3")
        s3.create_bucket(Bucket="probe")
        arn = probe.make_table(client)
        client.update_continuous_backups(
            TableName="probe", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        export = client.export_table_to_point_in_time(TableArn=arn, S3Bucket="probe", S3Prefix="p")["ExportDescription"]
        while export["ExportStatus"] == "IN_PROGRESS":
            time.sleep(0.05)
            export = client.describe_export(ExportArn=export["ExportArn"])["ExportDescription"]
        found = s3.list_objects_v2(Bucket="probe").get("Contents", [])
        return not any(object["Key"].endswith("/manifest-summary.json") for object in found)


def apply() -> None:
    """Exports in the documented layout."""
    DynamoHandler.export_table_to_point_in_time = _export
    DynamoHandler.describe_export = _describe
    DynamoHandler.list_exports = _list
