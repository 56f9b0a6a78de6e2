import { Duration, Stack, Tokenization } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { SnapshotExport, Snapshots } from './private/databases';
import { makeFunction } from './private/function';
import { BackupAccess, planObjects, snapshotObjects } from './private/job-statements';
import { allow, OwnRole, writeLogs } from './private/role';
import {
  assumeRoles,
  ownDatabases,
  ownTables,
  sourcesVariable,
  TableAccess,
} from './private/sources';

export interface HandlerProps extends TableAccess {
  readonly architecture: lambda.Architecture;
  readonly logGroup: logs.ILogGroup;
}

export interface ScannerProps extends HandlerProps {
  /** The dimension `Name` of the scanner's metrics. */
  readonly name: string;
  readonly stateMachineArn: string;
  /** The ARN pattern of the secrets that may be described. */
  readonly secretsArn: string;
}

export interface HashProps extends HandlerProps {
  /** The ARN pattern of the secrets that may be described. */
  readonly secretsArn: string;
}

export interface PlannerProps extends HandlerProps {
  /** The bucket that the backups of tables are written to. It is also the first of `backups`. */
  readonly bucket: s3.IBucket;
  readonly backups: BackupAccess;
  /** The key that is named in each upload to `bucket`. */
  readonly encryptionKey?: kms.IKey;
  /** How many vCPUs the jobs that run at once have together, and how long one may take. */
  readonly maxvCpus: number;
  readonly dumpTimeout: Duration;
}

export interface SnapshotsProps extends HandlerProps {
  /** The dimension `Name` of its metrics. */
  readonly name: string;
  /** The bucket that snapshots are exported into. It is also the first of `backups`. */
  readonly bucket: s3.IBucket;
  readonly backups: BackupAccess;
  /** The key that is named in each upload to `bucket`. */
  readonly encryptionKey?: kms.IKey;
  readonly snapshotExport: SnapshotExport;
}

/** Finds the targets by their tags, and starts an execution for the next run of each. */
export function makeScanner(scope: Construct, id: string, props: ScannerProps): lambda.Function {
  return makeHandler(scope, id, 'scanner', props, {
    description: 'AutoDump: finds tagged secrets, tables and databases, and starts their next runs',
    memorySize: 512,
    timeout: Duration.minutes(15),
    environment: {
      AUTODUMP_NAME: props.name,
      AUTODUMP_TAG_PREFIX: props.tagPrefix,
      AUTODUMP_STATE_MACHINE_ARN: props.stateMachineArn,
      ...sourcesVariable(scope, props),
    },
    statements: [
      allow(['secretsmanager:ListSecrets'], ['*']),
      allow(['secretsmanager:DescribeSecret'], [props.secretsArn]),
      allow(['states:StartExecution'], [props.stateMachineArn]),
      ...ownTables(scope, props).find(),
      ...ownTables(scope, props).describe(),
      ...ownDatabases(scope, props).describe(),
      ...assumeRoles(props),
    ],
  });
}

/** Tells whether a target's tags are still those that its run was made from. */
export function makeHash(scope: Construct, id: string, props: HashProps): lambda.Function {
  return makeHandler(scope, id, 'hash', props, {
    description: "AutoDump: compares a target's tags with those that its run was made from",
    memorySize: 256,
    // Of a table it asks twice, and its client gives up after two minutes: then it can say why.
    timeout: Duration.seconds(270),
    environment: { AUTODUMP_TAG_PREFIX: props.tagPrefix, ...sourcesVariable(scope, props) },
    statements: [
      allow(['secretsmanager:DescribeSecret'], [props.secretsArn]),
      ...ownTables(scope, props).describe(),
      ...ownDatabases(scope, props).describe(),
      ...assumeRoles(props),
    ],
  });
}

/** Decides how a table is backed up, asks for its export, and tells when that is complete. */
export function makePlanner(scope: Construct, id: string, props: PlannerProps): lambda.Function {
  const { bucket, encryptionKey } = props;
  const owner = bucket.env.account;
  const tables = ownTables(scope, props);
  return makeHandler(scope, id, 'planner', props, {
    description: 'AutoDump: plans the backup of a table, and follows its export',
    memorySize: 256,
    timeout: Duration.minutes(15),
    environment: {
      AUTODUMP_BUCKET: bucket.bucketName,
      AUTODUMP_TAG_PREFIX: props.tagPrefix,
      AUTODUMP_MAX_VCPUS: Tokenization.stringifyNumber(props.maxvCpus),
      AUTODUMP_DUMP_TIMEOUT: `${Math.ceil(props.dumpTimeout.toSeconds({ integral: false }))}`,
      ...(encryptionKey ? { AUTODUMP_KMS_KEY_ARN: encryptionKey.keyArn } : {}),
      ...(owner === Stack.of(scope).account ? {} : { AUTODUMP_BUCKET_OWNER: owner }),
      ...sourcesVariable(scope, props),
    },
    statements: [
      ...tables.describe(),
      ...tables.plan(),
      ...planObjects(props.backups),
      ...assumeRoles(props),
    ],
  });
}

/** Takes the steps of a backup by snapshot, one each time it is called. */
export function makeSnapshots(
  scope: Construct,
  id: string,
  props: SnapshotsProps,
): lambda.Function {
  const { bucket, encryptionKey, snapshotExport } = props;
  const snapshots = new Snapshots(scope, props.tagPrefix);
  return makeHandler(scope, id, 'snapshots', props, {
    description: 'AutoDump: makes, exports and prunes the snapshots of a database of RDS',
    memorySize: 256,
    timeout: Duration.minutes(15),
    environment: {
      AUTODUMP_NAME: props.name,
      AUTODUMP_BUCKET: bucket.bucketName,
      AUTODUMP_TAG_PREFIX: props.tagPrefix,
      AUTODUMP_EXPORT_ROLE_ARN: snapshotExport.role.roleArn,
      AUTODUMP_EXPORT_KEY_ARN: snapshotExport.key.keyArn,
      ...(encryptionKey ? { AUTODUMP_KMS_KEY_ARN: encryptionKey.keyArn } : {}),
      ...sourcesVariable(scope, props),
    },
    statements: [
      ...ownDatabases(scope, props).describe(),
      ...snapshots.manage(),
      ...snapshots.passOn(snapshotExport),
      ...snapshotObjects(props.backups, snapshotExport.key),
      ...assumeRoles(props),
    ],
  });
}

interface HandlerOptions {
  readonly description: string;
  readonly memorySize: number;
  readonly timeout: Duration;
  readonly environment: { readonly [name: string]: string };
  readonly statements: PolicyStatement[];
}

function makeHandler(
  scope: Construct,
  id: string,
  binary: string,
  props: HandlerProps,
  options: HandlerOptions,
): lambda.Function {
  const { architecture, logGroup } = props;
  const { description, environment, memorySize, statements, timeout } = options;
  // The role that Lambda makes by itself may write to every log group.
  const role = new OwnRole(scope, `${id}Role`, {
    assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    description,
    statements: [writeLogs(logGroup.logGroupArn), ...statements],
    wildcards: 'Targets are found by their tags, so their names are not known.',
  });
  return makeFunction(scope, id, binary, {
    architecture,
    description,
    environment: { ...environment },
    logGroup,
    memorySize,
    role,
    timeout,
  });
}
