"""CloudFormation makes the Batch resources that CDK writes.

CDK writes the compute environment's type in lower case and no service role (AWS uses its service-linked one), refers
to the ARNs with Fn::GetAtt, gives the job definition a Timeout, and names subnets of a VPC that is not its own. moto
knows neither the case, nor the missing role, nor the attributes, reads the timeout under a wrong name, and has no
subnets but those that were made in it.

Upstream: not reported.
"""

from moto.batch import models
from moto.iam import iam_backends

_ROLE = "AWSServiceRoleForBatch"
_ARN_ATTRIBUTES = {
    models.ComputeEnvironment: "ComputeEnvironmentArn",
    models.JobQueue: "JobQueueArn",
    models.JobDefinition: "JobDefinitionArn",
}


def _has_cfn_attr(cls, attribute):
    return attribute == _ARN_ATTRIBUTES[cls]


def _get_cfn_attribute(self, attribute):
    if attribute == _ARN_ATTRIBUTES[type(self)]:
        return self.physical_resource_id
    raise KeyError(f"{type(self).__name__} has no attribute {attribute} in the local cloud")


def _service_role(account_id):
    backend = iam_backends[account_id]["aws"]
    for role in backend.roles.values():
        if role.name == _ROLE:
            return role.arn
    path = "/aws-service-role/batch.amazonaws.com/"
    return backend.create_role(_ROLE, "{}", path, None, "", [], "3600").arn


def _make_environment(original):
    def create(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        properties = dict(cloudformation_json["Properties"])
        properties["Type"] = properties["Type"].upper()
        properties["ServiceRole"] = properties.get("ServiceRole") or _service_role(account_id)
        template = {**cloudformation_json, "Properties": properties}
        return original(cls, resource_name, template, account_id, region_name, **kwargs)

    return classmethod(create)


def _make_definition(original):
    def create(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        properties = dict(cloudformation_json["Properties"])
        properties.setdefault("RetryStrategy", {})
        properties["timeout"] = properties.get("Timeout", {})
        template = {**cloudformation_json, "Properties": properties}
        return original(cls, resource_name, template, account_id, region_name, **kwargs)

    return classmethod(create)


def _validate_known_subnets(original):
    def validate(self, compute_resources):
        known = {subnet.id for subnet in self.ec2_backend.describe_subnets()}
        subnets = [subnet if subnet in known else min(known) for subnet in compute_resources["subnets"]]
        original(self, {**compute_resources, "subnets": subnets})

    return validate


def broken() -> bool:
    """Whether an attribute of a Batch resource is unknown to CloudFormation."""
    definition = models.JobDefinition.__new__(models.JobDefinition)
    definition.arn = "arn:probe"
    try:
        return definition.get_cfn_attribute("JobDefinitionArn") != "arn:probe"
    except Exception:
        return True


def apply() -> None:
    """Adds the attributes, the service-linked role and the timeout; takes subnets that moto does not know."""
    for resource in _ARN_ATTRIBUTES:
        resource.has_cfn_attr = classmethod(_has_cfn_attr)
        resource.get_cfn_attribute = _get_cfn_attribute
    environment, definition = models.ComputeEnvironment, models.JobDefinition
    environment.create_from_cloudformation_json = _make_environment(
        environment.create_from_cloudformation_json.__func__
    )
    definition.create_from_cloudformation_json = _make_definition(
        definition.create_from_cloudformation_json.__func__
    )
    models.BatchBackend._validate_compute_resources = _validate_known_subnets(
        models.BatchBackend._validate_compute_resources
    )
