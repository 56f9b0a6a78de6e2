"""Service tasks recase their parameters and results.

Step Functions writes every parameter and result key in PascalCase; the services' own names differ (Batch uses
camelCase). moto has the code that translates, but the two methods that call it are empty.

Upstream: getmoto/moto issue 10076, pull request 10094.
"""

import functools

import botocore
import botocore.session
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (
    StateTaskService,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_batch import (
    StateTaskServiceBatch,
)


@functools.cache
def _operation(service: str, action: str):
    """The botocore model of one operation, or None when the service has no such operation."""
    model = botocore.session.get_session().get_service_model(service)
    by_action = {botocore.xform_name(name): name for name in model.operation_names}
    name = by_action.get(action)
    return model.operation_model(name) if name else None


def _operation_of(task, service, action):
    return _operation(task._get_boto_service_name(service), task._get_boto_service_action(action))


def _normalise_parameters(self, parameters, boto_service_name=None, service_action_name=None):
    operation = _operation_of(self, boto_service_name, service_action_name)
    if operation is not None and operation.input_shape is not None:
        self._to_boto_request(parameters, operation.input_shape)


def _normalise_response(self, response, boto_service_name=None, service_action_name=None):
    operation = _operation_of(self, boto_service_name, service_action_name)
    if operation is not None and operation.output_shape is not None:
        self._from_boto_response(response, operation.output_shape)


class _SubmitJob:
    """As much of a task's resource as the translation looks at."""

    api_name = "batch"
    api_action = "submitJob"
    resource_arn = "arn:aws:states:::batch:submitJob.sync"


def broken() -> bool:
    """Whether a Batch parameter keeps the name that Batch does not know."""
    task = StateTaskServiceBatch()
    task.resource = _SubmitJob()
    parameters = {"JobName": "probe", "ContainerOverrides": {"ResourceRequirements": [{"Type": "VCPU"}]}}
    task._normalise_parameters(parameters)
    return parameters != {"jobName": "probe", "containerOverrides": {"resourceRequirements": [{"type": "VCPU"}]}}


def apply() -> None:
    """Fills in the two empty methods."""
    StateTaskService._normalise_parameters = _normalise_parameters
    StateTaskService._normalise_response = _normalise_response
