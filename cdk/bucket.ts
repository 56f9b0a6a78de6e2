import { Annotations, ArnFormat, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { DATABASES, SNAPSHOTS, TABLE_EXPORT, TABLES } from './private/layout';
import { rolesOf, Source } from './private/sources';

export interface BackupBucketProps {
  readonly bucketName?: string;
  readonly encryptionKey?: kms.IKey;
  readonly retention: Duration;
  /** The longest that one upload may last. */
  readonly dumpTimeout: Duration;
  readonly removalPolicy: RemovalPolicy;
  readonly sources: readonly Source[];
}

/** How long what was overwritten or deleted can still be had, in a bucket with versions. */
const KEPT_VERSIONS = Duration.days(14);

/**
 * The bucket that AutoDump makes when none is given.
 *
 * Versioned only where roles of other accounts have DynamoDB export into it: whoever takes over such
 * an account could overwrite what was exported, which no policy can forbid. Everything else is
 * written once: a key holds the start, and an id that no other run has, and the dumper can delete no
 * backup. There, versions would only keep expired dumps, and their price, for longer.
 */
export class BackupBucket extends s3.Bucket {
  constructor(scope: Construct, id: string, props: BackupBucketProps) {
    const versioned = rolesOf(props.sources).length > 0;
    super(scope, id, {
      bucketName: props.bucketName,
      encryption: props.encryptionKey ? s3.BucketEncryption.KMS : s3.BucketEncryption.S3_MANAGED,
      encryptionKey: props.encryptionKey,
      bucketKeyEnabled: props.encryptionKey ? true : undefined,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      versioned,
      removalPolicy: props.removalPolicy,
      lifecycleRules: [
        {
          id: 'expire-backups',
          expiration: props.retention,
          noncurrentVersionExpiration: versioned ? KEPT_VERSIONS : undefined,
        },
        ...(versioned ? [{ id: 'expire-delete-markers', expiredObjectDeleteMarker: true }] : []),
        {
          id: 'abort-orphaned-uploads',
          abortIncompleteMultipartUploadAfter: wholeDays(props.dumpTimeout),
        },
      ],
    });
    Validations.of(this).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'Server access logs need a second bucket and cost for every object. Who wants them sets them on an own bucket, or records data events with CloudTrail.',
    });
  }
}

/** Rounded up: S3 must not abort the upload of a dump that may still be running. */
function wholeDays(duration: Duration): Duration {
  return Duration.days(Math.max(1, Math.ceil(duration.toDays({ integral: false }))));
}

/** A bucket that holds backups, and the key that they are encrypted with, if there is one. */
export interface Backups {
  readonly bucket: s3.IBucket;
  readonly key?: kms.IKey;
}

/** The jobs name a key that is given for the first bucket alone. */
export function allBackups(
  bucket: s3.IBucket,
  more: { readonly additionalBuckets: s3.IBucket[]; readonly encryptionKey?: kms.IKey },
): Backups[] {
  return [
    { bucket, key: more.encryptionKey ?? bucket.encryptionKey },
    ...more.additionalBuckets.map((other) => ({ bucket: other, key: other.encryptionKey })),
  ];
}

/** Lets the grantee list the buckets, and read what AutoDump and RDS wrote there, the latter with its own key. */
export function grantReadBackups(
  all: Backups[],
  grantee: iam.IGrantable,
  exportKey?: kms.IKey,
): iam.Grant {
  const keys = new Set([...all.flatMap(({ key }) => key ?? []), ...(exportKey ? [exportKey] : [])]);
  return [
    ...all.map(({ bucket }) => grantReadBucket(bucket, grantee)),
    ...[...keys].map((key) => key.grantDecrypt(grantee)),
  ].reduce((one, other) => one.combine(other));
}

function grantReadBucket(bucket: s3.IBucket, grantee: iam.IGrantable): iam.Grant {
  const objects = iam.Grant.addToPrincipalOrResource({
    grantee,
    actions: ['s3:GetObject'],
    resourceArns: [...DATABASES, TABLES, SNAPSHOTS].map((prefix) =>
      bucket.arnForObjects(`${prefix}*`),
    ),
    resource: bucket,
  });
  const names = iam.Grant.addToPrincipalOrResource({
    grantee,
    actions: ['s3:ListBucket', 's3:GetBucketLocation'],
    resourceArns: [bucket.bucketArn],
    resource: bucket,
  });
  return objects.combine(names);
}

/**
 * Lets roles of other accounts have DynamoDB export into the bucket. The bucket's policy names their
 * accounts, and the roles in a condition: so the roles need not be there yet.
 */
export function allowExports(scope: Construct, to: Backups, roleArns: string[]): void {
  const added = roleArns.flatMap((roleArn) => {
    const isRole = { ArnEquals: { 'aws:PrincipalArn': roleArn } };
    const allowed = (actions: string[], resource: string, conditions: object = {}) =>
      new iam.PolicyStatement({
        principals: [accountOf(scope, roleArn)],
        actions,
        resources: [resource],
        conditions: { ...isRole, ...conditions },
      });
    const objects = allowed(
      ['s3:PutObject', 's3:PutObjectAcl', 's3:AbortMultipartUpload'],
      to.bucket.arnForObjects(TABLE_EXPORT),
    );
    const viaS3 = { 'kms:ViaService': `s3.${Stack.of(scope).region}.amazonaws.com` };
    const key = allowed(['kms:GenerateDataKey', 'kms:Decrypt'], '*', { StringEquals: viaS3 });
    return [
      to.bucket.addToResourcePolicy(objects).statementAdded,
      to.key?.addToResourcePolicy(key, true).statementAdded ?? true,
    ];
  });
  if (added.every((one) => one)) return;
  Annotations.of(scope).addWarningV2(
    'cdk-autodump:exports',
    'The bucket or its key is imported, so its policy cannot be changed here. The roles of `sources` can have no table exported until it allows them what docs/iam.md says.',
  );
}

function accountOf(scope: Construct, roleArn: string): iam.AccountPrincipal {
  const { account } = Stack.of(scope).splitArn(roleArn, ArnFormat.SLASH_RESOURCE_NAME);
  return new iam.AccountPrincipal(account);
}
