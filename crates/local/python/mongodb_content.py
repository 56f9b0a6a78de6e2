"""Fills a database of MongoDB, or tells what it holds: for end-to-end cases, by a client that is nobody's here.

Arguments: what to do, and the database. The connection string is read from standard input.

one         one document in a collection "mine"
small       a few collections
exotic      every type of BSON, 16 MB, odd names, a view, indexes of all kinds, an empty collection
noise       40 MB that do not compress, in one collection
tell        prints a line of JSON for each collection, index and document
"""

import datetime
import hashlib
import random
import struct
import sys

import bson
import pymongo
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp, json_util
from bson.binary import Binary
from bson.code import Code
from bson.raw_bson import RawBSONDocument

LONGEST = 16 << 20
PLAIN = json_util.CANONICAL_JSON_OPTIONS


def one(database):
    database.mine.insert_one({"_id": 7})


def small(database):
    database.customer.insert_many({"_id": n, "name": f"customer {n}", "at": n * 1.5} for n in range(2000))
    database.orders.insert_many({"_id": ObjectId(), "n": n, "lines": [{"sku": f"s{n % 7}"}] * 3} for n in range(3000))
    database["orders.archived"].insert_many({"_id": f"o{n:05}", "n": Int64(n)} for n in range(500))
    database.orders.create_index([("n", 1)], unique=True)


def exotic(database):
    small(database)
    database.create_collection("empty")
    database.types.insert_many(types())
    database.types.insert_one(RawBSONDocument(deprecated()))
    database.mixed.insert_many({"_id": key} for key in (None, 1, 2.5, "x", ObjectId(b"\1" * 12), True, {"a": 1}))
    filler = LONGEST - len(bson.encode({"_id": 1, "b": Binary(b"")}))
    database.longest.insert_one({"_id": 1, "b": Binary(b"\0" * filler)})
    for name in ("odd name", "with/slash", "ünï 日本", "a.b.c"):
        database[name].insert_one({"_id": {"of": name}})
    database.command({"create": "large", "viewOn": "customer", "pipeline": [{"$match": {"at": {"$gt": 100}}}]})
    database.customer.create_index([("name", 1), ("at", -1)], partialFilterExpression={"at": {"$gt": 5}})
    database.customer.create_index([("name", -1)], sparse=True, name="sparse one")
    database.types.create_index("at", expireAfterSeconds=10**9)


def types():
    when = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    yield {"_id": 1, "decimal": Decimal128("1.50"), "at": when, "md5": Binary(b"\0\1", 5), "long": Int64(5)}
    yield {"_id": 2, "zero": -0.0, "nan": float("nan"), "infinite": float("-inf"), "regex": Regex("a/b", "i")}
    yield {"_id": 3, "time": Timestamp(1, 2), "least": MinKey(), "most": MaxKey(), "null": None, "yes": True}
    yield {"_id": 4, "code": Code("x"), "scoped": Code("x", {"a": 1}), "uuid": Binary(b"\7" * 16, 4)}
    yield {"_id": 5, "list": [], "document": {}, "deep": [[{"a": [1, None]}]], "reference": DBRef("c", 1)}
    yield {"_id": 6, "": "empty name", "a.b": 1, "text": "ö\u2028\"\\\0 \U0001f600"}


def deprecated():
    """Types that drivers no longer write: undefined, DBPointer and symbol."""
    elements = b"\x10_id\0" + struct.pack("<i", 7) + b"\x06undefined\0"
    elements += b"\x0cpointer\0" + struct.pack("<i", 4) + b"a.b\0" + b"\1" * 12
    elements += b"\x0esymbol\0" + struct.pack("<i", 4) + b"sym\0"
    return struct.pack("<i", len(elements) + 5) + elements + b"\0"


def noise(database):
    chance = random.Random(7)
    for start in range(0, 21000, 3000):
        database.noise.insert_many({"_id": n, "b": Binary(chance.randbytes(1920))} for n in range(start, start + 3000))


def tell(database):
    for found in sorted(database.list_collections(), key=lambda found: found["name"]):
        name, options = found["name"], found.get("options", {})
        say(["collection", name, found["type"], options])
        if found["type"] == "view":
            continue
        for index in sorted(database[name].list_indexes(), key=lambda index: index["name"]):
            described = {key: value for key, value in index.items() if key != "ns"}
            say(["index", name, {**described, "key": list(index["key"].items())}])
        options = database.codec_options.with_options(document_class=RawBSONDocument)
        raw = database.get_collection(name, codec_options=options)
        for digest in sorted(hashlib.sha256(document.raw).hexdigest() for document in raw.find()):
            say(["document", name, digest])


def say(line):
    print(json_util.dumps(line, json_options=PLAIN, sort_keys=True))


def main():
    verb, name = sys.argv[1:]
    client = pymongo.MongoClient(sys.stdin.read().strip(), serverSelectionTimeoutMS=20000, retryWrites=False)
    {"one": one, "small": small, "exotic": exotic, "noise": noise, "tell": tell}[verb](client[name])


main()
