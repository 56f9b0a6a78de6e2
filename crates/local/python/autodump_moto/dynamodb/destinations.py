"""Kinesis destinations and contributor insights of a table: none.

moto answers operations that it does not know with 501, which clients take for a server that is ill, and ask again.
Nothing on the local cloud needs more than that a table has none.

Upstream: not reported.
"""

from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.responses import ActionResult
from moto.dynamodb.responses import DynamoHandler

from autodump_moto.dynamodb import probe


def _describe_kinesis_streaming_destination(self):
    name = self.dynamodb_backend.get_table(self.body["TableName"]).name
    return ActionResult({"TableName": name, "KinesisDataStreamDestinations": []})


def _list_contributor_insights(self):
    if self.body.get("TableName"):
        self.dynamodb_backend.get_table(self.body["TableName"])
    return ActionResult({"ContributorInsightsSummaries": []})


def broken() -> bool:
    """Whether a table cannot be asked for its destinations."""
    with mock_aws():
        client = probe.client("dynamodb")
        probe.make_table(client)
        try:
            client.describe_kinesis_streaming_destination(TableName="probe")
        except (ClientError, NotImplementedError):
            return True
        return False


def apply() -> None:
    """Answers that there are none."""
    DynamoHandler.describe_kinesis_streaming_destination = _describe_kinesis_streaming_destination
    DynamoHandler.list_contributor_insights = _list_contributor_insights
