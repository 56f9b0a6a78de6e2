import { Arn, ArnFormat, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { allow } from './role';

export interface TablesProps {
  readonly regions: string[];
  readonly tagPrefix: string;
  /** Any key of the account and the regions if it is not given. */
  readonly tableEncryptionKeys?: kms.IKey[];
}

/** What is asked of a table besides `DescribeTable` and its tags, for its whole definition. */
const DEFINED = [
  'dynamodb:DescribeTimeToLive',
  'dynamodb:DescribeContinuousBackups',
  'dynamodb:DescribeKinesisStreamingDestination',
  'dynamodb:GetResourcePolicy',
];
/** The same, where the services take no resource. */
const LISTED = [
  'dynamodb:ListContributorInsights',
  'application-autoscaling:DescribeScalableTargets',
  'application-autoscaling:DescribeScalingPolicies',
  'application-autoscaling:DescribeScheduledActions',
];
/** What makes a table what its backup was. */
const RESTORED = [
  'dynamodb:UpdateTable',
  'dynamodb:UpdateTimeToLive',
  'dynamodb:UpdateContinuousBackups',
  'dynamodb:TagResource',
  'dynamodb:PutResourcePolicy',
  'dynamodb:EnableKinesisStreamingDestination',
  'dynamodb:UpdateContributorInsights',
  'dynamodb:BatchWriteItem',
  'dynamodb:Scan',
];
/** DynamoDB writes what an import refuses into a log, with the rights of who asked for the import. */
const IMPORT_LOGS = [
  'logs:CreateLogGroup',
  'logs:CreateLogStream',
  'logs:DescribeLogGroups',
  'logs:DescribeLogStreams',
  'logs:PutLogEvents',
  'logs:PutRetentionPolicy',
];
/** A table's key is used with the rights of who uses the table. */
const READ_KEY = ['kms:Decrypt', 'kms:DescribeKey'];
const WRITE_KEY = [
  ...READ_KEY,
  'kms:Encrypt',
  'kms:GenerateDataKey',
  'kms:GenerateDataKeyWithoutPlaintext',
  'kms:ReEncryptFrom',
  'kms:ReEncryptTo',
];

/**
 * What policies say of the tables of one account, in some of its regions. `DescribeTable` is never
 * bound to a tag: else a table that is gone would be forbidden, and not gone.
 */
export class Tables {
  private readonly tables: string[];

  constructor(
    private readonly scope: Construct,
    private readonly props: TablesProps,
  ) {
    this.tables = this.arns('dynamodb', 'table/*');
  }

  /** Lists tables by their tags. */
  find(): iam.PolicyStatement[] {
    return [allow(['tag:GetResources'], ['*'])];
  }

  /** What a table is, and which tags it bears: whether it is a target. */
  describe(): iam.PolicyStatement[] {
    return [allow(['dynamodb:DescribeTable', 'dynamodb:ListTagsOfResource'], this.tables)];
  }

  /** The whole definition of a target, and its export. */
  plan(): iam.PolicyStatement[] {
    return [
      allow([...DEFINED, 'dynamodb:ExportTableToPointInTime'], this.tables, this.isTarget()),
      // An export bears no tags.
      allow(['dynamodb:DescribeExport'], this.arns('dynamodb', 'table/*/export/*')),
      allow(LISTED, ['*']),
      ...this.useKeys(READ_KEY),
    ];
  }

  /** The items of a target, and whether it is still the same table. */
  scan(): iam.PolicyStatement[] {
    return [
      allow(['dynamodb:DescribeTable'], this.tables),
      allow(['dynamodb:Scan'], this.tables, this.isTarget()),
      ...this.useKeys(READ_KEY),
    ];
  }

  /** Makes a table, or writes into one whose tag says that it may be. */
  restore(): iam.PolicyStatement[] {
    const { tagPrefix } = this.props;
    const marked = (where: 'aws:RequestTag' | 'aws:ResourceTag') => ({
      StringEquals: { [`${where}/${tagPrefix}:restore-target`]: 'yes' },
    });
    const noTarget = { Null: { [`aws:ResourceTag/${tagPrefix}:start-schedule`]: 'true' } };
    return [
      ...this.describe(),
      // What differs between a table that is there and the backup is said.
      allow([...DEFINED, ...RESTORED], this.tables, marked('aws:ResourceTag')),
      allow(LISTED, ['*']),
      allow(['dynamodb:CreateTable'], this.tables, marked('aws:RequestTag')),
      // An import makes a table without tags: it gets this one afterwards. What is backed up never does.
      allow(['dynamodb:TagResource'], this.tables, { ...marked('aws:RequestTag'), ...noTarget }),
      // It only ever makes a new table.
      allow(['dynamodb:ImportTable'], this.tables),
      allow(['dynamodb:DescribeImport'], this.arns('dynamodb', 'table/*/import/*')),
      allow(IMPORT_LOGS, this.arns('logs', 'log-group:/aws-dynamodb/*')),
      allow(
        [
          'application-autoscaling:RegisterScalableTarget',
          'application-autoscaling:PutScalingPolicy',
          'application-autoscaling:PutScheduledAction',
        ],
        this.arns('application-autoscaling', 'scalable-target/*'),
        { StringEquals: { 'application-autoscaling:service-namespace': 'dynamodb' } },
      ),
      // A scaling policy has alarms, which are made with the rights of who asks for the policy.
      allow(['cloudwatch:DescribeAlarms'], ['*']),
      allow(
        ['cloudwatch:PutMetricAlarm', 'cloudwatch:DeleteAlarms'],
        this.arns('cloudwatch', 'alarm:TargetTracking-table/*'),
      ),
      ...this.useKeys(WRITE_KEY),
      ...this.useKeys(['kms:CreateGrant'], { Bool: { 'kms:GrantIsForAWSResource': 'true' } }),
    ];
  }

  private isTarget(): { readonly [operator: string]: unknown } {
    return { Null: { [`aws:ResourceTag/${this.props.tagPrefix}:start-schedule`]: 'false' } };
  }

  private useKeys(
    actions: string[],
    conditions?: { readonly [operator: string]: unknown },
  ): iam.PolicyStatement[] {
    const { tableEncryptionKeys } = this.props;
    const keys = tableEncryptionKeys?.map((key) => key.keyArn) ?? this.arns('kms', 'key/*');
    if (keys.length === 0) return [];
    const services = this.regions().map((region) => `dynamodb.${region}.amazonaws.com`);
    return [allow(actions, keys, { ...conditions, StringEquals: { 'kms:ViaService': services } })];
  }

  private arns(service: string, resource: string): string[] {
    const arnFormat = ArnFormat.NO_RESOURCE_NAME;
    return this.regions().map((region) =>
      Arn.format({ service, region, resource, arnFormat }, Stack.of(this.scope)),
    );
  }

  private regions(): string[] {
    return [...new Set(this.props.regions)];
  }
}
