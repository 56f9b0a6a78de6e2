"""The last page of the tagging API has an empty token.

moto leaves the token out, so that a caller who goes on as long as there is one would end here, and never on AWS.

Upstream: not reported.
"""

from moto import mock_aws
from moto.resourcegroupstaggingapi.responses import ResourceGroupsTaggingAPIResponse

from autodump_moto.dynamodb import probe


def _with_token(original):
    def get_resources(self):
        answer = original(self)
        answer.result["PaginationToken"] = answer.result["PaginationToken"] or ""
        return answer

    return get_resources


def broken() -> bool:
    """Whether the only page has no token."""
    with mock_aws():
        return probe.client("resourcegroupstaggingapi").get_resources().get("PaginationToken") != ""


def apply() -> None:
    """Answers an empty token."""
    handler = ResourceGroupsTaggingAPIResponse
    handler.get_resources = _with_token(handler.get_resources)
