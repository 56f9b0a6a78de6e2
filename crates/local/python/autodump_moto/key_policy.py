"""A KMS key that CloudFormation made can be described.

CloudFormation gives the key's policy as an object, moto keeps it as it is, and fails when it reads it as a text.

Upstream: not reported.
"""

import json

from botocore.exceptions import ClientError
from moto import mock_aws
from moto.kms.models import Key

from autodump_moto.dynamodb import probe

_TEMPLATE = {
    "Resources": {
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {
                "KeyPolicy": {
                    "Statement": [
                        {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": "*"}}
                    ]
                }
            },
        }
    },
}


def _as_text(original):
    def create(resource_name, cloudformation_json, account_id, region_name, **kwargs):
        key = original(resource_name, cloudformation_json, account_id, region_name, **kwargs)
        if not isinstance(key.policy, str):
            key.policy = json.dumps(key.policy)
        return key

    return create


def broken() -> bool:
    """Whether a key of CloudFormation cannot be described."""
    with mock_aws():
        probe.client("cloudformation").create_stack(StackName="probe", TemplateBody=json.dumps(_TEMPLATE))
        kms = probe.client("kms")
        [key] = kms.list_keys()["Keys"]
        try:
            return kms.describe_key(KeyId=key["KeyArn"])["KeyMetadata"]["KeyState"] != "Enabled"
        except (ClientError, TypeError):
            return True


def apply() -> None:
    """Keeps policies as texts."""
    Key.create_from_cloudformation_json = staticmethod(_as_text(Key.create_from_cloudformation_json))
