"""BatchWriteItem is bearable for many items, and refuses what DynamoDB refuses.

moto parses every value of the request twice, takes any number of requests at once, finds two items of one key only
where the items are equal, and says that every batch costs one unit.

Upstream: not reported.
"""

import json

from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.responses import DynamoHandler

from autodump_moto.dynamodb import probe, wire
from autodump_moto.dynamodb.order import place_of

_MOST_REQUESTS = 25
_BLOCK = 1024


def _refuse(message):
    raise MockValidationException(message)


def _check(body, backend):
    """Refuses a request before anything of it is done."""
    requests = body["RequestItems"]
    if not requests or not all(1 <= len(of_table) <= _MOST_REQUESTS for of_table in requests.values()):
        _refuse(f"RequestItems must have 1 to {_MOST_REQUESTS} requests for each table")
    if sum(map(len, requests.values())) > _MOST_REQUESTS:
        _refuse("Too many items requested for the BatchWriteItem call")
    for name, of_table in requests.items():
        table = backend.get_table(name)
        places = [_place(table, request) for request in of_table]
        if len(set(places)) < len(places):
            _refuse("Provided list of item keys contains duplicates")


def _place(table, request):
    ((kind, value),) = request.items()
    values = value["Item" if kind == "PutRequest" else "Key"]
    for name in table.table_key_attrs:
        if name not in values:
            _refuse("The provided key element does not match the schema")
    key = [DynamoType(values[name]) for name in table.table_key_attrs]
    return place_of(key[0], key[1] if len(key) > 1 else None)


def _units(table, requests):
    """What a batch costs: a unit for each KiB of an item, and one for a key."""
    units = 0.0
    for request in requests:
        put = request.get("PutRequest")
        bytes_of = put and wire.attributes_size({name: DynamoType(value) for name, value in put["Item"].items()})
        units += max(1, -(-(bytes_of or 0) // _BLOCK))
    return {"TableName": table.name, "CapacityUnits": units}


def _checked(original):
    def batch_write_item(self):
        body, backend = self.body, self.dynamodb_backend
        _check(body, backend)
        answer = original(self)
        answer.result.pop("ConsumedCapacity", None)
        answer.result.pop("ItemCollectionMetrics", None)
        if body.get("ReturnConsumedCapacity", "NONE") != "NONE":
            of = body["RequestItems"].items()
            answer.result["ConsumedCapacity"] = [_units(backend.get_table(name), requests) for name, requests in of]
        return answer

    return batch_write_item


def _parsed_once(original):
    def parse_parameters(self, request):
        if self._get_action() == "BatchWriteItem":
            self.params = json.loads(request.data)
        else:
            original(self, request)

    return parse_parameters


def broken() -> bool:
    """Whether two items of one key are taken in one batch."""
    with mock_aws():
        client = probe.client("dynamodb")
        probe.make_table(client)
        puts = [{"PutRequest": {"Item": {"id": {"S": "1"}, "v": {"N": value}}}} for value in "12"]
        try:
            client.batch_write_item(RequestItems={"probe": puts})
        except ClientError as error:
            return error.response["Error"]["Code"] != "ValidationException"
        return True


def apply() -> None:
    """Takes the request's JSON as it is, and checks it first."""
    DynamoHandler.parse_parameters = _parsed_once(DynamoHandler.parse_parameters)
    DynamoHandler.batch_write_item = _checked(DynamoHandler.batch_write_item)
