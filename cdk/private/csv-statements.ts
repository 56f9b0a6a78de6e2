import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { viaService } from './job-statements';
import { allow } from './role';

/** A part of a bucket. */
export interface Place {
  readonly bucket: s3.IBucket;
  readonly prefix: string;
}

/** What a conversion reads and writes. */
export interface ConversionAccess {
  readonly source: Place;
  /** Keys of the files besides that of their bucket. */
  readonly sourceKeys: kms.IKey[];
  readonly destination: Place;
  /** The key that uploads name. Without one, they use that of the bucket. */
  readonly encryptionKey?: kms.IKey;
  readonly schemas?: {
    readonly bucket: s3.IBucket;
    readonly prefix?: string;
    readonly key?: string;
  };
}

/** What its own manifests are named: all that a conversion reads or removes of what was written. */
const MANIFESTS = '*.manifest.json';

/** Whatever looks at tables and converts them, be it a function or a job. */
export function convertObjects(access: ConversionAccess): iam.PolicyStatement[] {
  const { destination, schemas, source } = access;
  const results = (pattern: string) =>
    destination.bucket.arnForObjects(`${destination.prefix}${pattern}`);
  const read = [
    source.bucket.arnForObjects(`${source.prefix}*.parquet`),
    results(MANIFESTS),
    ...(schemas
      ? [schemas.bucket.arnForObjects(schemas.key ?? `${schemas.prefix ?? ''}*.json`)]
      : []),
  ];
  return [
    allow(['s3:GetObject'], read),
    list(source.bucket, `${source.prefix}*`),
    list(destination.bucket, `${destination.prefix}*`),
    ...(schemas ? [list(schemas.bucket, schemas.key ?? `${schemas.prefix ?? ''}*`)] : []),
    allow(['s3:PutObject', 's3:AbortMultipartUpload'], [results('*')]),
    // A result of fewer files is replaced, and a manifest beside the data of another is removed.
    allow(['s3:DeleteObject'], [results(MANIFESTS)]),
    ...useKeys(access),
  ];
}

/**
 * The condition binds only a request that names a prefix. A read of a missing object names none, and S3
 * says that it is missing only to who may list.
 */
function list(bucket: s3.IBucket, names: string): iam.PolicyStatement {
  return allow(['s3:ListBucket'], [bucket.bucketArn], onlyNames(names));
}

function onlyNames(names: string): { readonly [operator: string]: unknown } | undefined {
  return names === '*' ? undefined : { StringLikeIfExists: { 's3:prefix': names } };
}

function useKeys(access: ConversionAccess): iam.PolicyStatement[] {
  const { destination, schemas, source, sourceKeys } = access;
  const written = keyArns(access.encryptionKey ?? destination.bucket.encryptionKey);
  const read = keyArns(source.bucket.encryptionKey, ...sourceKeys, schemas?.bucket.encryptionKey);
  // Manifests that are there may still be encrypted with the own key of the bucket.
  const there = keyArns(destination.bucket.encryptionKey);
  const only = [...new Set([...read, ...there])].filter((arn) => !written.includes(arn));
  return [
    ...(only.length > 0 ? [viaService('s3', ['kms:Decrypt'], only)] : []),
    // S3 decrypts the data key of a multipart upload for each of its parts.
    ...(written.length > 0
      ? [viaService('s3', ['kms:GenerateDataKey', 'kms:Decrypt'], written)]
      : []),
  ];
}

function keyArns(...keys: (kms.IKey | undefined)[]): string[] {
  return [...new Set(keys.flatMap((key) => key?.keyArn ?? []))];
}

/** Lets the grantee list, read and decrypt what lies in the place. */
export function grantReadPlace(
  { bucket, prefix }: Place,
  encryptionKey: kms.IKey | undefined,
  grantee: iam.IGrantable,
): iam.Grant {
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
    conditions: onlyNames(`${prefix}*`) as { [operator: string]: { [key: string]: string } },
    resource: bucket,
  });
  const keys = new Set([encryptionKey, bucket.encryptionKey].flatMap((key) => key ?? []));
  return [...keys]
    .map((key) => key.grantDecrypt(grantee))
    .reduce((one, other) => one.combine(other), objects.combine(names));
}
