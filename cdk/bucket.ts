import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

export interface BackupBucketProps {
  readonly bucketName?: string;
  readonly encryptionKey?: kms.IKey;
  readonly retention: Duration;
  /** The longest that one upload may last. */
  readonly dumpTimeout: Duration;
  readonly removalPolicy: RemovalPolicy;
}

/**
 * The bucket that AutoDump makes when none is given.
 *
 * Not versioned: a key holds the start, and an id that no other attempt has, and the dumper can
 * neither list nor delete. Versions would only keep expired dumps, and their price, for longer.
 */
export class BackupBucket extends s3.Bucket {
  constructor(scope: Construct, id: string, props: BackupBucketProps) {
    super(scope, id, {
      bucketName: props.bucketName,
      encryption: props.encryptionKey ? s3.BucketEncryption.KMS : s3.BucketEncryption.S3_MANAGED,
      encryptionKey: props.encryptionKey,
      bucketKeyEnabled: props.encryptionKey ? true : undefined,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      versioned: false,
      removalPolicy: props.removalPolicy,
      lifecycleRules: [
        { id: 'expire-backups', expiration: props.retention },
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

/** Lets the grantee list the buckets, and read what AutoDump wrote below `prefix`. */
export function grantReadBackups(
  all: Backups[],
  prefix: string,
  grantee: iam.IGrantable,
): iam.Grant {
  const keys = new Set(all.flatMap(({ key }) => key ?? []));
  return [
    ...all.map(({ bucket }) => grantReadBucket(bucket, prefix, grantee)),
    ...[...keys].map((key) => key.grantDecrypt(grantee)),
  ].reduce((one, other) => one.combine(other));
}

function grantReadBucket(bucket: s3.IBucket, prefix: string, grantee: iam.IGrantable): iam.Grant {
  const objects = iam.Grant.addToPrincipalOrResource({
    grantee,
    actions: ['s3:GetObject'],
    resourceArns: [bucket.arnForObjects(`${prefix}*`)],
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
