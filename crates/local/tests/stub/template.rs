//! A small stack with the same kinds of resources as the real one.

use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/toy";

pub(crate) fn template(asset_bucket: &str, asset_key: &str) -> Value {
    let function = |mode: &str, timeout: u32| {
        json!({"Type": "AWS::Lambda::Function", "Properties": {
            "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"S3Bucket": asset_bucket, "S3Key": asset_key},
            "Architectures": [if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }],
            "MemorySize": 128, "Timeout": timeout, "Environment": {"Variables": {"MODE": mode}},
        }})
    };
    let target = json!([{"Id": "T", "Arn": {"Fn::GetAtt": ["Events", "Arn"]}}]);
    json!({
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}},
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "toy-backups"}},
            "Toy": function("toy", 2),
            "Events": function("events", 5),
            "NoInit": function("no-init", 2),
            "Scan": {"Type": "AWS::Events::Rule", "Properties":
                {"ScheduleExpression": "rate(1 hour)", "State": "ENABLED", "Targets": target}},
            "Tags": {"Type": "AWS::Events::Rule", "Properties": {"State": "ENABLED", "Targets": target,
                "EventPattern": {"source": ["aws.tag"], "detail": {"changed-tag-keys": [{"prefix": "autodump:"}]}}}},
            "Calls": {"Type": "AWS::Events::Rule", "Properties": {"State": "ENABLED", "Targets": target,
                "EventPattern": {"source": ["aws.secretsmanager"], "detail": {"eventName": ["DeleteSecret"]}}}},
            "Objects": {"Type": "AWS::Events::Rule", "Properties": {"State": "ENABLED",
                "Targets": [{"Id": "T", "Arn": {"Ref": "UndoStateMachine"}, "RoleArn": ROLE}],
                "EventPattern": {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail":
                    {"bucket": {"name": ["toy-backups"]}, "object": {"key": [{"wildcard": "toy/*/_SUCCESS"}]}}}}},
            "Ends": {"Type": "AWS::Events::Rule", "Properties": {"State": "ENABLED", "Targets": target,
                "EventPattern": {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"],
                    "detail": {"stateMachineArn": [{"Ref": "Machine"}], "status": ["ABORTED", "FAILED"],
                        "input": [{"wildcard": "*tell me*"}]}}}},
            "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties":
                {"GroupDescription": "toy", "VpcId": "vpc-0123456789abcdef0"}},
            "Compute": {"Type": "AWS::Batch::ComputeEnvironment", "Properties": {"Type": "managed", "State": "ENABLED",
                "ComputeResources": {"Type": "FARGATE", "MaxvCpus": 4, "Subnets": ["subnet-12345678"], "SecurityGroupIds": [{"Fn::GetAtt": ["Group", "GroupId"]}]}}},
            "Queue": {"Type": "AWS::Batch::JobQueue", "Properties": {"Priority": 1, "State": "ENABLED",
                "JobQueueName": "toy-queue", "ComputeEnvironmentOrder":
                    [{"Order": 1, "ComputeEnvironment": {"Fn::GetAtt": ["Compute", "ComputeEnvironmentArn"]}}]}},
            "Job": job_definition(),
            "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {
                "RoleArn": ROLE,
                "DefinitionString": definition_string(),
            }},
            "UndoStateMachine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {
                "RoleArn": ROLE,
                "DefinitionString": json!({"StartAt": "Wait", "States": {
                    "Wait": {"Type": "Wait", "Seconds": 3600, "Next": "Done"}, "Done": {"Type": "Succeed"},
                }}).to_string(),
            }},
        },
        "Outputs": {"BucketName": {"Value": {"Ref": "Bucket"}}},
    })
}

/// The definition in pieces around the ARNs, as the CDK writes it.
fn definition_string() -> Value {
    let text = machine().to_string();
    let (before, rest) = text.split_once("TOY_ARN").unwrap_or_default();
    let (between, after) = rest.split_once("QUEUE_ARN").unwrap_or_default();
    let toy = json!({"Fn::GetAtt": ["Toy", "Arn"]});
    let queue = json!({"Fn::GetAtt": ["Queue", "JobQueueArn"]});
    json!({"Fn::Join": ["", [before, toy, between, queue, after]]})
}

