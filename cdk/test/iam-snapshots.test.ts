import * as fs from 'fs';
import * as path from 'path';
import { RemovalPolicy } from 'aws-cdk-lib';
import * as kms from 'aws-cdk-lib/aws-kms';
import { resolve, Statement, statements, statementsOf } from './support/resolve';
import { make, only, ROOT, Template, template } from './support/stacks';

const made = template({ snapshots: {}, tagPrefix: 'team.backup' });
const arn = (name: string): string => `arn:<partition>:rds:<region>:<account>:${name}`;
const has = (key: string): object => ({ Null: { [key]: 'false' } });
const IS_TARGET = has('aws:ResourceTag/team.backup:start-schedule');
const IS_MARKED = has('aws:RequestTag/team.backup:made-for');
const IS_OURS = has('aws:ResourceTag/team.backup:made-for');
const KEY = expect.stringMatching(/^<AutoDumpExportKey\w+\.Arn>$/);

const of = (role: string, action: string, from: Template = made): Statement[] =>
  statementsOf(from, role).filter(({ actions }) => actions.includes(action));
const resources = (role: string, action: string, from: Template = made): string[] =>
  of(role, action, from).flatMap((statement) => statement.resources);
const bucket = (end = '') =>
  expect.stringMatching(new RegExp(`^<AutoDumpBucket\\w+\\.Arn>${end.replaceAll('*', '\\*')}$`));
const source = (...segments: string[]): string =>
  fs.readFileSync(path.join(ROOT, 'crates', ...segments), 'utf8');

test('every operation of RDS that the program calls is allowed, and no other', () => {
  const files = [
    'rds.rs',
    ...['clusters', 'databases', 'exports', 'instances'].map((n) => `rds/${n}.rs`),
  ];
  const called = files
    .flatMap((file) => [
      ...source('aws', 'src', file).matchAll(
        /client\s*\.((?:describe|create|delete|start|cancel)_\w+)\(\)/g,
      ),
    ])
    .map(([, name]) =>
      name.replace(/(^|_)(db|[a-z])/g, (_, __, start: string) => start.toUpperCase()),
    );
  expect(called.length).toBeGreaterThan(10);
  const allowed = statementsOf(made, 'SnapshotsRole')
    .flatMap(({ actions }) => actions)
    .filter((action) => action.startsWith('rds:'))
    .map((action) => action.replace('rds:', ''));
  // To make something with tags is to tag it.
  expect([...new Set(allowed)].sort()).toEqual(
    [...new Set([...called, 'AddTagsToResource'])].sort(),
  );
});

describe('the function of snapshots', () => {
  test.each([
    ['CreateDBSnapshot', 'db', 'snapshot'],
    ['CreateDBClusterSnapshot', 'cluster', 'cluster-snapshot'],
  ])('%s: only of targets, with a name and a tag of its own', (action, of_, kind) => {
    expect(of('SnapshotsRole', `rds:${action}`)).toMatchObject([
      { resources: [arn(`${of_}:*`)], condition: IS_TARGET },
      { resources: [arn(`${kind}:autodump-*`)], condition: IS_MARKED },
    ]);
  });

  test('tags nothing but snapshots with a name of its own, and marks them', () => {
    expect(of('SnapshotsRole', 'rds:AddTagsToResource')).toMatchObject([
      { resources: [arn('snapshot:autodump-*')], condition: IS_MARKED },
      { resources: [arn('cluster-snapshot:autodump-*')], condition: IS_MARKED },
    ]);
  });

  test.each([
    ['DeleteDBSnapshot', 'snapshot'],
    ['DeleteDBClusterSnapshot', 'cluster-snapshot'],
  ])('%s: only what it has made', (action, kind) => {
    expect(of('SnapshotsRole', `rds:${action}`)).toMatchObject([
      { resources: [arn(`${kind}:autodump-*`)], condition: IS_OURS },
    ]);
  });

  test('gives its snapshots the names and the tag that the policies speak of', () => {
    expect(source('core', 'src', 'snapshot', 'names.rs')).toContain('PREFIX: &str = "autodump-"');
    expect(source('core', 'src', 'snapshot', 'run.rs')).toContain('self.prefix.key("made-for")');
  });

  test('passes one role, to RDS alone', () => {
    expect(of('SnapshotsRole', 'iam:PassRole')).toMatchObject([
      {
        resources: [expect.stringMatching(/^<AutoDumpExportRole\w+\.Arn>$/)],
        condition: { StringEquals: { 'iam:PassedToService': 'export.rds.amazonaws.com' } },
      },
    ]);
    const passing = statements(made).filter(({ actions }) => actions.includes('iam:PassRole'));
    expect(passing).toHaveLength(1);
  });

  test('lets AWS alone use the key, and decrypts with it through S3', () => {
    expect(of('SnapshotsRole', 'kms:CreateGrant')).toMatchObject([
      { resources: [KEY], condition: { Bool: { 'kms:GrantIsForAWSResource': 'true' } } },
    ]);
    expect(resources('SnapshotsRole', 'kms:DescribeKey')).toEqual([KEY]);
    const [decrypt, ...more] = of('SnapshotsRole', 'kms:Decrypt');
    expect(more).toEqual([]);
    expect(decrypt.resources).toEqual([KEY]);
    expect(JSON.stringify(decrypt.condition)).toContain('"s3."');
    expect(of('SnapshotsRole', 'kms:GenerateDataKey')).toEqual([]);
  });

  test('uses the key of the bucket too, if it has one', () => {
    const from = template((stack) => ({
      snapshots: {},
      encryptionKey: new kms.Key(stack, 'BucketKey'),
    }));
    const ofBucket = expect.stringMatching(/^<BucketKey\w+\.Arn>$/);
    expect(resources('SnapshotsRole', 'kms:GenerateDataKey', from)).toEqual([ofBucket]);
    expect(resources('SnapshotsRole', 'kms:Decrypt', from)).toEqual([ofBucket, KEY]);
    expect(resources('ExportRole', 'kms:GenerateDataKey', from)).toEqual([ofBucket, KEY]);
  });

  test('writes plan and manifest, reads these and what RDS says of an export, and deletes nothing', () => {
    const own = [bucket('/rds/*/state/*'), bucket('/rds/*/manifest.json')];
    expect(resources('SnapshotsRole', 's3:PutObject')).toEqual(own);
    expect(resources('SnapshotsRole', 's3:GetObject')).toEqual([
      ...own,
      bucket('/rds/*/export/*/export_*.json'),
    ]);
    expect(of('SnapshotsRole', 's3:ListBucket')).toMatchObject([
      { condition: { StringLikeIfExists: { 's3:prefix': 'rds/*' } } },
    ]);
    const actions = statementsOf(made, 'SnapshotsRole').flatMap((statement) => statement.actions);
    expect(actions.filter((action) => /^s3:(Delete|Abort)/.test(action))).toEqual([]);
  });

  test('knows where the code puts what it names', () => {
    const layout = source('core', 'src', 'snapshot', 'layout.rs');
    for (const name of ['"state/plan.json"', '"export"', 'export_info_', 'export_tables_info_']) {
      expect(layout).toContain(name);
    }
    expect(source('core', 'src', 'snapshot', 'manifest.rs')).toContain('ENGINE: &str = "rds"');
  });
});

