"""A table's tags are a map, and the tagging API lists tables while others come and go.

moto adds a tag again when its key is tagged a second time, and a listing in pages fails when a table is made or
deleted between two of them.

Upstream: not reported.
"""

from moto import mock_aws
from moto.core.resource_tagging import TaggedResource
from moto.dynamodb.models import DynamoDBBackend

from autodump_moto.dynamodb import probe


def _tag(self, arn, tags):
    for table in list(self.tables.values()):
        if table.table_arn == arn:
            kept = [tag for tag in table.tags if tag["Key"] not in tags]
            table.tags = kept + [{"Key": key, "Value": value} for key, value in tags.items()]


def _iterate(self):
    for table in list(self.tables.values()):
        tags = {tag["Key"]: tag["Value"] for tag in table.tags or []}
        yield TaggedResource(arn=table.table_arn, tags=tags, resource_type="dynamodb:table")


def broken() -> bool:
    """Whether a key can be there twice."""
    with mock_aws():
        client = probe.client("dynamodb")
        arn = probe.make_table(client, Tags=[{"Key": "a", "Value": "1"}])
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}])
        return client.list_tags_of_resource(ResourceArn=arn)["Tags"] != [{"Key": "a", "Value": "2"}]


def apply() -> None:
    """Replaces a tag of the same key, and lists a copy."""
    DynamoDBBackend.tag_resource = _tag
    DynamoDBBackend.iter_tagged_resources = _iterate
