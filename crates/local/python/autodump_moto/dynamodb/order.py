"""The order in which a table is scanned: by a hash of the partition key, then by the sort key.

It is kept beside moto's own items, so that a page costs what is in it and not what is in the table.
"""

import base64
import bisect
import hashlib
import threading
from decimal import Context, Decimal

from moto.dynamodb.models.dynamo_type import DynamoType

from autodump_moto.dynamodb import wire

_ATTRIBUTE = "_autodump_order"
_HASH_BITS = 64
# With this many new keys, sorting all is cheaper than putting each in its place.
_MANY = 256
_EXACT = Context(prec=40)
_CREATION = threading.Lock()


class Order:
    """The items of one table by their places. Whoever changes the table holds `lock`."""

    def __init__(self, table):
        self.items = table.items
        self.lock = threading.RLock()
        self._by_place = {}
        self._sorted = []
        self._new = []
        for item in table.all_items():
            self.add(item)

    def __deepcopy__(self, memo):
        return None

    def add(self, item):
        """To be called for every item that was put."""
        place = place_of(item.hash_key, item.range_key)
        with self.lock:
            if place not in self._by_place:
                self._new.append(place)
            self._by_place[place] = item

    def remove(self, hash_key, range_key):
        """To be called for every key that was deleted."""
        place = place_of(hash_key, range_key)
        with self.lock:
            if self._by_place.pop(place, None) is not None:
                self._sort()
                del self._sorted[bisect.bisect_left(self._sorted, place)]

    def page(self, segment, total, after, limit, most_bytes):
        """Items of a segment after a place, as many as are allowed; their bytes; and whether it ended for that.

        Like DynamoDB, the page ends with the item that reaches the most bytes.
        """
        items, count = [], 0
        with self.lock:
            self._sort()
            first = bisect.bisect_left(self._sorted, _border(segment, total))
            end = bisect.bisect_left(self._sorted, _border(segment + 1, total))
            if after is not None:
                first = max(first, bisect.bisect_right(self._sorted, after))
            for index in range(first, end):
                item = self._by_place[self._sorted[index]]
                items.append(item)
                count += wire.size(item)
                if count >= most_bytes or len(items) == limit:
                    return items, count, True
        return items, count, False

    def sums(self, names):
        """How many items have all these attributes, and the bytes of those items."""
        with self.lock:
            items = list(self._by_place.values())
        found = [wire.size(item) for item in items if all(name in item.attrs for name in names)]
        return len(found), sum(found)

    def _sort(self):
        if len(self._new) < _MANY:
            for place in self._new:
                bisect.insort(self._sorted, place)
        else:
            self._sorted += self._new
            self._sorted.sort()
        self._new = []


def order_of(table) -> Order:
    """The table's order, made when it is not there yet or moto has replaced the items."""
    order = table.__dict__.get(_ATTRIBUTE)
    if order is None or order.items is not table.items:
        with _CREATION:
            order = table.__dict__.get(_ATTRIBUTE)
            if order is None or order.items is not table.items:
                order = table.__dict__[_ATTRIBUTE] = Order(table)
    return order


def place_of(hash_key: DynamoType, range_key: DynamoType | None):
    """Where an item of this key stands."""
    partition = _bytes(hash_key)
    return hash_of(partition), partition, () if range_key is None else (_sortable(range_key),)


def hash_of(partition: bytes) -> int:
    """The hash that divides partitions among segments."""
    return int.from_bytes(hashlib.blake2b(partition, digest_size=_HASH_BITS // 8).digest(), "big")


def segment_of(hash_key: DynamoType, total: int) -> int:
    """The segment that a partition belongs to."""
    return hash_of(_bytes(hash_key)) * total >> _HASH_BITS


def _border(segment, total):
    return (-(-(segment << _HASH_BITS) // total),)


def _sortable(key):
    return Decimal(key.value) if key.type == "N" else _bytes(key)


def _bytes(key):
    if key.type == "N":
        return str(Decimal(key.value).normalize(_EXACT)).encode()
    if key.type == "B":
        return key.value if isinstance(key.value, bytes) else base64.b64decode(key.value)
    return key.value.encode()
