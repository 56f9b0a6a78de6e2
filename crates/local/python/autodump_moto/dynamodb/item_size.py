"""An item may have 400 KiB, counted as DynamoDB counts.

moto counts characters and base64, stops at 405,000, and counts all attributes again for each one that it sets.

Upstream: not reported.
"""

from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict

from autodump_moto.dynamodb import wire

_MOST = 400 << 10


def _init(self, hash_key, range_key, attrs):
    self.hash_key = hash_key
    self.range_key = range_key
    self.attrs = LimitedSizeDict.__new__(LimitedSizeDict)
    for name, value in attrs.items():
        dict.__setitem__(self.attrs, name, DynamoType(value))
    if wire.attributes_size(self.attrs) > _MOST:
        raise ItemSizeTooLarge


def _set(self, name, value):
    if wire.attributes_size({**self, name: value}) > _MOST:
        raise ItemSizeTooLarge
    dict.__setitem__(self, name, value)


def broken() -> bool:
    """Whether an item of 400 KiB is refused, or one byte more is not."""
    key = DynamoType({"S": "1"})
    value = "x" * ((400 << 10) - len("id") - len("1") - len("v"))
    for length, fits in ((0, True), (1, False)):
        try:
            Item(key, None, {"id": {"S": "1"}, "v": {"S": value + "x" * length}})
        except ItemSizeTooLarge:
            if fits:
                return True
        else:
            if not fits:
                return True
    return False


def apply() -> None:
    """Counts once for each item, in DynamoDB's way."""
    Item.__init__ = _init
    LimitedSizeDict.__setitem__ = _set
