import { Duration, Validations } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

/** Where jobs run. */
export interface QueueProps {
  readonly vpc: ec2.IVpc;
  readonly vpcSubnets?: ec2.SubnetSelection;
  readonly assignPublicIp?: boolean;
  readonly securityGroups: ec2.ISecurityGroup[];
  readonly maxvCpus: number;
}

/** A queue of Batch, with an environment of its own on Fargate. */
export function makeQueue(scope: Construct, props: QueueProps): batch.JobQueue {
  const environment = new batch.FargateComputeEnvironment(scope, 'ComputeEnvironment', {
    vpc: props.vpc,
    vpcSubnets: props.vpcSubnets,
    securityGroups: props.securityGroups,
    maxvCpus: props.maxvCpus,
  });
  return new batch.JobQueue(scope, 'Queue', {
    computeEnvironments: [{ computeEnvironment: environment, order: 1 }],
    jobStateTimeLimitActions: cancelMisfits(),
  });
}

/** Whether a job gets a public address: in a public subnet it reaches nothing without one. */
export function hasPublicIp({ assignPublicIp, vpc, vpcSubnets }: QueueProps): boolean {
  return assignPublicIp ?? vpc.selectSubnets(vpcSubnets).hasPublic;
}

/** The role that Fargate itself takes for a job. */
export function makeExecutionRole(scope: Construct): iam.Role {
  const role = new iam.Role(scope, 'ExecutionRole', {
    assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
    description: 'AutoDump: pulls the images of the jobs and writes their logs',
  });
  Validations.of(role).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason: 'ECR gives a token for all of a registry: docs/iam.md lists the action.',
  });
  return role;
}

/**
 * A job that no computer can ever take blocks the head of the queue: it is cancelled after the
 * shortest time that Batch allows. Batch tells a want of capacity only for EC2, not for Fargate:
 * there the time limit of the execution's step ends the job.
 */
function cancelMisfits(): batch.JobStateTimeLimitAction[] {
  return [
    batch.JobStateTimeLimitActionsReason.COMPUTE_ENVIRONMENT_MAX_RESOURCE,
    batch.JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT,
  ].map((reason) => ({
    action: batch.JobStateTimeLimitActionsAction.CANCEL,
    maxTime: Duration.minutes(10),
    reason,
    state: batch.JobStateTimeLimitActionsState.RUNNABLE,
  }));
}
