import { Arn, Aws, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import {
  SNAPSHOT_EXPORT,
  SNAPSHOT_LISTS,
  SNAPSHOT_MANIFEST,
  SNAPSHOT_STATE,
  SNAPSHOTS,
  TABLE_EXPORT,
  TABLE_STATE,
  TABLES,
} from './layout';
import { allow } from './role';

/** What a policy needs to know of the secrets that a job reads. */
export interface SecretAccess {
  /** The ARN pattern of the secrets. */
  readonly secretsArn: string;
  readonly secretEncryptionKeys?: kms.IKey[];
}

/** Buckets that hold backups, each with the key that is used in it. */
export type BackupAccess = readonly { readonly bucket: s3.IBucket; readonly key?: kms.IKey }[];

/** The values of those secrets whose tags fit the condition, and only what Secrets Manager itself decrypts. */
export function readSecrets(
  scope: Construct,
  access: SecretAccess,
  condition: { readonly [operator: string]: unknown },
): iam.PolicyStatement[] {
  const anyKey = Arn.format(
    { service: 'kms', resource: 'key', resourceName: '*' },
    Stack.of(scope),
  );
  const statements = [
    allow(
      ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'],
      [access.secretsArn],
      condition,
    ),
  ];
  const keys = access.secretEncryptionKeys?.map((key) => key.keyArn) ?? [anyKey];
  if (keys.length > 0) statements.push(viaService('secretsmanager', ['kms:Decrypt'], keys));
  return statements;
}

/** New objects with a key that fits one of the patterns. */
export function writeObjects(backups: BackupAccess, ...patterns: string[]): iam.PolicyStatement[] {
  return [
    allow(
      ['s3:PutObject', 's3:AbortMultipartUpload'],
      backups.flatMap(({ bucket }) => patterns.map((pattern) => bucket.arnForObjects(pattern))),
    ),
    // S3 decrypts the data key of a multipart upload for each of its parts.
    ...useKeys(backups, ['kms:GenerateDataKey', 'kms:Decrypt']),
  ];
}

/** What the planner keeps of a run, and what DynamoDB exports with its rights. */
export function planObjects(backups: BackupAccess): iam.PolicyStatement[] {
  const [{ bucket, key }] = backups;
  const exported = bucket.arnForObjects(TABLE_EXPORT);
  const state = bucket.arnForObjects(TABLE_STATE);
  return [
    allow(['s3:PutObject'], [state, exported]),
    allow(['s3:PutObjectAcl', 's3:AbortMultipartUpload'], [exported]),
    allow(['s3:GetObject'], [state]),
    // A read of a missing object names no prefix, and only with this right S3 says that it is missing.
    allow(['s3:ListBucket'], [bucket.bucketArn], {
      StringLikeIfExists: { 's3:prefix': `${TABLES}*` },
    }),
    ...useKeys([{ bucket, key }], ['kms:GenerateDataKey', 'kms:Decrypt']),
  ];
}

/**
 * The backup of a table. What it remembers of the run and the manifests of an export are all that may
 * be read. Its keys are those of `writeObjects`.
 */
export function continueTables(backups: BackupAccess): iam.PolicyStatement[] {
  const [{ bucket }] = backups;
  const state = bucket.arnForObjects(TABLE_STATE);
  return [
    allow(['s3:PutObject', 's3:AbortMultipartUpload'], [bucket.arnForObjects(`${TABLES}*`)]),
    allow(['s3:GetObject'], [state, bucket.arnForObjects(`${TABLE_EXPORT}/manifest-*`)]),
    allow(['s3:DeleteObject'], [state]),
    allow(['s3:ListBucket'], [bucket.bucketArn], { StringLike: { 's3:prefix': `${TABLES}*` } }),
  ];
}

/** What the function of snapshots keeps of a run, and what RDS says of an export beside its data. */
export function snapshotObjects(backups: BackupAccess, exportKey: kms.IKey): iam.PolicyStatement[] {
  const [{ bucket, key }] = backups;
  const own = [SNAPSHOT_STATE, SNAPSHOT_MANIFEST].map((pattern) => bucket.arnForObjects(pattern));
  return [
    allow(['s3:PutObject'], own),
    allow(['s3:GetObject'], [...own, bucket.arnForObjects(SNAPSHOT_LISTS)]),
    // As for the planner.
    allow(['s3:ListBucket'], [bucket.bucketArn], {
      StringLikeIfExists: { 's3:prefix': `${SNAPSHOTS}*` },
    }),
    ...useKeys([{ bucket, key }], ['kms:GenerateDataKey', 'kms:Decrypt']),
    ...useKeys([{ bucket, key: exportKey }], ['kms:Decrypt']),
  ];
}

/** What RDS asks for to export: what begins as it documents, as far as it concerns what it writes. */
export function exportObjects(backups: BackupAccess): iam.PolicyStatement[] {
  const [{ bucket, key }] = backups;
  return [
    allow(
      [
        's3:PutObject',
        's3:PutObjectAcl',
        's3:PutObjectTagging',
        's3:GetObject',
        's3:GetObjectAcl',
        's3:GetObjectAttributes',
        's3:GetObjectTagging',
        's3:GetObjectVersion',
        's3:DeleteObject',
        's3:DeleteObjectTagging',
        's3:DeleteObjectVersion',
      ],
      [bucket.arnForObjects(SNAPSHOT_EXPORT)],
    ),
    allow(['s3:ListBucket', 's3:GetBucketLocation'], [bucket.bucketArn]),
    ...useKeys([{ bucket, key }], ['kms:GenerateDataKey', 'kms:Decrypt']),
  ];
}

/**
 * Objects with a key that fits one of the patterns. The right to list has no condition on the prefix: with
 * one, S3 would answer to a read of a missing object that it is forbidden, not that it is missing.
 */
export function readObjects(backups: BackupAccess, ...patterns: string[]): iam.PolicyStatement[] {
  return [
    allow(
      ['s3:GetObject'],
      backups.flatMap(({ bucket }) => patterns.map((pattern) => bucket.arnForObjects(pattern))),
    ),
    allow(
      ['s3:ListBucket', 's3:GetBucketLocation'],
      backups.map(({ bucket }) => bucket.bucketArn),
    ),
    ...useKeys(backups, ['kms:Decrypt']),
  ];
}

function useKeys(backups: BackupAccess, actions: string[]): iam.PolicyStatement[] {
  const arns = new Set(backups.flatMap(({ key }) => key?.keyArn ?? []));
  return arns.size > 0 ? [viaService('s3', actions, [...arns])] : [];
}

/** Actions on keys, and only through that service. */
export function viaService(
  service: string,
  actions: string[],
  resources: string[],
): iam.PolicyStatement {
  const value = `${service}.${Aws.REGION}.amazonaws.com`;
  return allow(actions, resources, { StringEquals: { 'kms:ViaService': value } });
}
