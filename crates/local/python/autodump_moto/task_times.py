"""Times in a task's result are texts.

Every state's data is JSON. moto leaves the datetimes of an answer as they are, and then cannot describe the execution.

Upstream: not reported.
"""

import datetime

from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (
    StateTaskService,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)


def _text(value):
    if isinstance(value, datetime.datetime):
        instant = value.astimezone(datetime.timezone.utc)
        return instant.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    if isinstance(value, dict):
        return {key: _text(element) for key, element in value.items()}
    if isinstance(value, list):
        return [_text(element) for element in value]
    return value


def _with_texts(original):
    def normalise_response(self, response, *args, **kwargs):
        original(self, response, *args, **kwargs)
        if isinstance(response, dict):
            response.update(_text(response))

    return normalise_response


class _DescribeExport:
    """As much of a task's resource as the translation looks at."""

    api_name = "dynamodb"
    api_action = "describeExport"
    resource_arn = "arn:aws:states:::aws-sdk:dynamodb:describeExport"


def broken() -> bool:
    """Whether a time in an answer is no text."""
    task = StateTaskServiceAwsSdk()
    task.resource = _DescribeExport()
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    answer = {"ExportDescription": {"StartTime": epoch}}
    task._normalise_response(answer)
    return answer != {"ExportDescription": {"StartTime": "1970-01-01T00:00:00.000Z"}}


def apply() -> None:
    """Turns times into texts where results are translated."""
    StateTaskService._normalise_response = _with_texts(StateTaskService._normalise_response)