describe('the role for exports', () => {
  const role = (from: Template): any =>
    Object.entries(from.findResources('AWS::IAM::Role')).find(([id]) => /ExportRole/.test(id))![1]
      .Properties;

  test('is taken by the exports of RDS of this account alone', () => {
    const [statement, ...more] = role(made).AssumeRolePolicyDocument.Statement;
    expect(more).toEqual([]);
    expect(statement.Principal).toEqual({ Service: 'export.rds.amazonaws.com' });
    expect(resolve(statement.Condition.StringEquals['aws:SourceAccount'])).toBe('<account>');
  });

  test('reaches the exports of runs, and nothing else in the bucket', () => {
    const objects = statementsOf(made, 'ExportRole').filter(({ actions }) =>
      actions.some((action) => /^s3:\w+Object/.test(action)),
    );
    expect(objects.map((statement) => statement.resources)).toEqual([[bucket('/rds/*/export/*')]]);
    expect(objects.map(({ condition }) => condition)).toEqual([undefined]);
    for (const action of ['s3:ListBucket', 's3:GetBucketLocation']) {
      expect(resources('ExportRole', action)).toEqual([bucket()]);
    }
  });
});

describe('the key for exports', () => {
  test('is made, rotated and kept, and goes with the stack if told so', () => {
    const key = { EnableKeyRotation: true };
    made.hasResource('AWS::KMS::Key', { DeletionPolicy: 'Retain', Properties: key });
    const passing = template({ snapshots: {}, removalPolicy: RemovalPolicy.DESTROY });
    passing.hasResource('AWS::KMS::Key', { DeletionPolicy: 'Delete', Properties: key });
  });

  test('is the given one, if one is given', () => {
    const from = template((stack) => ({ snapshots: { exportKey: new kms.Key(stack, 'Given') } }));
    expect(only(from, 'AWS::KMS::Key')).toBeDefined();
    expect(resources('SnapshotsRole', 'kms:CreateGrant', from)).toEqual([
      expect.stringMatching(/^<Given\w+\.Arn>$/),
    ]);
  });
});

test('without the prop there is no key, no role and no function of it, and nothing has a right on snapshots', () => {
  const { autoDump, stack } = make();
  const { exportKey, exportRole, snapshotsFunction, undoStateMachine } = autoDump;
  expect([exportKey, exportRole, snapshotsFunction, undoStateMachine]).toEqual(
    Array(4).fill(undefined),
  );
  const from = Template.fromStack(stack);
  from.resourceCountIs('AWS::KMS::Key', 0);
  const actions = statements(from).flatMap((statement) => statement.actions);
  const onRds = new Set(actions.filter((action) => action.startsWith('rds:')));
  expect([...onRds].sort()).toEqual(['rds:DescribeDBClusters', 'rds:DescribeDBInstances']);
});
