import * as kms from 'aws-cdk-lib/aws-kms';
import { Statement, statementsOf } from './support/resolve';
import { Template, template } from './support/stacks';

const TABLE = 'arn:<partition>:dynamodb:<region>:<account>:table/*';
const made = template({ tagPrefix: 'team.backup' });
const IS_SOURCE = { Null: { 'aws:ResourceTag/team.backup:start-schedule': 'false' } };
const MAY_BE_WRITTEN = { StringEquals: { 'aws:ResourceTag/team.backup:restore-target': 'yes' } };
const IS_MADE_FOR_IT = { StringEquals: { 'aws:RequestTag/team.backup:restore-target': 'yes' } };

const of = (role: string, action: string, from: Template = made): Statement[] =>
  statementsOf(from, role).filter(({ actions }) => actions.includes(action));
const services = (role: string, ...names: string[]): string[] => {
  const actions = statementsOf(made, role).flatMap((statement) => statement.actions);
  return [...new Set(actions)].filter((action) => names.includes(action.split(':')[0])).sort();
};
const bucket = (end: string) =>
  expect.stringMatching(new RegExp(`^<AutoDumpBucket\\w+\\.Arn>${end}$`));

test.each(['ScannerRole', 'HashRole'])('%s: tells targets by their tags, and no more', (role) => {
  expect(services(role, 'dynamodb')).toEqual([
    'dynamodb:DescribeTable',
    'dynamodb:ListTagsOfResource',
  ]);
  expect(services(role, 'tag')).toEqual(role === 'ScannerRole' ? ['tag:GetResources'] : []);
});

describe('the planner', () => {
  test('exports and fully describes only tables that bear the schedule tag', () => {
    for (const action of ['ExportTableToPointInTime', 'GetResourcePolicy', 'DescribeTimeToLive']) {
      const [statement, ...more] = of('PlannerRole', `dynamodb:${action}`);
      expect(more).toEqual([]);
      expect(statement).toMatchObject({ resources: [TABLE], condition: IS_SOURCE });
    }
  });

  test('is told that a table is gone, not that it is forbidden', () => {
    expect(of('PlannerRole', 'dynamodb:DescribeTable').map(({ condition }) => condition)).toEqual([
      undefined,
    ]);
  });

  test('reads no items itself, and changes nothing', () => {
    expect(services('PlannerRole', 'dynamodb', 'application-autoscaling')).toEqual([
      'application-autoscaling:DescribeScalableTargets',
      'application-autoscaling:DescribeScalingPolicies',
      'dynamodb:DescribeContinuousBackups',
      'dynamodb:DescribeContributorInsights',
      'dynamodb:DescribeExport',
      'dynamodb:DescribeKinesisStreamingDestination',
      'dynamodb:DescribeTable',
      'dynamodb:DescribeTimeToLive',
      'dynamodb:ExportTableToPointInTime',
      'dynamodb:GetResourcePolicy',
      'dynamodb:ListTagsOfResource',
    ]);
  });

  test('writes the plan and the export, and reads only the plan', () => {
    const [state, exported] = ['state', 'export'].map((name) =>
      bucket(`/dynamodb/\\*/${name}/\\*`),
    );
    const resources = (action: string): string[] =>
      of('PlannerRole', `s3:${action}`).flatMap((statement) => statement.resources);
    expect(resources('PutObject')).toEqual([state, exported]);
    expect(resources('PutObjectAcl')).toEqual([exported]);
    expect(resources('AbortMultipartUpload')).toEqual([exported]);
    expect(resources('GetObject')).toEqual([state]);
    expect(of('PlannerRole', 's3:ListBucket')).toMatchObject([
      { condition: { StringLikeIfExists: { 's3:prefix': 'dynamodb/*' } } },
    ]);
    expect(services('PlannerRole', 's3')).not.toContain('s3:DeleteObject');
  });

  test('uses the key of the bucket through S3, and those of tables through DynamoDB', () => {
    const from = template((stack) => ({
      encryptionKey: new kms.Key(stack, 'Key'),
      tableEncryptionKeys: [new kms.Key(stack, 'TableKey')],
    }));
    const keys = of('PlannerRole', 'kms:Decrypt', from).map(({ condition, resources }) => [
      JSON.stringify(condition.StringEquals['kms:ViaService']),
      resources,
    ]);
    expect(keys).toEqual([
      [expect.stringContaining('"dynamodb."'), [expect.stringMatching(/^<TableKey\w+\.Arn>$/)]],
      [expect.stringContaining('"s3."'), [expect.stringMatching(/^<Key\w+\.Arn>$/)]],
    ]);
  });
});

