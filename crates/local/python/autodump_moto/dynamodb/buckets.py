"""Buckets as DynamoDB reaches them: of any account."""

import hashlib

from moto.s3.models import s3_backends


def bucket_of(name):
    """A bucket and the backend that holds it; a KeyError when there is none."""
    partition, account = s3_backends.bucket_accounts[name]
    backend = s3_backends[account][partition]
    return backend, backend.buckets[name]


def put(bucket_name, key, body: bytes) -> str:
    """Puts an object by a multipart upload of one part, as DynamoDB does; returns its ETag."""
    backend, _ = bucket_of(bucket_name)
    etag = f"{hashlib.md5(hashlib.md5(body).digest()).hexdigest()}-1"
    backend.put_object(bucket_name, key, body, etag=etag)
    return etag


def contents(bucket_name, prefix):
    """The key and content of every object below a prefix, by key."""
    _, bucket = bucket_of(bucket_name)
    for key, found in sorted(bucket.keys.items()):
        if key.startswith(prefix):
            yield key, found.value
