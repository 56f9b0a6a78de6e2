import { Annotations, Arn, ArnFormat, Duration, Names, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { allBackups, allowExports, BackupBucket, Backups, grantReadBackups } from './bucket';
import { makeHash, makePlanner, makeScanner, makeSnapshots } from './functions';
import { jobImages } from './image';
import { Jobs } from './job';
import { functionMetric } from './metrics';
import {
  checkDatabaseLogin,
  checkMaxvCpus,
  checkOwnBucket,
  checkRetention,
  checkScanInterval,
  checkScratchSize,
  checkSources,
  checkTagPrefix,
  checkTimeout,
} from './private/checks';
import { allow } from './private/role';
import { rolesOf } from './private/sources';
import { AutoDumpProps } from './props';
import { RestoreStateMachine } from './restore-state-machine';
import { Rules } from './rules';
import { SnapshotExport } from './snapshot-export';
import { DumpStateMachine } from './state-machine';
import { UndoStateMachine } from './undo-state-machine';

/** The most characters that the name of a state machine has. */
const NAME_LENGTH = 80;
/** The vCPUs of the largest `size`. With fewer, such a job never starts. */
const LARGEST_JOB_VCPUS = 8;

/**
 * Backs up every database whose secret bears a schedule tag, every DynamoDB table that bears one, and, by
 * snapshots, every RDS instance and Aurora cluster that bears one, to S3, each on its own schedule, verifies
 * the backups of those that ask for it, and restores a backup when it is told to.
 *
 * Nothing runs between the dumps, but for a short scan of the tags.
 */
export class AutoDump extends Construct implements ec2.IConnectable {
  /** The network connections of the jobs: `connections.allowToDefaultPort(database)`. */
  public readonly connections: ec2.Connections;
  /** The bucket that the backups are written to. */
  public readonly bucket: s3.IBucket;
  /**
   * The state machine: one execution is one run of one target. The name of an execution becomes the
   * name of its job: one that is started by hand needs a name of letters, digits, `-` and `_`, and
   * the first must be a letter or a digit.
   */
  public readonly stateMachine: sfn.StateMachine;
  /**
   * The state machine of restores: one execution restores one backup into one database or table, which
   * must bear the tag `<tagPrefix>:restore-target`. AutoDump itself starts none: a run copies a table
   * that bears the tag `<tagPrefix>:replicate` by itself, with the same job.
   *
   * Its input is `{"manifest": "s3://…/manifest.json", "to": "<name or ARN>"}`, and
   * may have `"options": {…}` and `"job": {"vcpu": "2", "memory": "4096"}`. What is said of names of
   * executions of `stateMachine` holds here too.
   */
  public readonly restoreStateMachine: sfn.StateMachine;
  /** The queue of the jobs. */
  public readonly jobQueue: batch.JobQueue;
  /** The definition of the dump job. */
  public readonly jobDefinition: batch.EcsJobDefinition;
  /** The definition of the job that verifies a backup. */
  public readonly verifyJobDefinition: batch.EcsJobDefinition;
  /** The definition of the job that restores a backup. */
  public readonly restoreJobDefinition: batch.EcsJobDefinition;
  /** The role of the dump job. It can write backups, but not read or delete them. It is also that of tables. */
  public readonly jobRole: iam.IRole;
  /**
   * The role of the verification job. It can read backups and write what it found beside them. It
   * can read no secret.
   */
  public readonly verifyJobRole: iam.IRole;
  /**
   * The role of the restore job, be it to replicate a table. It can read backups, and the secrets that
   * bear the tag `<tagPrefix>:restore-target`. It can make tables, and write into those that bear that tag.
   */
  public readonly restoreJobRole: iam.IRole;
  /** The function that finds the targets and starts executions. */
  public readonly scannerFunction: lambda.Function;
  /** The function that tells whether a target's tags have changed. */
  public readonly hashFunction: lambda.Function;
  /** The function that decides how a table is backed up, and follows its export. */
  public readonly plannerFunction: lambda.Function;
  /** The function that takes the steps of a backup by snapshot; only with the prop `snapshots`. */
  public readonly snapshotsFunction?: lambda.Function;
  /** The role by which RDS writes exports of snapshots into the bucket; only with the prop `snapshots`. */
  public readonly exportRole?: iam.IRole;
  /** The key that RDS encrypts exports with: who reads them must be able to decrypt. Only with the prop `snapshots`. */
  public readonly exportKey?: kms.IKey;
  /**
   * The state machine that removes what a stopped or failed run of a database of RDS has left there; only
   * with the prop `snapshots`. AutoDump starts it by itself. Set an alarm on its failures (`metricFailed`).
   */
  public readonly undoStateMachine?: sfn.StateMachine;
  /** The log group of the functions, the jobs and the failed executions. */
  public readonly logGroup: logs.LogGroup;
  /**
   * The name of this AutoDump: of its state machine, and in the dimension `Name` of its metrics.
   * Those of the state machines of restores and of undoing are this one with `-restore` and `-undo`,
   * shortened where they would have more than 80 characters.
   */
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
    this.name = uniqueName(this, NAME_LENGTH);

    this.logGroup = makeLogGroup(this, settings);
    this.bucket = props.bucket ?? new BackupBucket(this, 'Bucket', settings);
    this.backups = allBackups(this.bucket, settings);
    const securityGroups = props.securityGroups ?? [this.makeSecurityGroup(props.vpc)];
    this.connections = new ec2.Connections({ securityGroups });
    const secretsArn = this.arn('secretsmanager', 'secret', '*');
    const { backups, bucket, logGroup } = this;
    const common = { ...settings, name: this.name, backups, bucket, logGroup, secretsArn };
    const stateMachineArn = this.arn('states', 'stateMachine', this.name);
    this.scannerFunction = makeScanner(this, 'Scanner', { ...common, stateMachineArn });
    this.hashFunction = makeHash(this, 'Hash', common);
    this.plannerFunction = makePlanner(this, 'Planner', common);
    if (props.snapshots) {
      const given = { ...common, ...props.snapshots };
      const snapshotExport = new SnapshotExport(this, 'Export', given);
      ({ role: this.exportRole, key: this.exportKey } = snapshotExport);
      this.snapshotsFunction = makeSnapshots(this, 'Snapshots', { ...common, snapshotExport });
    }
    allowExports(this, this.backups[0], rolesOf(settings.sources));
    const images = jobImages(this, settings.architecture, props);
    const jobs = new Jobs(this, 'Job', { ...common, securityGroups, images });
    this.jobQueue = jobs.queue;
    ({ definition: this.jobDefinition, role: this.jobRole } = jobs.dump);
    ({ definition: this.verifyJobDefinition, role: this.verifyJobRole } = jobs.verify);
    ({ definition: this.restoreJobDefinition, role: this.restoreJobRole } = jobs.restore);
    this.stateMachine = this.makeStateMachine(jobs);
    this.restoreStateMachine = this.makeRestoreStateMachine(jobs);
    this.undoStateMachine = this.makeUndoStateMachine();
    this.makeRules(settings);
  }

  /**
   * Allows the grantee to list the backups in all buckets, to read them, and to decrypt them.
   *
   * @param grantee who shall be able to restore without AutoDump
   */
  public grantRead(grantee: iam.IGrantable): iam.Grant {
    return grantReadBackups(this.backups, grantee, this.exportKey);
  }

  /**
   * Allows the grantee to start restores, to follow them, and to stop them. The grantee decides
   * which backup goes into which of the databases and tables that bear the tag
   * `<tagPrefix>:restore-target`, but gets neither the backups nor the secrets nor the tables.
   *
   * @param grantee who shall be able to restore
   */
  public grantRestore(grantee: iam.IGrantable): iam.Grant {
    const machine = this.restoreStateMachine;
    return machine
      .grantStartExecution(grantee)
      .combine(
        machine.grantExecution(
          grantee,
          'states:DescribeExecution',
          'states:GetExecutionHistory',
          'states:StopExecution',
        ),
      );
  }

  /**
   * Allows the dump jobs and the restore jobs to log in to a database with IAM database
   * authentication. Its secret says `"authentication": "iam"`, and needs no password.
   *
   * @param resourceId the resource id of the RDS instance (`db-…`), of the Aurora cluster
   * (`cluster-…`) or of the RDS Proxy (`prx-…`); `*` stands for each of this account and region
   * @param username the name of the database's user, to whom `rds_iam` is granted
   */
  public allowDatabaseLogin(resourceId: string, username: string): void {
    checkDatabaseLogin(resourceId, username);
    const user = this.arn('rds-db', 'dbuser', `${resourceId}/${username}`);
    for (const role of [this.jobRole, this.restoreJobRole]) {
      role.addToPrincipalPolicy(allow(['rds-db:connect'], [user]));
    }
  }

  /**
   * The number of runs that the scanner started.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricTargetsStarted(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return functionMetric(this, this.name, 'TargetsStarted', options);
  }

  /**
   * The number of targets that the scanner rejected for a wrong tag. Such a target is not backed
   * up: set an alarm on this one.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricTargetsRejected(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return functionMetric(this, this.name, 'TargetsRejected', options);
  }

  /**
   * The number of targets whose next run could not be started, though nothing is wrong with them.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricTargetsFailed(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return functionMetric(this, this.name, 'TargetsFailed', options);
  }

  /**
   * The number of executions that failed: no backup, or one that is damaged or not verified, or a
   * table is not replicated, or snapshots are not pruned, or the next run is not scheduled. Set an
   * alarm on this one.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricExecutionsFailed(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.stateMachine.metricFailed(options);
  }

  /**
   * The number of executions that succeeded. One that ended because the tags had changed is among
   * them, and one that ended as `Backup complete, with warnings`: RDS may have left out tables.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricExecutionsSucceeded(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.stateMachine.metricSucceeded(options);
  }

  /**
   * The number of tables that RDS left out of exports of snapshots. Set an alarm on this one: such a
   * backup counts as a success, and so do the next ones.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricTablesSkipped(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return functionMetric(this, this.name, 'TablesSkipped', options);
  }

  /**
   * The number of restores that failed. The copies of tables that bear the tag `<tagPrefix>:replicate`
   * are part of their runs, and not among them.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricRestoresFailed(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.restoreStateMachine.metricFailed(options);
  }

  /**
   * The number of scans that ended with an error. The next one tries again.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricScannerErrors(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.scannerFunction.metricErrors(options);
  }

  private makeStateMachine(jobs: Jobs): DumpStateMachine {
    const stateMachine = new DumpStateMachine(this, 'StateMachine', {
      stateMachineName: this.name,
      scanner: this.scannerFunction,
      hash: this.hashFunction,
      planner: this.plannerFunction,
      snapshots: this.snapshotsFunction,
      dump: jobs.toRun(jobs.dump),
      verify: jobs.toRun(jobs.verify),
      restore: jobs.toRun(jobs.restore),
      logGroup: this.logGroup,
    });
    // It knows the definitions by their names alone.
    const { jobDefinition, restoreJobDefinition, verifyJobDefinition } = this;
    stateMachine.node.addDependency(jobDefinition, verifyJobDefinition, restoreJobDefinition);
    return stateMachine;
  }

  private makeRestoreStateMachine(jobs: Jobs): RestoreStateMachine {
    const stateMachine = new RestoreStateMachine(this, 'RestoreStateMachine', {
      stateMachineName: nameWith(this, '-restore'),
      restore: jobs.toRun(jobs.restore),
      logGroup: this.logGroup,
    });
    stateMachine.node.addDependency(this.restoreJobDefinition);
    return stateMachine;
  }

  private makeUndoStateMachine(): UndoStateMachine | undefined {
    const { logGroup, snapshotsFunction: snapshots, stateMachine: runs } = this;
    if (!snapshots) return undefined;
    const stateMachineName = nameWith(this, '-undo');
    return new UndoStateMachine(this, 'UndoStateMachine', {
      stateMachineName,
      snapshots,
      runs,
      logGroup,
    });
  }

  private makeRules(settings: Settings): void {
    const rules = new Rules(this, 'Rules', { ...settings, scanner: this.scannerFunction });
    // A scan can start nothing before the state machine is there.
    rules.node.addDependency(this.stateMachine);
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

function uniqueName(scope: Construct, maxLength: number): string {
  return Names.uniqueResourceName(scope, { maxLength, separator: '-' });
}

/** The name of the construct with this end; where that is too long, a shorter one with it. */
function nameWith(scope: Construct, end: string): string {
  return `${uniqueName(scope, NAME_LENGTH - end.length)}${end}`;
}

function makeLogGroup(scope: Construct, settings: Settings): logs.LogGroup {
  const { logRetention: retention, removalPolicy } = settings;
  return new logs.LogGroup(scope, 'Logs', { retention, removalPolicy });
}

type Settings = ReturnType<typeof withDefaults>;

/** The props, with the documented default for each that has the same one everywhere. */
function withDefaults(props: AutoDumpProps) {
  return {
    ...props,
    additionalBuckets: props.additionalBuckets ?? [],
    architecture: props.architecture ?? lambda.Architecture.X86_64,
    dumpTimeout: props.dumpTimeout ?? Duration.hours(24),
    logRetention: props.logRetention ?? logs.RetentionDays.THREE_MONTHS,
    maxvCpus: props.maxvCpus ?? 64,
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
    restoreTimeout: props.restoreTimeout ?? Duration.days(3),
    retention: props.retention ?? Duration.days(35),
    scanInterval: props.scanInterval ?? Duration.hours(1),
    sources: props.sources ?? [],
    tagPrefix: props.tagPrefix ?? 'autodump',
  };
}

function checkProps(scope: Construct, props: AutoDumpProps): void {
  checkOwnBucket({ ...props });
  if (props.tagPrefix !== undefined) checkTagPrefix(props.tagPrefix);
  if (props.scanInterval) checkScanInterval(props.scanInterval);
  if (props.retention) checkRetention(props.retention);
  if (props.dumpTimeout) checkTimeout('dumpTimeout', props.dumpTimeout);
  if (props.restoreTimeout) checkTimeout('restoreTimeout', props.restoreTimeout);
  if (props.scratchSize) checkScratchSize(props.scratchSize);
  if (props.sources) checkSources(props.sources, Stack.of(scope).region);
  if (props.maxvCpus === undefined) return;
  checkMaxvCpus(props.maxvCpus);
  if (props.maxvCpus < LARGEST_JOB_VCPUS) {
    Annotations.of(scope).addWarningV2(
      'cdk-autodump:maxvCpus',
      `\`maxvCpus\` is ${props.maxvCpus}, but a target of the largest size needs ${LARGEST_JOB_VCPUS}: its job would never start.`,
    );
  }
}
