import * as fs from 'fs';
import * as path from 'path';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Statement, statementsOf } from './support/resolve';
import { ROOT, Template, template } from './support/stacks';

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

/** The operations that the sources call, by the words that stand before their names there. */
const called = (file: string, before: RegExp): string[] => {
  const text = fs.readFileSync(path.join(ROOT, 'crates', file), 'utf8').split('#[cfg(test)]')[0];
  return [...text.matchAll(before)].map(([, operation]) => operation);
};
const DEFINITION = called('core/src/table/read.rs', /"((?:Describe|List|Get)[A-Z]\w+)"/g);
const PLANNING = called(
  'core/src/table/planner.rs',
  /"((?:Describe|Export)[A-Z]\w+To\w+|Describe[A-Z]\w+)"/g,
);
const STEPS = called(
  'dump/src/table/restore/steps.rs',
  /"((?:Update|Put|Enable|Register|Tag)[A-Z]\w+)"/g,
);

describe('every operation that the program calls is allowed', () => {
  const allowed = (role: string): string[] =>
    services(role, 'dynamodb', 'application-autoscaling').map((action) => action.split(':')[1]);

  test('to the planner: the definition, and the export', () => {
    expect(DEFINITION.length).toBeGreaterThan(8);
    expect(PLANNING).toContain('ExportTableToPointInTime');
    const asked = [...new Set([...DEFINITION, ...PLANNING])].sort();
    expect(allowed('PlannerRole').sort()).toEqual(asked);
  });

  test('to the restore: the definition of a table that is there, and of one that is made', () => {
    expect(STEPS.length).toBeGreaterThan(8);
    const asked = [...DEFINITION, ...STEPS, 'CreateTable', 'ImportTable', 'DescribeImport'];
    const all = new Set([...asked, 'Scan', 'BatchWriteItem']);
    expect(allowed('JobRestoreRole').sort()).toEqual([...all].sort());
  });
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
      'application-autoscaling:DescribeScheduledActions',
      'dynamodb:DescribeContinuousBackups',
      'dynamodb:DescribeExport',
      'dynamodb:DescribeKinesisStreamingDestination',
      'dynamodb:DescribeTable',
      'dynamodb:DescribeTimeToLive',
      'dynamodb:ExportTableToPointInTime',
      'dynamodb:GetResourcePolicy',
      'dynamodb:ListContributorInsights',
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
  });

  test('is told that a table is gone, not that it is forbidden', () => {
    expect(of('JobRole', 'dynamodb:DescribeTable')).toMatchObject([{ resources: [TABLE] }]);
    expect(of('JobRole', 'dynamodb:DescribeTable').map(({ condition }) => condition)).toEqual([
      undefined,
    ]);
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
    'UpdateContributorInsights',
    'BatchWriteItem',
    'Scan',
    'DescribeTimeToLive',
    'DescribeContinuousBackups',
    'DescribeKinesisStreamingDestination',
    'GetResourcePolicy',
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
    expect(statement.actions).toContain('application-autoscaling:PutScheduledAction');
    expect(statement.condition).toEqual({
      StringEquals: { 'application-autoscaling:service-namespace': 'dynamodb' },
    });
  });

  test('makes no alarms but those of the scaling of tables', () => {
    expect(of('JobRestoreRole', 'cloudwatch:PutMetricAlarm')).toMatchObject([
      { resources: [expect.stringMatching(/:alarm:TargetTracking-table\/\*$/)] },
    ]);
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
      expect(action).not.toMatch(/Delete/);
    }
  });
});
