import { Arn, Aws, Duration, Size, Stack, Validations } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { allow, OwnRole } from './private/role';

export interface DumpJobProps {
  readonly vpc: ec2.IVpc;
  readonly vpcSubnets?: ec2.SubnetSelection;
  readonly assignPublicIp?: boolean;
  readonly securityGroups: ec2.ISecurityGroup[];
  readonly maxvCpus: number;
  readonly architecture: Architecture;
  readonly image: ecs.ContainerImage;
  readonly jobDefinitionName: string;
  readonly dumpTimeout: Duration;
  readonly logGroup: logs.ILogGroup;
  readonly tagPrefix: string;
  readonly bucket: s3.IBucket;
  /** All buckets that the job may write to, each with the key that its uploads use. */
  readonly backups: { readonly bucket: s3.IBucket; readonly key?: kms.IKey }[];
  readonly keyPrefix: string;
  /** The key that the job names in each upload to `bucket`. */
  readonly encryptionKey?: kms.IKey;
  readonly secretsArn: string;
  readonly secretEncryptionKeys?: kms.IKey[];
}

/** The user and the group in the image: no one. */
const USER = '65532:65532';
/** How often Batch starts a job that failed with something a retry can help. */
const ATTEMPTS = 3;

/** Where dumps run: a Batch queue on Fargate, and the definition of the job. */
export class DumpJob extends Construct {
  readonly queue: batch.JobQueue;
  readonly definition: batch.EcsJobDefinition;
  readonly role: iam.Role;
  /** The longest that a job may take from its submission: all attempts, and a day of waiting. */
  readonly timeLimit: Duration;

  constructor(scope: Construct, id: string, props: DumpJobProps) {
    super(scope, id);
    const environment = new batch.FargateComputeEnvironment(this, 'ComputeEnvironment', {
      vpc: props.vpc,
      vpcSubnets: props.vpcSubnets,
      securityGroups: props.securityGroups,
      maxvCpus: props.maxvCpus,
    });
    this.queue = new batch.JobQueue(this, 'Queue', {
      computeEnvironments: [{ computeEnvironment: environment, order: 1 }],
      jobStateTimeLimitActions: cancelMisfits(),
    });
    this.role = new OwnRole(this, 'Role', {
      service: 'ecs-tasks.amazonaws.com',
      description: 'AutoDump: reads one tagged secret and writes one backup',
      statements: [...readSecrets(this, props), ...writeBackups(props)],
      wildcards: 'Targets are found by their tags, and the keys of backups hold the time.',
    });
    this.definition = new batch.EcsJobDefinition(this, 'Definition', {
      jobDefinitionName: props.jobDefinitionName,
      container: this.makeContainer(props),
      timeout: props.dumpTimeout,
      retryAttempts: ATTEMPTS,
      retryStrategies: retryStrategies(),
      propagateTags: true,
    });
    const attempts = ATTEMPTS * Math.ceil(props.dumpTimeout.toSeconds({ integral: false }));
    this.timeLimit = Duration.seconds(attempts).plus(Duration.days(1));
  }

  private makeContainer(props: DumpJobProps): batch.EcsFargateContainerDefinition {
    const arm = props.architecture.name === Architecture.ARM_64.name;
    return new batch.EcsFargateContainerDefinition(this, 'Container', {
      image: props.image,
      // The smallest size. Each execution overrides both, as its target's `size` tag says.
      cpu: 1,
      memory: Size.mebibytes(2048),
      environment: {
        AUTODUMP_BUCKET: props.bucket.bucketName,
        AUTODUMP_TAG_PREFIX: props.tagPrefix,
        ...(props.encryptionKey && { AUTODUMP_KMS_KEY_ARN: props.encryptionKey.keyArn }),
      },
      jobRole: this.role,
      executionRole: this.makeExecutionRole(),
      logging: ecs.LogDriver.awsLogs({ logGroup: props.logGroup, streamPrefix: 'dumper' }),
      user: USER,
      readonlyRootFilesystem: true,
      fargateCpuArchitecture: arm ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
      fargateOperatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      assignPublicIp: props.assignPublicIp ?? props.vpc.selectSubnets(props.vpcSubnets).hasPublic,
    });
  }

  private makeExecutionRole(): iam.Role {
    const role = new iam.Role(this, 'ExecutionRole', {
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
      description: 'AutoDump: pulls the image of the dump job and writes its log',
    });
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'ECR gives a token for all of a registry: docs/iam.md lists the action.',
    });
    return role;
  }
}

/** Only secrets that bear the schedule tag, and only what Secrets Manager itself decrypts. */
function readSecrets(scope: Construct, props: DumpJobProps): iam.PolicyStatement[] {
  const anyKey = Arn.format(
    { service: 'kms', resource: 'key', resourceName: '*' },
    Stack.of(scope),
  );
  const statements = [
    allow(['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'], [props.secretsArn], {
      Null: { [`aws:ResourceTag/${props.tagPrefix}:start-schedule`]: 'false' },
    }),
  ];
  const keys = props.secretEncryptionKeys?.map((key) => key.keyArn) ?? [anyKey];
  if (keys.length > 0) statements.push(viaService('secretsmanager', ['kms:Decrypt'], keys));
  return statements;
}

/** New objects below the dumper's own prefix. It can neither read, list nor delete a backup. */
function writeBackups(props: DumpJobProps): iam.PolicyStatement[] {
  const keys = props.backups.flatMap(({ key }) => key ?? []);
  const statements = [
    allow(
      ['s3:PutObject', 's3:AbortMultipartUpload'],
      props.backups.map(({ bucket }) => bucket.arnForObjects(`${props.keyPrefix}*`)),
    ),
  ];
  if (keys.length > 0) {
    // S3 decrypts the data key of a multipart upload for each of its parts.
    const arns = [...new Set(keys.map((key) => key.keyArn))];
    statements.push(viaService('s3', ['kms:GenerateDataKey', 'kms:Decrypt'], arns));
  }
  return statements;
}

function viaService(service: string, actions: string[], resources: string[]): iam.PolicyStatement {
  const value = `${service}.${Aws.REGION}.amazonaws.com`;
  return allow(actions, resources, { StringEquals: { 'kms:ViaService': value } });
}

/** Batch takes five conditions at most, and retries what none of them matches: so the last ends all. */
function retryStrategies(): batch.RetryStrategy[] {
  const retry = (reason: batch.CustomReason) =>
    batch.RetryStrategy.of(batch.Action.RETRY, batch.Reason.custom(reason));
  return [
    retry({ onExitCode: '12' }),
    retry({ onExitCode: '13' }),
    retry({ onExitCode: '143' }),
    retry({ onStatusReason: 'Task failed to start*' }),
    batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom({ onReason: '*' })),
  ];
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
