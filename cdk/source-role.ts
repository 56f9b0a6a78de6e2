import { CfnOutput, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { checkSourceRole, checkTagPrefix } from './private/checks';
import { Databases } from './private/databases';
import { TABLE_EXPORT, TABLES } from './private/layout';
import { allow, OwnRole } from './private/role';
import { Tables } from './private/tables';

/**
 * What an AutoDumpSourceRole can be told. `trustedAccount` and `bucketName` are required.
 */
export interface AutoDumpSourceRoleProps {
  /**
   * The id of the account that AutoDump runs in.
   */
  readonly trustedAccount: string;

  /**
   * The roles of that account that may take this one: those of AutoDump's functions and of its
   * jobs. `*` stands for any characters, as CloudFormation makes up the ends of their names. They
   * need not be there yet.
   *
   * @default - every role of the account that is allowed to take this one
   */
  readonly trustedRoleArns?: string[];

  /**
   * What AutoDump must say to take the role: `externalId` in its `sources`.
   *
   * @default - nothing
   */
  readonly externalId?: string;

  /**
   * What the tags start with: as that of AutoDump.
   *
   * @default 'autodump'
   */
  readonly tagPrefix?: string;

  /**
   * The name of AutoDump's bucket. DynamoDB exports into it, with the rights of this role.
   */
  readonly bucketName: string;

  /**
   * The ARN of the KMS key of that bucket. The key's own policy must allow the role to use it.
   *
   * @default - the bucket uses S3's own keys
   */
  readonly bucketEncryptionKeyArn?: string;

  /**
   * The regions of the tables.
   *
   * @default - the region of the stack
   */
  readonly regions?: string[];

  /**
   * The name of the role. With one, its ARN is known beforehand.
   *
   * @default - CloudFormation makes one up
   */
  readonly roleName?: string;

  /**
   * Whether backups may be restored into this account: into new tables, and into those that bear the
   * tag `<tagPrefix>:restore-target` with the value `yes`. For an import by DynamoDB, the bucket's
   * policy must let this role read: `AutoDump.grantRead`.
   *
   * @default false
   */
  readonly restore?: boolean;

  /**
   * The KMS keys of the tables, if no other shall be used. An empty list fits tables that use a key
   * of DynamoDB's own.
   *
   * @default - any key of this account, but only through DynamoDB
   */
  readonly tableEncryptionKeys?: kms.IKey[];
}

/**
 * The role by which an AutoDump of another account backs up the tables of this one: those that bear the
 * tag `<tagPrefix>:start-schedule`. It can write to no table, unless `restore` is set. It can see the tags of
 * databases of RDS, too, so that a tagged one is not passed over: RDS exports into no other account's bucket,
 * and the run says so.
 */
export class AutoDumpSourceRole extends Construct {
  /** The role. */
  public readonly role: iam.Role;
  /** The ARN of the role: `roleArn` in AutoDump's `sources`. */
  public readonly roleArn: string;

  constructor(scope: Construct, id: string, props: AutoDumpSourceRoleProps) {
    super(scope, id);
    checkSourceRole(props);
    if (props.tagPrefix !== undefined) checkTagPrefix(props.tagPrefix);
    this.role = new OwnRole(this, 'Role', {
      assumedBy: trusted(props),
      roleName: props.roleName,
      description: 'AutoDump: backs up the tagged tables of this account into another one',
      statements: statements(this, props),
      merged: true,
      wildcards: 'Targets are found by their tags, and the keys of backups hold the time.',
    });
    this.roleArn = this.role.roleArn;
    new CfnOutput(this, 'RoleArn', {
      description: 'For the sources of AutoDump',
      value: this.roleArn,
    });
  }
}

function trusted(props: AutoDumpSourceRoleProps): iam.IPrincipal {
  const { externalId, trustedAccount, trustedRoleArns } = props;
  return new iam.AccountPrincipal(trustedAccount).withConditions({
    ...(externalId === undefined ? {} : { StringEquals: { 'sts:ExternalId': externalId } }),
    ...(trustedRoleArns ? { ArnLike: { 'aws:PrincipalArn': trustedRoleArns } } : {}),
  });
}

function statements(scope: Construct, props: AutoDumpSourceRoleProps): iam.PolicyStatement[] {
  const regions = props.regions ?? [Stack.of(scope).region];
  const tables = new Tables(scope, {
    regions,
    tagPrefix: props.tagPrefix ?? 'autodump',
    tableEncryptionKeys: props.tableEncryptionKeys,
  });
  const { partition } = Stack.of(scope);
  const bucket = `arn:${partition}:s3:::${props.bucketName}`;
  const key = props.bucketEncryptionKeyArn;
  const viaS3 = { StringLike: { 'kms:ViaService': 's3.*.amazonaws.com' } };
  return [
    ...tables.find(),
    ...tables.describe(),
    ...new Databases(scope, regions).describe(),
    ...tables.plan(),
    ...tables.scan(),
    allow(
      ['s3:PutObject', 's3:PutObjectAcl', 's3:AbortMultipartUpload'],
      [`${bucket}/${TABLE_EXPORT}`],
    ),
    ...(key === undefined ? [] : [allow(['kms:GenerateDataKey', 'kms:Decrypt'], [key], viaS3)]),
    ...(props.restore
      ? [
          ...tables.restore(),
          allow(['s3:GetObject'], [`${bucket}/${TABLES}*`]),
          allow(['s3:ListBucket'], [bucket]),
        ]
      : []),
  ];
}
