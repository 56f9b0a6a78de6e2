"""Items as DynamoDB writes and counts them."""

import base64
import functools
import json

from moto.dynamodb.models.dynamo_type import DynamoType, Item

# Each list and each map has this overhead, and each of their elements one byte.
_CONTAINER = 3


def text(item: Item) -> str:
    """The item's JSON, in the very values that were put."""
    return _cached(item)[0]


def size(item: Item) -> int:
    """The item's size in bytes, by DynamoDB's rules for capacity and limits."""
    return _cached(item)[1]


def forget(item: Item) -> None:
    """To be called when an item was changed in place."""
    item.__dict__.pop("_autodump_wire", None)


def attributes_size(attributes: dict) -> int:
    """The size of attributes by name, each a DynamoType."""
    return sum(_length(name) + value_size(value) for name, value in attributes.items())


def value_size(value: DynamoType) -> int:
    """The size of one value."""
    return _plain_size(value.type, value.value)


def plain(value: DynamoType) -> dict:
    """A value as `json` can write it."""
    return {value.type: _plain(value.type, value.value)}


def _cached(item):
    found = item.__dict__.get("_autodump_wire")
    if found is None:
        attributes = {name: plain(value) for name, value in item.attrs.items()}
        written = json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))
        found = (written, attributes_size(item.attrs))
        item.__dict__["_autodump_wire"] = found
    return found


def _plain(kind, value):
    if kind == "L":
        return [plain(element) for element in value]
    if kind == "M":
        return {name: plain(element) for name, element in value.items()}
    if kind == "B":
        return _base64(value)
    if kind == "BS":
        return [_base64(element) for element in value]
    return value


def _base64(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _plain_size(kind, value):
    if kind == "S":
        return _length(value)
    if kind == "N":
        return _number_size(value)
    if kind == "B":
        return _binary_size(value)
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "L":
        return _CONTAINER + sum(1 + value_size(element) for element in value)
    if kind == "M":
        return _CONTAINER + sum(1 + _length(name) + value_size(element) for name, element in value.items())
    return sum(_plain_size(kind[0], element) for element in value)


def _length(text):
    return len(text) if text.isascii() else len(text.encode())


@functools.lru_cache(maxsize=4096)
def _number_size(number):
    """About one byte for two significant digits, one for the exponent, and one for a minus."""
    digits = number.lower().partition("e")[0].lstrip("+-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + number.startswith("-")


def _binary_size(value):
    if isinstance(value, bytes):
        return len(value)
    return len(value) * 3 // 4 - value.count("=", max(0, len(value) - 2))
