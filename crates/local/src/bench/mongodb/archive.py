"""What an archive of mongodump holds, read by nothing of AutoDump's.

Arguments: the files that are the archive one after another, compressed with gzip or not. Prints an object of JSON: for
each collection the number of its documents, their bytes, and a sum of their hashes, whatever their order.
"""

import gzip
import hashlib
import io
import json
import struct
import sys

MAGIC = 0x8199E26D
END = 0xFFFFFFFF


class Joined(io.RawIOBase):
    def __init__(self, paths):
        self.paths, self.file = list(paths), None

    def readable(self):
        return True

    def readinto(self, buffer):
        while True:
            if self.file is None:
                if not self.paths:
                    return 0
                self.file = open(self.paths.pop(0), "rb")
            count = self.file.readinto(buffer)
            if count:
                return count
            self.file.close()
            self.file = None


def opened(paths):
    joined = io.BufferedReader(Joined(paths), 1 << 20)
    packed = joined.peek(2)[:2] == b"\x1f\x8b"
    return io.BufferedReader(gzip.GzipFile(fileobj=joined), 1 << 20) if packed else joined


def number(stream):
    return struct.unpack("<I", stream.read(4))[0]


def document(stream, size):
    rest = stream.read(size - 4)
    if len(rest) != size - 4:
        raise EOFError("the archive ends within a document")
    return struct.pack("<I", size) + rest


def fields(data):
    """The texts and truth values of a header, which has nothing else but numbers."""
    found, at = {}, 4
    while data[at]:
        kind, end = data[at], data.index(0, at + 1)
        name, at = data[at + 1 : end].decode(), end + 1
        if kind == 2:
            size = struct.unpack_from("<i", data, at)[0]
            found[name] = data[at + 4 : at + 3 + size].decode()
            at += 4 + size
        elif kind == 8:
            found[name], at = bool(data[at]), at + 1
        else:
            at += {16: 4, 18: 8}[kind]
    return found


def headers(stream):
    while (size := number(stream)) != END:
        yield fields(document(stream, size))


def name(header):
    return f"{header['db']}.{header['collection']}"


def main():
    stream = opened(sys.argv[1:])
    if number(stream) != MAGIC:
        sys.exit("no archive of mongodump")
    next_size = number(stream)
    document(stream, next_size)
    found = {name(header): [0, 0, 0] for header in headers(stream)}
    ended = set()
    while prefix := stream.read(4):
        header = fields(document(stream, struct.unpack("<I", prefix)[0]))
        of = found[name(header)]
        if header["EOF"]:
            ended.add(name(header))
        while (size := number(stream)) != END:
            data = document(stream, size)
            of[0] += 1
            of[1] += size
            of[2] = (of[2] + int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "little")) % (1 << 128)
    if missing := found.keys() - ended:
        sys.exit(f"collections without an end: {sorted(missing)}")
    print(json.dumps({key: [count, size, f"{total:032x}"] for key, (count, size, total) in sorted(found.items())}))


main()
