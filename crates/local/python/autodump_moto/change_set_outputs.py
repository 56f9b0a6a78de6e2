"""A stack that a change set made has outputs.

`cdk deploy` makes stacks by change sets. moto looks for the outputs in the template that the stack had before the
change set ran, which is none.

Upstream: not reported.
"""

import json

import boto3
from moto import mock_aws
from moto.cloudformation.models import CloudFormationBackend

_TEMPLATE = {
    "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}},
    "Outputs": {"Name": {"Value": {"Ref": "Bucket"}}},
}


def _with_outputs(original):
    def execute_change_set(self, *args, **kwargs):
        original(self, *args, **kwargs)
        for stack in self.stacks.values():
            if stack.template and not stack.outputs:
                stack._parse_template()
                stack.output_map = stack._create_output_map()

    return execute_change_set


def broken() -> bool:
    """Whether a stack of a change set lacks its output."""
    with mock_aws():
        credentials = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        client = boto3.client("cloudformation", region_name="us-east-1", **credentials)
        names = {"StackName": "probe", "ChangeSetName": "probe"}
        client.create_change_set(**names, ChangeSetType="CREATE", TemplateBody=json.dumps(_TEMPLATE))
        client.execute_change_set(**names)
        stack = client.describe_stacks(StackName="probe")["Stacks"][0]
        return not stack.get("Outputs")


def apply() -> None:
    """Looks for outputs in the template that ran."""
    CloudFormationBackend.execute_change_set = _with_outputs(CloudFormationBackend.execute_change_set)
