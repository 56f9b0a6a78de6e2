import { Arn, Aws, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
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

/** New objects with a key that fits the pattern. */
export function writeObjects(backups: BackupAccess, pattern: string): iam.PolicyStatement[] {
  return [
    allow(
      ['s3:PutObject', 's3:AbortMultipartUpload'],
      backups.map(({ bucket }) => bucket.arnForObjects(pattern)),
    ),
    // S3 decrypts the data key of a multipart upload for each of its parts.
    ...useKeys(backups, ['kms:GenerateDataKey', 'kms:Decrypt']),
  ];
}

/**
 * Objects with a key that fits the pattern. The right to list has no condition on the prefix: with
 * one, S3 would answer to a read of a missing object that it is forbidden, not that it is missing.
 */
export function readObjects(backups: BackupAccess, pattern: string): iam.PolicyStatement[] {
  return [
    allow(
      ['s3:GetObject'],
      backups.map(({ bucket }) => bucket.arnForObjects(pattern)),
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

function viaService(service: string, actions: string[], resources: string[]): iam.PolicyStatement {
  const value = `${service}.${Aws.REGION}.amazonaws.com`;
  return allow(actions, resources, { StringEquals: { 'kms:ViaService': value } });
}
