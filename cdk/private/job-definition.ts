import { Duration, Size } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

/** What all jobs have in common. */
export interface CommonJobProps {
  readonly architecture: Architecture;
  readonly assignPublicIp: boolean;
  readonly executionRole: iam.IRole;
  readonly logGroup: logs.ILogGroup;
}

/** What a job has of its own. */
export interface OwnJobProps {
  readonly jobDefinitionName: string;
  readonly image: ecs.ContainerImage;
  readonly role: iam.IRole;
  readonly environment: { readonly [name: string]: string };
  readonly streamPrefix: string;
  /** Of one attempt. */
  readonly timeout: Duration;
  /** Whether a job that ran and failed is started again, where that can help. */
  readonly repeatable: boolean;
  /** Fargate's own size if it is not given. */
  readonly scratchSize?: Size;
}

/** The user and the group in the image: no one. */
const USER = '65532:65532';
/** The one place that a job can write to. */
const SCRATCH = '/scratch';
/** How often Batch starts a job that failed with something a retry can help. */
const ATTEMPTS = 3;

/** The definition of one of AutoDump's jobs on Fargate. */
export class JobDefinition extends batch.EcsJobDefinition {
  /** The longest that a job may take from its submission: all attempts, and a day of waiting. */
  readonly timeLimit: Duration;

  constructor(scope: Construct, id: string, props: CommonJobProps & OwnJobProps) {
    super(scope, id, {
      jobDefinitionName: props.jobDefinitionName,
      container: makeContainer(scope, props),
      timeout: props.timeout,
      retryAttempts: ATTEMPTS,
      retryStrategies: retryStrategies(props.repeatable),
      propagateTags: true,
    });
    // The CDK writes `Host: {}`, and on Fargate Batch wants no such field.
    const resource = this.node.defaultChild as batch.CfnJobDefinition;
    resource.addPropertyDeletionOverride('ContainerProperties.Volumes.0.Host');
    // An attempt that did not start has taken none of its time.
    const attempts = props.repeatable ? ATTEMPTS : 1;
    const seconds = attempts * Math.ceil(props.timeout.toSeconds({ integral: false }));
    this.timeLimit = Duration.seconds(seconds).plus(Duration.days(1));
  }
}

function makeContainer(
  scope: Construct,
  props: CommonJobProps & OwnJobProps,
): batch.EcsFargateContainerDefinition {
  const arm = props.architecture.name === Architecture.ARM_64.name;
  return new batch.EcsFargateContainerDefinition(scope, 'Container', {
    image: props.image,
    // The smallest size. Each execution overrides both.
    cpu: 1,
    memory: Size.mebibytes(2048),
    // An image of somebody's own need not say where it can write.
    environment: { ...props.environment, AUTODUMP_SCRATCH: SCRATCH },
    jobRole: props.role,
    executionRole: props.executionRole,
    logging: ecs.LogDriver.awsLogs({ logGroup: props.logGroup, streamPrefix: props.streamPrefix }),
    user: USER,
    readonlyRootFilesystem: true,
    // On Fargate, a volume without a path of the host is the task's own disk, and goes with it.
    volumes: [batch.EcsVolume.host({ name: 'scratch', containerPath: SCRATCH })],
    ephemeralStorageSize: props.scratchSize,
    fargateCpuArchitecture: arm ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
    fargateOperatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
    assignPublicIp: props.assignPublicIp,
  });
}

/**
 * Batch takes five conditions at most, and retries what none of them matches: so the last ends all.
 * `13*` is the exit code 13, and also 137, of a program that was killed.
 */
function retryStrategies(repeatable: boolean): batch.RetryStrategy[] {
  const retry = (reason: batch.CustomReason) =>
    batch.RetryStrategy.of(batch.Action.RETRY, batch.Reason.custom(reason));
  return [
    ...(repeatable ? ['12', '13*', '143'].map((onExitCode) => retry({ onExitCode })) : []),
    retry({ onStatusReason: 'Task failed to start*' }),
    batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom({ onReason: '*' })),
  ];
}