fn job_definition() -> Value {
    json!({"Type": "AWS::Batch::JobDefinition", "Properties": {
        "Type": "container", "JobDefinitionName": "toy-job", "PlatformCapabilities": ["FARGATE"],
        "Timeout": {"AttemptDurationSeconds": 120},
        "RetryStrategy": {"Attempts": 3, "EvaluateOnExit": [
            {"OnExitCode": "12", "Action": "RETRY"},
            {"OnStatusReason": "Task failed to start*", "Action": "RETRY"},
            {"OnReason": "*", "Action": "EXIT"},
        ]},
        "ContainerProperties": {
            "Image": "toy", "Environment": [
                {"Name": "PLAN", "Value": "exit-0"}, {"Name": "AUTODUMP_SCRATCH", "Value": "/scratch"}],
            "ResourceRequirements": [{"Type": "VCPU", "Value": "1"}, {"Type": "MEMORY", "Value": "2048"}],
            "MountPoints": [{"ContainerPath": "/scratch", "SourceVolume": "scratch"}],
            "Volumes": [{"Name": "scratch", "Host": {}}],
        },
    }})
}

/// Everything that the real definition leans on: Wait until a path, an error's JSON read again, a
/// cause that is put together, a result that is picked apart.
fn machine() -> Value {
    json!({"StartAt": "Wait", "States": {
        "Wait": {"Type": "Wait", "TimestampPath": "$.when", "Next": "Check"},
        "Check": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "TOY_ARN", "Payload": {"tagHash.$": "$.tagHash", "fail.$": "$.fail"}},
            "ResultSelector": {"execute.$": "$.Payload.execute"}, "ResultPath": "$.check",
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.checkError", "Next": "Check failed"}],
            "Next": "Unchanged?"},
        "Check failed": {"Type": "Fail", "ErrorPath": "$.checkError.Error", "CausePath": "$.checkError.Cause"},
        "Unchanged?": {"Type": "Choice", "Default": "Ended", "Choices":
            [{"Variable": "$.check.execute", "BooleanEquals": true, "Next": "Dump"}]},
        "Ended": {"Type": "Succeed"},
        "Dump": {"Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync",
            "Parameters": {"JobName": "toy", "JobQueue": "QUEUE_ARN", "JobDefinition": "toy-job",
                "ContainerOverrides": {
                    "Environment": [{"Name": "PLAN", "Value.$": "$.plan"},
                        {"Name": "EXECUTION", "Value.$": "$$.Execution.Id"}],
                    "ResourceRequirements": [{"Type": "VCPU", "Value.$": "$.job.vcpu"},
                        {"Type": "MEMORY", "Value.$": "$.job.memory"}]}},
            "ResultSelector": {"jobId.$": "$.JobId"}, "ResultPath": "$.dump",
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.dumpError", "Next": "From Batch?"}],
            "Next": "Done"},
        "From Batch?": {"Type": "Choice", "Default": "Not from Batch", "Choices":
            [{"Variable": "$.dumpError.Cause", "StringMatches": "{*\"Container\"*}", "Next": "Read"}]},
        "Not from Batch": {"Type": "Fail", "ErrorPath": "$.dumpError.Error", "CausePath": "$.dumpError.Cause"},
        "Read": {"Type": "Pass", "Parameters": {"job.$": "States.StringToJson($.dumpError.Cause)"},
            "ResultPath": "$.failed", "Next": "Which?"},
        "Which?": {"Type": "Choice", "Default": "Other", "Choices": [{"And": [
            {"Variable": "$.failed.job.Container.ExitCode", "IsPresent": true},
            {"Variable": "$.failed.job.Container.ExitCode", "NumericEquals": 10}], "Next": "Configuration"}]},
        "Configuration": {"Type": "Fail", "Error": "Toy.Configuration", "CausePath":
            "States.Format('exit {}, {}, log {}', $.failed.job.Container.ExitCode, $.failed.job.StatusReason, \
             $.failed.job.Container.LogStreamName)"},
        "Other": {"Type": "Fail", "Error": "Toy.Other", "CausePath": "$.dumpError.Cause"},
        "Done": {"Type": "Succeed"},
    }})
}
