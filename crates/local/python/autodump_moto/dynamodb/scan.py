"""A plain Scan is fast and ends its pages where DynamoDB does.

moto sorts the whole table for each page and copies what it finds; it ends pages at 1,000,000 bytes of its own
counting, knows 256 segments at most, and says that every page costs one unit. Scans with a filter, a projection or an
index are left to moto.

Upstream: not reported.
"""

import json

from moto import mock_aws
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from autodump_moto.dynamodb import probe, wire
from autodump_moto.dynamodb.order import order_of, place_of, segment_of

_PLAIN = {
    "TableName",
    "Segment",
    "TotalSegments",
    "Limit",
    "ExclusiveStartKey",
    "ConsistentRead",
    "ReturnConsumedCapacity",
    "Select",
}
_PAGE_BYTES = 1 << 20
_MOST_SEGMENTS = 1_000_000
_BLOCK = 4096


def _refuse(message):
    raise MockValidationException(message)


def _segment(body):
    segment, total = body.get("Segment"), body.get("TotalSegments")
    if segment is None and total is None:
        return 0, 1
    if total is None:
        _refuse("TotalSegments is required where there is a Segment")
    if segment is None:
        _refuse("Segment is required where there is TotalSegments")
    if not 1 <= total <= _MOST_SEGMENTS:
        _refuse(f"TotalSegments is {total}; it must be 1 to {_MOST_SEGMENTS}")
    if not 0 <= segment < total:
        _refuse(f"Segment is {segment}; it counts from 0 and must be less than TotalSegments, {total}")
    return segment, total


def _start(table, key, segment, total):
    """The place of an ExclusiveStartKey, which need not exist but must belong to the segment."""
    if key is None:
        return None
    if sorted(key) != sorted(table.table_key_attrs):
        _refuse("The provided starting key is invalid")
    hash_key = DynamoType(key[table.hash_key_attr])
    range_key = DynamoType(key[table.range_key_attr]) if table.range_key_attr else None
    if hash_key.type != table.hash_key_type or (range_key and range_key.type != table.range_key_type):
        _refuse("The provided starting key is invalid: it does not match the schema")
    if segment_of(hash_key, total) != segment:
        _refuse(f"The provided starting key is invalid: it does not belong to segment {segment} of {total}")
    return place_of(hash_key, range_key)


def _capacity(table, body, count):
    """What a page costs: half a unit for each 4 KiB that were looked at, a whole one when it is consistent."""
    units = max(1, -(-count // _BLOCK)) * (1.0 if body.get("ConsistentRead") else 0.5)
    capacity = {"TableName": table.name, "CapacityUnits": units}
    if body["ReturnConsumedCapacity"] == "INDEXES":
        capacity["Table"] = {"CapacityUnits": units}
    return capacity


def _answer(backend, body):
    table = backend.get_table(body["TableName"])
    segment, total = _segment(body)
    limit = body.get("Limit")
    if limit is not None and limit < 1:
        _refuse(f"Limit is {limit}; it must be 1 or more")
    after = _start(table, body.get("ExclusiveStartKey"), segment, total)
    items, count, goes_on = order_of(table).page(segment, total, after, limit, _PAGE_BYTES)
    rest = {"Count": len(items), "ScannedCount": len(items)}
    if goes_on:
        last = items[-1]
        rest["LastEvaluatedKey"] = {name: wire.plain(last.attrs[name]) for name in table.table_key_attrs}
    if body.get("ReturnConsumedCapacity", "NONE") != "NONE":
        rest["ConsumedCapacity"] = _capacity(table, body, count)
    written = json.dumps(rest, ensure_ascii=False, separators=(",", ":"))
    if body.get("Select") == "COUNT":
        return written
    return f'{{"Items":[{",".join(map(wire.text, items))}],{written[1:]}'


def _plain_scan(original):
    def scan(self):
        body = json.loads(self.normalized_request.data)
        if not _PLAIN.issuperset(body) or body.get("Select", "COUNT") not in ("COUNT", "ALL_ATTRIBUTES"):
            return original(self)
        return 200, {"Content-Type": "application/x-amz-json-1.0"}, _answer(self.dynamodb_backend, body)

    return scan


def _ordered_put(original):
    def put_item(self, *args, **kwargs):
        order = order_of(self)
        with order.lock:
            item = original(self, *args, **kwargs)
            order.add(item)
        return item

    return put_item


def _ordered_delete(original):
    def delete_item(self, hash_key, range_key):
        order = order_of(self)
        with order.lock:
            item = original(self, hash_key, range_key)
            order.remove(hash_key, range_key)
        return item

    return delete_item


def _forgetful_update(original):
    def update_item(self, table_name, key, *args, **kwargs):
        try:
            return original(self, table_name, key, *args, **kwargs)
        finally:
            table = self.tables.get(table_name)
            item = table.get_item(*self.get_keys_value(table, key)) if table else None
            if item is not None:
                wire.forget(item)

    return update_item


def _is_within_segment(self, segments):
    segment, total = segments
    return total is None or segment_of(self.hash_key, total) == segment


def broken() -> bool:
    """Whether a page of three blocks costs anything else than one and a half units."""
    with mock_aws():
        client = probe.client("dynamodb")
        probe.make_table(client)
        client.put_item(TableName="probe", Item={"id": {"S": "1"}, "v": {"B": bytes(10_000)}})
        page = client.scan(TableName="probe", ReturnConsumedCapacity="TOTAL")
        return page["ConsumedCapacity"]["CapacityUnits"] != 1.5


def apply() -> None:
    """Keeps every table's order, and answers plain scans from it."""
    Table.put_item = _ordered_put(Table.put_item)
    Table.delete_item = _ordered_delete(Table.delete_item)
    DynamoDBBackend.update_item = _forgetful_update(DynamoDBBackend.update_item)
    Item.is_within_segment = _is_within_segment
    DynamoHandler.scan = _plain_scan(DynamoHandler.scan)
