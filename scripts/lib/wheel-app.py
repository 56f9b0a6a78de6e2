"""A Python app with the wheel of cdk-autodump: synthesised, and looked at.

usage: wheel-app.py OUTDIR
"""

import json
import pathlib
import sys

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from cdk_autodump import (
    AutoDump,
    AutoDumpSnapshots,
    AutoDumpSource,
    AutoDumpSourceRole,
)

out = pathlib.Path(sys.argv[1])
app = cdk.App(outdir=str(out))
stack = cdk.Stack(app, "Wheel")
vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
database = rds.DatabaseInstance(
    stack,
    "Database",
    vpc=vpc,
    storage_encrypted=True,
    engine=rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_16),
)

autodump = AutoDump(
    stack,
    "AutoDump",
    vpc=vpc,
    retention=cdk.Duration.days(14),
    tag_prefix="backup",
    sources=[AutoDumpSource(region="us-east-1")],
    snapshots=AutoDumpSnapshots(),
)
AutoDumpSourceRole(
    stack,
    "SourceRole",
    trusted_account="111122223333",
    bucket_name="example-backups",
)
autodump.connections.allow_to_default_port(database)
autodump.metric_executions_failed().create_alarm(
    stack, "Failed", threshold=1, evaluation_periods=1
)
cdk.CfnOutput(stack, "Bucket", value=autodump.bucket.bucket_name)

try:
    AutoDump(stack, "Wrong", vpc=vpc, tag_prefix="aws:backup")
except Exception as error:  # jsii gives an error of the library its own type
    assert "`tagPrefix`" in str(error), error
else:
    raise AssertionError("a wrong prop was taken")

stack.node.try_remove_child("Wrong")
app.synth()

template = json.loads((out / "Wheel.template.json").read_text())
kinds = [resource["Type"] for resource in template["Resources"].values()]
for kind, count in {
    "AWS::StepFunctions::StateMachine": 3,
    "AWS::Batch::JobDefinition": 3,
    "AWS::Lambda::Function": 4,
    "AWS::KMS::Key": 1,
    "AWS::CloudWatch::Alarm": 1,
    "AWS::EC2::SecurityGroupIngress": 1,
}.items():
    assert kinds.count(kind) == count, (kind, kinds.count(kind))
