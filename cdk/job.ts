import { Duration, Size } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { CommonJobProps, JobDefinition } from './private/job-definition';
import {
  BackupAccess,
  continueTables,
  readObjects,
  readSecrets,
  SecretAccess,
  writeObjects,
} from './private/job-statements';
import { JobToRun } from './private/job-step';
import { DATABASES, TABLES } from './private/layout';
import { hasPublicIp, makeExecutionRole, makeQueue, QueueProps } from './private/queue';
import { OwnRole } from './private/role';
import { assumeRoles, ownTables, sourcesVariable, TableAccess } from './private/sources';

export interface JobsProps extends QueueProps, SecretAccess, TableAccess {
  readonly architecture: Architecture;
  readonly images: { readonly dumper: ecs.ContainerImage; readonly verifier: ecs.ContainerImage };
  /** The name of the dump's definition, and what the names of the others start with. */
  readonly name: string;
  readonly dumpTimeout: Duration;
  readonly restoreTimeout: Duration;
  readonly scratchSize?: Size;
  readonly logGroup: logs.ILogGroup;
  /** The bucket of the dumps whose secret names none. It is also the first of `backups`. */
  readonly bucket: s3.IBucket;
  /** All buckets that backups lie in, each with the key that uploads use. */
  readonly backups: BackupAccess;
  /** The key that the jobs name in each upload to `bucket`. */
  readonly encryptionKey?: kms.IKey;
}

/** The most that Fargate has: a verification restores the whole database there. */
const VERIFY_SCRATCH = Size.gibibytes(200);

/** A definition, its name, and the role that its program acts with. */
export interface Job {
  readonly name: string;
  readonly definition: JobDefinition;
  readonly role: iam.Role;
}

/** What AutoDump runs on Fargate: one queue of Batch, and the definitions of its three jobs. */
export class Jobs extends Construct {
  readonly queue: batch.JobQueue;
  readonly dump: Job;
  readonly verify: Job;
  readonly restore: Job;

  constructor(scope: Construct, id: string, props: JobsProps) {
    super(scope, id);
    this.queue = makeQueue(this, props);
    const common = {
      architecture: props.architecture,
      assignPublicIp: hasPublicIp(props),
      executionRole: makeExecutionRole(this),
      logGroup: props.logGroup,
    };
    this.dump = makeDump(this, props, common);
    this.verify = makeVerify(new Construct(this, 'Verify'), props, common);
    this.restore = makeRestore(new Construct(this, 'Restore'), props, common);
  }

  /** What a state machine has to know to run the job. */
  toRun({ name, definition }: Job): JobToRun {
    const { jobQueueArn } = this.queue;
    return { jobQueueArn, jobDefinitionName: name, timeLimit: definition.timeLimit };
  }
}

/** The pattern of keys that have this end, below each of the prefixes. */
function below(prefixes: string[], end: string): string[] {
  return prefixes.map((prefix) => `${prefix}${end}`);
}

/** Can neither read nor delete a backup, and list none of a database. */
function makeDump(scope: Construct, props: JobsProps, common: CommonJobProps): Job {
  const { name } = props;
  const hasSchedule = {
    Null: { [`aws:ResourceTag/${props.tagPrefix}:start-schedule`]: 'false' },
  };
  const role = new OwnRole(scope, 'Role', {
    assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
    description: 'AutoDump: reads one tagged secret or table, and writes one backup',
    statements: [
      ...readSecrets(scope, props, hasSchedule),
      ...writeObjects(props.backups, ...below(DATABASES, '*')),
      ...ownTables(scope, props).scan(),
      ...continueTables(props.backups),
      ...assumeRoles(props),
    ],
    wildcards: 'Targets are found by their tags, and the keys of backups hold the time.',
  });
  const definition = new JobDefinition(scope, 'Definition', {
    ...common,
    jobDefinitionName: name,
    image: props.images.dumper,
    role,
    environment: {
      AUTODUMP_BUCKET: props.bucket.bucketName,
      AUTODUMP_TAG_PREFIX: props.tagPrefix,
      ...keyOf(props),
      ...sourcesVariable(scope, props),
    },
    streamPrefix: 'dumper',
    timeout: props.dumpTimeout,
    repeatable: true,
    scratchSize: props.scratchSize,
  });
  return { name, definition, role };
}

/** Needs neither a secret nor the database. */
function makeVerify(scope: Construct, props: JobsProps, common: CommonJobProps): Job {
  const name = `${props.name}-verify`;
  const role = new OwnRole(scope, 'Role', {
    assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
    description: 'AutoDump: reads the backup of one run and writes what it found beside it',
    statements: [
      ...readObjects(props.backups, ...below([...DATABASES, TABLES], '*')),
      ...writeObjects(props.backups, ...below([...DATABASES, TABLES], '*/verification-*.json')),
    ],
    wildcards: 'The keys of backups hold the target and the time.',
  });
  const definition = new JobDefinition(scope, 'Definition', {
    ...common,
    jobDefinitionName: name,
    image: props.images.verifier,
    role,
    environment: {
      AUTODUMP_VERB: 'verify',
      AUTODUMP_BUCKETS: props.backups.map(({ bucket }) => bucket.bucketName).join(' '),
      ...keyOf(props),
    },
    streamPrefix: 'verify',
    timeout: props.dumpTimeout,
    repeatable: true,
    scratchSize: props.scratchSize ?? VERIFY_SCRATCH,
  });
  return { name, definition, role };
}

/**
 * Can write to no bucket, reads only secrets whose database may be written into, and writes only into
 * tables that say so.
 */
function makeRestore(scope: Construct, props: JobsProps, common: CommonJobProps): Job {
  const name = `${props.name}-restore`;
  const isTarget = {
    StringEquals: { [`aws:ResourceTag/${props.tagPrefix}:restore-target`]: 'yes' },
  };
  const role = new OwnRole(scope, 'Role', {
    assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
    description: 'AutoDump: reads backups, and writes into what says that it may be restored into',
    statements: [
      ...readSecrets(scope, props, isTarget),
      ...readObjects(props.backups, ...below([...DATABASES, TABLES], '*')),
      ...ownTables(scope, props).restore(),
      ...assumeRoles(props),
    ],
    wildcards: 'Who starts a restore names the secret or the table, and the backup.',
  });
  const definition = new JobDefinition(scope, 'Definition', {
    ...common,
    jobDefinitionName: name,
    image: props.images.dumper,
    role,
    environment: {
      AUTODUMP_VERB: 'restore',
      AUTODUMP_TAG_PREFIX: props.tagPrefix,
      ...sourcesVariable(scope, props),
    },
    streamPrefix: 'restore',
    timeout: props.restoreTimeout,
    // What the first attempt has loaded is there: a second one would find it, or load it twice.
    repeatable: false,
    scratchSize: props.scratchSize,
  });
  return { name, definition, role };
}

function keyOf({ encryptionKey }: JobsProps): { [name: string]: string } {
  return encryptionKey ? { AUTODUMP_KMS_KEY_ARN: encryptionKey.keyArn } : {};
}
