import { Annotations, Arn, ArnFormat, Duration, Names, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { allBackups, BackupBucket, Backups, grantReadBackups } from './bucket';
import { makeHash, makeScanner } from './functions';
import { builtImage } from './image';
import { DumpJob } from './job';
import { scannerMetric } from './metrics';
import {
  checkDumpTimeout,
  checkMaxvCpus,
  checkOwnBucket,
  checkRetention,
  checkScanInterval,
  checkTagPrefix,
} from './private/checks';
import { Rules } from './rules';
import { DumpStateMachine } from './state-machine';

/** Everything that the PostgreSQL dumper writes lies below this. */
const KEY_PREFIX = 'postgres/';
/** The vCPUs of the largest `size`. With fewer, such a job never starts. */
const LARGEST_JOB_VCPUS = 8;

/**
 * What an AutoDump can be told. Only `vpc` is required.
 */
export interface AutoDumpProps {
  /**
   * The network in which the dump jobs run. They must reach the databases from it.
   */
  readonly vpc: ec2.IVpc;

  /**
   * The subnets in which the dump jobs run.
   *
   * A job must reach ECR (or the registry of `image`), S3, Secrets Manager and CloudWatch Logs:
   * over a NAT gateway, or, in isolated subnets, over VPC endpoints (`ecr.api`, `ecr.dkr`, `logs`,
   * `secretsmanager`, and the gateway endpoint of S3).
   *
   * @default - the private subnets with egress; if the VPC has none, the isolated ones; if it has
   * none of those either, the public ones
   */
  readonly vpcSubnets?: ec2.SubnetSelection;

  /**
   * Whether a dump job gets a public IP address. In a public subnet a job reaches nothing without
   * one.
   *
   * @default - true if public subnets are selected, else false
   */
  readonly assignPublicIp?: boolean;

  /**
   * The security groups of the dump jobs.
   *
   * @default - one is made, which allows all outbound traffic and no inbound traffic
   */
  readonly securityGroups?: ec2.ISecurityGroup[];

  /**
   * The bucket that the backups are written to, below `postgres/`. Its life cycle is yours: it
   * should expire the backups, and abort incomplete multipart uploads, but not before
   * `dumpTimeout` is over. One that is imported and encrypted with a KMS key must be imported with
   * its `encryptionKey` (`Bucket.fromBucketAttributes`), or the dump jobs may not use the key.
   *
   * @default - one is made: private, encrypted, TLS only, and kept when the stack is deleted
   */
  readonly bucket?: s3.IBucket;

  /**
   * The name of the bucket that is made. Cannot be given together with `bucket`.
   *
   * @default - CloudFormation makes one up
   */
  readonly bucketName?: string;

  /**
   * The KMS key that backups are encrypted with. It is the default key of a bucket that is made,
   * and the dump jobs name it in every upload to `bucket`; in `additionalBuckets`, the encryption
   * of the bucket itself holds. A key of another account must itself allow the job's role to use it.
   *
   * @default - a backup is encrypted as its bucket says; a bucket that is made uses S3's own keys
   */
  readonly encryptionKey?: kms.IKey;

  /**
   * How long the bucket that is made keeps a backup: whole days. Cannot be given together with
   * `bucket`.
   *
   * It should be longer than the longest time between two runs, or there are days with no backup.
   *
   * @default Duration.days(35) - so a monthly schedule always has a backup
   */
  readonly retention?: Duration;

  /**
   * More buckets of this region that backups may be written to. A target's secret names one with
   * `bucketname`. What `bucket` says of life cycles and of KMS keys holds for each of these.
   *
   * @default - only `bucket`
   */
  readonly additionalBuckets?: s3.IBucket[];

  /**
   * The KMS keys of the secrets, if the dump jobs shall be allowed to use no other. An empty list
   * fits secrets that use the key of Secrets Manager itself.
   *
   * @default - any key of this account and region, but only through Secrets Manager
   */
  readonly secretEncryptionKeys?: kms.IKey[];

  /**
   * How often all secrets are looked through. A change of tags is normally seen at once; the scan
   * is what finds a target whose event was lost. Whole minutes, at least one.
   *
   * @default Duration.hours(1)
   */
  readonly scanInterval?: Duration;

  /**
   * What the tags start with: with `autodump`, a target bears `autodump:start-schedule`. Two
   * AutoDumps in one account and region need two prefixes.
   *
   * @default 'autodump'
   */
  readonly tagPrefix?: string;

  /**
   * The image of the dump job. It must hold what the image of this package holds.
   *
   * @default - the image is built at deployment from this package's `batch-image/`, with Docker
   */
  readonly image?: ecs.ContainerImage;

  /**
   * The largest number of vCPUs that all dump jobs together use at a time. Jobs over it wait.
   *
   * @default 64
   */
  readonly maxvCpus?: number;

  /**
   * The longest time that one attempt of a dump may take. At its end the job is stopped, nothing
   * of its dump remains, and the execution fails. At most 14 days.
   *
   * @default Duration.hours(24)
   */
  readonly dumpTimeout?: Duration;

  /**
   * The processor of the functions and of the dump jobs. ARM64 costs less; to build its image on
   * another machine, Docker needs emulation.
   *
   * @default Architecture.X86_64
   */
  readonly architecture?: lambda.Architecture;

  /**
   * How long the logs of the functions, the dump jobs and the failed executions are kept.
   *
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * What becomes of the bucket that is made, and of the log group, when they leave the stack. With
   * `DESTROY`, a bucket that still holds backups makes the deletion fail.
   *
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy;
}

/**
 * Dumps every database whose secret bears a schedule tag to S3, each on its own schedule.
 *
 * Nothing runs between the dumps, but for a short scan of the tags.
 */
export class AutoDump extends Construct implements ec2.IConnectable {
  /** The network connections of the dump jobs: `connections.allowToDefaultPort(database)`. */
  public readonly connections: ec2.Connections;
  /** The bucket that the backups are written to. */
  public readonly bucket: s3.IBucket;
  /**
   * The state machine: one execution is one run of one target. The name of an execution becomes the
   * name of its job: one that is started by hand needs a name of letters, digits, `-` and `_`, and
   * the first must be a letter or a digit.
   */
  public readonly stateMachine: sfn.StateMachine;
  /** The queue of the dump jobs. */
  public readonly jobQueue: batch.JobQueue;
  /** The definition of the dump job. */
  public readonly jobDefinition: batch.EcsJobDefinition;
  /** The role of the dump job. It can write backups, but not read or delete them. */
  public readonly jobRole: iam.IRole;
  /** The function that finds the targets and starts executions. */
  public readonly scannerFunction: lambda.Function;
  /** The function that tells whether a target's tags have changed. */
  public readonly hashFunction: lambda.Function;
  /** The log group of the functions, the dump jobs and the failed executions. */
  public readonly logGroup: logs.LogGroup;
  /** The name of this AutoDump: of its state machine, and in the dimension `Name` of its metrics. */
  public readonly name: string;
  /** What the tags start with. */
  public readonly tagPrefix: string;

  private readonly backups: Backups[];

  constructor(scope: Construct, id: string, props: AutoDumpProps) {
    super(scope, id);
    checkProps(this, props);
    const settings = withDefaults(props);
    this.tagPrefix = settings.tagPrefix;
    // Made here, not by CloudFormation: the scanner names the state machine, which names the scanner.
    this.name = Names.uniqueResourceName(this, { maxLength: 80, separator: '-' });

    this.logGroup = new logs.LogGroup(this, 'Logs', {
      retention: settings.logRetention,
      removalPolicy: settings.removalPolicy,
    });
    this.bucket = props.bucket ?? new BackupBucket(this, 'Bucket', settings);
    this.backups = allBackups(this.bucket, settings);
    const securityGroups = props.securityGroups ?? [this.makeSecurityGroup(props.vpc)];
    this.connections = new ec2.Connections({ securityGroups });

    const secretsArn = this.arn('secretsmanager', 'secret', '*');
    const common = { ...settings, secretsArn, logGroup: this.logGroup };
    this.scannerFunction = makeScanner(this, 'Scanner', {
      ...common,
      name: this.name,
      stateMachineArn: this.arn('states', 'stateMachine', this.name),
    });
    this.hashFunction = makeHash(this, 'Hash', common);
    const job = new DumpJob(this, 'Job', {
      ...common,
      securityGroups,
      bucket: this.bucket,
      backups: this.backups,
      keyPrefix: KEY_PREFIX,
      image: props.image ?? builtImage(this, settings.architecture),
      jobDefinitionName: this.name,
    });
    this.jobQueue = job.queue;
    this.jobDefinition = job.definition;
    this.jobRole = job.role;
    this.stateMachine = this.makeStateMachine(job.timeLimit);
    const rules = new Rules(this, 'Rules', { ...settings, scanner: this.scannerFunction });
    // A scan can start nothing before the state machine is there.
    rules.node.addDependency(this.stateMachine);
  }

  /**
   * Allows the grantee to list the backups in all buckets, to read them, and to decrypt them.
   *
   * @param grantee who shall be able to restore
   */
  public grantRead(grantee: iam.IGrantable): iam.Grant {
    return grantReadBackups(this.backups, KEY_PREFIX, grantee);
  }

  /**
   * The number of runs that the scanner started.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricTargetsStarted(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return scannerMetric(this, this.name, 'TargetsStarted', options);
  }

  /**
   * The number of targets that the scanner rejected for a wrong tag. Such a target is not backed
   * up: set an alarm on this one.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricTargetsRejected(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return scannerMetric(this, this.name, 'TargetsRejected', options);
  }

  /**
   * The number of targets whose next run could not be started, though nothing is wrong with them.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricTargetsFailed(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return scannerMetric(this, this.name, 'TargetsFailed', options);
  }

  /**
   * The number of executions that failed: no backup, or the next run is not scheduled. Set an alarm
   * on this one.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricExecutionsFailed(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.stateMachine.metricFailed(options);
  }

  /**
   * The number of executions that succeeded. One that ended because the tags had changed is among
   * them.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricExecutionsSucceeded(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.stateMachine.metricSucceeded(options);
  }

  /**
   * The number of scans that ended with an error. The next one tries again.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricScannerErrors(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.scannerFunction.metricErrors(options);
  }

  private makeStateMachine(dumpTimeLimit: Duration): DumpStateMachine {
    const stateMachine = new DumpStateMachine(this, 'StateMachine', {
      stateMachineName: this.name,
      scanner: this.scannerFunction,
      hash: this.hashFunction,
      jobQueueArn: this.jobQueue.jobQueueArn,
      jobDefinitionName: this.name,
      dumpTimeLimit,
      logGroup: this.logGroup,
    });
    // It knows the definition by its name alone.
    stateMachine.node.addDependency(this.jobDefinition);
    return stateMachine;
  }

  private makeSecurityGroup(vpc: ec2.IVpc): ec2.SecurityGroup {
    return new ec2.SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'AutoDump: the dump jobs',
      allowAllOutbound: true,
    });
  }

  private arn(service: string, resource: string, resourceName: string): string {
    const arnFormat = ArnFormat.COLON_RESOURCE_NAME;
    return Arn.format({ service, resource, resourceName, arnFormat }, Stack.of(this));
  }
}

/** The props, with the documented default for each that is missing. */
function withDefaults(props: AutoDumpProps) {
  return {
    ...props,
    additionalBuckets: props.additionalBuckets ?? [],
    architecture: props.architecture ?? lambda.Architecture.X86_64,
    dumpTimeout: props.dumpTimeout ?? Duration.hours(24),
    logRetention: props.logRetention ?? logs.RetentionDays.THREE_MONTHS,
    maxvCpus: props.maxvCpus ?? 64,
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
    retention: props.retention ?? Duration.days(35),
    scanInterval: props.scanInterval ?? Duration.hours(1),
    tagPrefix: props.tagPrefix ?? 'autodump',
  };
}

function checkProps(scope: Construct, props: AutoDumpProps): void {
  checkOwnBucket({ ...props });
  if (props.tagPrefix !== undefined) checkTagPrefix(props.tagPrefix);
  if (props.scanInterval) checkScanInterval(props.scanInterval);
  if (props.retention) checkRetention(props.retention);
  if (props.dumpTimeout) checkDumpTimeout(props.dumpTimeout);
  if (props.maxvCpus === undefined) return;
  checkMaxvCpus(props.maxvCpus);
  if (props.maxvCpus < LARGEST_JOB_VCPUS) {
    Annotations.of(scope).addWarningV2(
      'cdk-autodump:maxvCpus',
      `\`maxvCpus\` is ${props.maxvCpus}, but a target of the largest size needs ${LARGEST_JOB_VCPUS}: its job would never start.`,
    );
  }
}
