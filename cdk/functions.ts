import { Annotations, Duration, Stack, Tokenization } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { BackupAccess, planObjects } from './private/job-statements';
import {
  archName,
  BUILD_ASSETS,
  hasPackageFile,
  isOlderThanSources,
  packageFile,
} from './private/package-files';
import { allow, OwnRole, writeLogs } from './private/role';
import { assumeRoles, ownTables, sourcesVariable, TableAccess } from './private/sources';

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

/** Finds the targets by their tags, and starts an execution for the next run of each. */
export function makeScanner(scope: Construct, id: string, props: ScannerProps): lambda.Function {
  return makeHandler(scope, id, 'scanner', props, {
    description: 'AutoDump: finds tagged secrets and tables, and starts their next runs',
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

/** From the prebuilt zip if it is there; in a source checkout without it, from the sources. */
function makeFunction(
  scope: Construct,
  id: string,
  binary: string,
  options: lambda.FunctionOptions & { readonly architecture: lambda.Architecture },
): lambda.Function {
  const zip = ['assets', archName(options.architecture), `${binary}.zip`];
  if (hasPackageFile(...zip)) {
    const fn = new lambda.Function(scope, id, {
      ...options,
      runtime: lambda.Runtime.PROVIDED_AL2023,
      handler: 'bootstrap',
      code: lambda.Code.fromAsset(packageFile(...zip)),
    });
    if (isOlderThanSources(packageFile(...zip))) {
      Annotations.of(fn).addWarningV2(
        'cdk-autodump:oldAssets',
        `${zip.join('/')} is older than the sources it is built from, but is deployed as it is. Run ${BUILD_ASSETS} --arch ${archName(options.architecture)}.`,
      );
    }
    return fn;
  }
  if (!hasPackageFile('handlers', 'Cargo.toml')) {
    throw new Error(
      `AutoDump: ${packageFile(...zip)} is missing, and so are the sources it is built from. Install the package again; a retry does not help.`,
    );
  }
  return new (rustFunction(zip.join('/')))(scope, id, {
    ...options,
    binaryName: binary,
    manifestPath: packageFile('handlers', 'Cargo.toml'),
    // Cargo.toml's release profile alone decides, as in scripts/build-assets.
    bundling: { cargoLambdaFlags: ['--disable-optimizations'] },
  });
}

/** Loaded only here: a source checkout has it, a user of the published package does not. */
function rustFunction(zip: string): typeof import('cargo-lambda-cdk').RustFunction {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    return (require('cargo-lambda-cdk') as typeof import('cargo-lambda-cdk')).RustFunction;
  } catch (error) {
    throw new Error(
      `AutoDump: ${zip} is missing, and cargo-lambda-cdk, which would build it, cannot be loaded (${String(error)}). Run ${BUILD_ASSETS}, or \`pnpm install\`.`,
    );
  }
}
