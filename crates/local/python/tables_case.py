"""What the tests of tables share: the repaired moto, items, and a parallel scan."""

import unittest

from autodump_moto import apply_all
from autodump_moto.dynamodb import probe
from botocore.exceptions import ClientError
from moto import mock_aws

apply_all()

KEYS = {
    "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "p", "AttributeType": "S"},
        {"AttributeName": "s", "AttributeType": "N"},
    ],
}
RECOVERY = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7}
EVERY_TYPE = {
    "text": {"S": "ö\u2028\"\\ \U0001f600"},
    "no text": {"S": ""},
    "ünï-ço.dé": {"S": "x"},
    "digits": {"N": "-12345678901234567890123456789012345678"},
    "small": {"N": "1E-130"},
    "bytes": {"B": bytes(range(256))},
    "no bytes": {"B": b""},
    "texts": {"SS": ["a", "", "ö"]},
    "numbers": {"NS": ["1", "2.5", "99999999999999999999999999999999999999"]},
    "many bytes": {"BS": [b"\x00", b"\xff\xfe"]},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "nothing": {"NULL": True},
    "list": {"L": [{"S": ""}, {"B": b"\x01"}, {"L": []}, {"M": {}}, {"NULL": True}, {"SS": ["z"]}]},
    "map": {"M": {"ä": {"M": {"deep": {"BS": [b"a", b"b"]}}}, "l": {"L": [{"N": "0"}]}, "f": {"BOOL": False}}},
}


def key(partition, sort):
    return {"p": {"S": str(partition)}, "s": {"N": str(sort)}}


def every_item(dynamodb, table, segments=1, **more):
    """All items by a parallel scan, segment by segment, and the pages' answers."""
    items, pages = [], []
    for segment in range(segments):
        start = {}
        while True:
            page = dynamodb.scan(TableName=table, Segment=segment, TotalSegments=segments, **start, **more)
            items += page["Items"]
            pages.append(page)
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    return items, pages


def put_all(dynamodb, table, items):
    for first in range(0, len(items), 25):
        puts = [{"PutRequest": {"Item": item}} for item in items[first : first + 25]]
        dynamodb.batch_write_item(RequestItems={table: puts})


class Tables(unittest.TestCase):
    def setUp(self):
        mock = mock_aws()
        mock.start()
        self.addCleanup(mock.stop)
        self.dynamodb = probe.client("dynamodb")
        self.s3 = probe.client("s3")

    def refused(self, code, call, **arguments):
        with self.assertRaises(ClientError) as raised:
            call(**arguments)
        self.assertEqual(raised.exception.response["Error"]["Code"], code)