describe('the dumper', () => {
  test('scans only tables that bear the schedule tag', () => {
    expect(of('JobRole', 'dynamodb:Scan')).toMatchObject([
      { resources: [TABLE], condition: IS_SOURCE },
    ]);
    expect(services('JobRole', 'dynamodb')).toEqual(['dynamodb:DescribeTable', 'dynamodb:Scan']);
    expect(of('JobRole', 'dynamodb:DescribeTable')[0].condition).toBeUndefined();
  });

  test('reads and deletes its own state, and of backups reads the manifests of exports', () => {
    const state = bucket('/dynamodb/\\*/state/\\*');
    expect(of('JobRole', 's3:DeleteObject').flatMap(({ resources }) => resources)).toEqual([state]);
    expect(of('JobRole', 's3:GetObject').flatMap(({ resources }) => resources)).toEqual([
      state,
      bucket('/dynamodb/\\*/export/\\*/manifest-\\*'),
    ]);
  });
});

describe('the restore', () => {
  test.each([
    'UpdateTable',
    'UpdateTimeToLive',
    'UpdateContinuousBackups',
    'PutResourcePolicy',
    'EnableKinesisStreamingDestination',
    'BatchWriteItem',
    'PutItem',
    'Scan',
    'DeleteItem',
  ])('%s: only of tables that may be written into', (action) => {
    const found = of('JobRestoreRole', `dynamodb:${action}`);
    expect(found).toMatchObject([{ resources: [TABLE], condition: MAY_BE_WRITTEN }]);
  });

  test('makes only tables that may be written into', () => {
    expect(of('JobRestoreRole', 'dynamodb:CreateTable')).toMatchObject([
      { resources: [TABLE], condition: IS_MADE_FOR_IT },
    ]);
  });

  test('never makes a target of restores of a table that is backed up', () => {
    expect(of('JobRestoreRole', 'dynamodb:TagResource').map(({ condition }) => condition)).toEqual([
      MAY_BE_WRITTEN,
      {
        ...IS_MADE_FOR_IT,
        Null: { 'aws:ResourceTag/team.backup:start-schedule': 'true' },
      },
    ]);
  });

  test('scales tables, and nothing else', () => {
    const [statement, ...more] = of(
      'JobRestoreRole',
      'application-autoscaling:RegisterScalableTarget',
    );
    expect(more).toEqual([]);
    expect(statement.actions).toContain('application-autoscaling:PutScalingPolicy');
    expect(statement.condition).toEqual({
      StringEquals: { 'application-autoscaling:service-namespace': 'dynamodb' },
    });
  });

  test('grants the use of a key to DynamoDB alone', () => {
    const [statement, ...more] = of('JobRestoreRole', 'kms:CreateGrant');
    expect(more).toEqual([]);
    expect(statement.condition.Bool).toEqual({ 'kms:GrantIsForAWSResource': 'true' });
    expect(JSON.stringify(statement.condition.StringEquals['kms:ViaService'])).toContain(
      '"dynamodb."',
    );
    const none = template({ tableEncryptionKeys: [] });
    expect(of('JobRestoreRole', 'kms:CreateGrant', none)).toEqual([]);
  });

  test('deletes no table', () => {
    for (const action of services('JobRestoreRole', 'dynamodb')) {
      expect(action).not.toMatch(/Delete(?!Item$)/);
    }
  });
});
