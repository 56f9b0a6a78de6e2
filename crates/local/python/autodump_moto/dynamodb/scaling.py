"""Application Auto Scaling tells one table's policies from another's.

moto finds the policies of `table/a` when it is asked for those of `table/ab`, and answers nulls where AWS answers
the role and the state that a target has by default, or nothing.

Upstream: not reported.
"""

import json

from moto import mock_aws
from moto.applicationautoscaling.models import ApplicationAutoscalingBackend
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse

from autodump_moto.dynamodb import probe

_ROLE = (
    "arn:aws:iam::{}:role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
)
_STATE = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


def _describe_policies(self, service_namespace, resource_id, scalable_dimension, max_results, next_token):
    found = [
        policy
        for policy in list(self.policies.values())
        if service_namespace == policy.service_namespace
        and resource_id in (None, policy.resource_id)
        and scalable_dimension in (None, policy.scalable_dimension)
    ]
    first = int(next_token or 0)
    end = first + (max_results or 50)
    return (str(end) if end < len(found) else None), found[first:end]


def _with_defaults(original):
    def register_scalable_target(self, *args, **kwargs):
        target = original(self, *args, **kwargs)
        target.role_arn = target.role_arn or _ROLE.format(self.account_id)
        target.suspended_state = target.suspended_state or dict.fromkeys(_STATE, False)
        return target

    return register_scalable_target


def _without_null_token(original):
    def describe(self):
        answer = json.loads(original(self))
        return json.dumps({key: value for key, value in answer.items() if value is not None})

    return describe


def broken() -> bool:
    """Whether another table's policy is found."""
    with mock_aws():
        client = probe.client("application-autoscaling")
        common = {"ServiceNamespace": "dynamodb", "ScalableDimension": "dynamodb:table:ReadCapacityUnits"}
        client.register_scalable_target(**common, ResourceId="table/a", MinCapacity=1, MaxCapacity=2)
        client.put_scaling_policy(
            **common,
            ResourceId="table/a",
            PolicyName="probe",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={"TargetValue": 70.0},
        )
        return client.describe_scaling_policies(**common, ResourceId="table/ab")["ScalingPolicies"] != []


def apply() -> None:
    """Compares whole names, and leaves no null."""
    backend, handler = ApplicationAutoscalingBackend, ApplicationAutoScalingResponse
    backend.describe_scaling_policies = _describe_policies
    backend.register_scalable_target = _with_defaults(backend.register_scalable_target)
    handler.describe_scaling_policies = _without_null_token(handler.describe_scaling_policies)
    handler.describe_scalable_targets = _without_null_token(handler.describe_scalable_targets)
