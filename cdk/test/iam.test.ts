import * as fs from 'fs';
import * as path from 'path';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Stack } from 'aws-cdk-lib';
import { AutoDumpSourceRole, ParquetToCsv, TableSchemas } from '../index';
import { Statement, statements, statementsOf } from './support/resolve';
import {
  FLAGS,
  imageIsBuilt,
  make,
  readJson,
  ROOT,
  Template,
  template,
  testApp,
  testVpc,
} from './support/stacks';

const IMPORTED_KEY =
  'arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef';

interface Wildcard {
  readonly role: string;
  readonly action: string;
  readonly resource: string;
}

function documented(): Wildcard[] {
  const text = fs.readFileSync(path.join(ROOT, 'docs', 'iam.md'), 'utf8');
  const table = text.slice(text.indexOf('## Wildcards'));
  const rows = [...table.matchAll(/^\| (\w+) \| ([\w:-]+) \| `([^`]+)` \| (.+) \|$/gm)];
  return rows.map(([, role, action, resource]) => ({
    role: role,
    action: action,
    resource: resource,
  }));
}

function wildcards(from: Template): Wildcard[] {
  return statements(from)
    .filter(({ role }) => role.startsWith('AutoDump'))
    .flatMap(({ role, actions, resources }) =>
      resources
        .filter((resource) => resource.includes('*'))
        .flatMap((resource) =>
          actions.map((action) => ({
            role: role.replace('AutoDump', ''),
            action,
            resource: resource
              .replace(/^(<\w+\.Arn>|arn:<partition>:s3:::[\w-]+)\//, '<bucket>/')
              .replace(
                /job-definition\/[\w-]+?(-verify|-restore)?(?=:|$)/,
                'job-definition/<name>$1',
              ),
          })),
        ),
    );
}

const key = ({ role, action, resource }: Wildcard): string => `${role} ${action} ${resource}`;
const sorted = (list: Wildcard[]): string[] => [...new Set(list.map(key))].sort();

describe.each([
  ['without feature flags', {}],
  ['with the flags of cdk.json', FLAGS],
])('the wildcards in the policies, %s', (_, flags) => {
  test('are those in docs/iam.md, and no others', () => {
    // The built image lies in ECR, which needs the one permission that a registry's does not.
    imageIsBuilt(true);
    const made = make({ image: undefined, snapshots: {} }, testApp(flags));
    const source = new Stack(testApp(flags), 'Source');
    new AutoDumpSourceRole(source, 'AutoDumpSource', {
      trustedAccount: '111122223333',
      bucketName: 'example-backups',
      restore: true,
    });
    const csv = new Stack(testApp(flags), 'Csv');
    const bucket = (name: string): s3.IBucket => s3.Bucket.fromBucketName(csv, name, name);
    new ParquetToCsv(csv, 'AutoDumpCsv', {
      source: bucket('example-exports'),
      sourcePrefix: '<source>/',
      destination: bucket('example-results'),
      destinationPrefix: '<results>/',
      schemas: TableSchemas.fromBucket(bucket('example-rules'), '<schemas>/'),
      vpc: testVpc(csv),
    });
    const found = [made.stack, source, csv].flatMap((stack) =>
      wildcards(Template.fromStack(stack)),
    );
    expect(documented().length).toBeGreaterThan(10);
    expect(sorted(found)).toEqual(sorted(documented()));
  });
});

test('no action has a wildcard', () => {
  for (const { actions } of statements(template())) {
    for (const action of actions) expect(action).toMatch(/^[a-z0-9-]+:[A-Za-z]+$/);
  }
});

test('every policy belongs to one role', () => {
  for (const policy of Object.values(template().findResources('AWS::IAM::Policy'))) {
    expect(policy.Properties.Roles).toHaveLength(1);
  }
  template().resourceCountIs('AWS::IAM::Role', 9);
  template({ snapshots: {} }).resourceCountIs('AWS::IAM::Role', 13);
  for (const role of Object.values(template().findResources('AWS::IAM::Role'))) {
    expect(role.Properties).not.toHaveProperty('ManagedPolicyArns');
  }
});

describe('the dumper', () => {
  const find = (list: Statement[], action: string): Statement => {
    const found = list.filter(({ actions }) => actions.includes(action));
    expect(found).toHaveLength(1);
    return found[0];
  };

  test('reads only secrets that bear the schedule tag', () => {
    const role = statementsOf(template({ tagPrefix: 'team.backup' }), 'JobRole');
    expect(find(role, 'secretsmanager:GetSecretValue').condition).toEqual({
      Null: { 'aws:ResourceTag/team.backup:start-schedule': 'false' },
    });
  });

  test('can write databases below their prefix, and neither read, list nor delete them', () => {
    const role = statementsOf(template(), 'JobRole').filter(({ actions }) =>
      actions.some((action) => action.startsWith('s3:')),
    );
    const databases = role.filter(({ resources }) => !/\/dynamodb\//.test(resources.join(' ')));
    expect(databases.map(({ actions, resources }) => [actions, resources])).toEqual([
      [
        ['s3:PutObject', 's3:AbortMultipartUpload'],
        [
          expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/postgres\/\*$/),
          expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/mongodb\/\*$/),
        ],
      ],
      [['s3:ListBucket'], [expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>$/)]],
    ]);
    expect(databases[1].condition).toEqual({ StringLike: { 's3:prefix': 'dynamodb/*' } });
  });

  test.each(['manifest.json', 'manifest-mongodb.json'])(
    'can write where the backup of contract/%s lies',
    (file) => {
      const prefixes = statementsOf(template(), 'JobRole')
        .filter(({ actions }) => actions.includes('s3:PutObject'))
        .flatMap(({ resources }) => resources)
        .map((resource) => /\.Arn>\/(\w+\/)\*$/.exec(resource)?.[1]);
      for (const { key } of readJson('contract', file).objects) {
        expect(prefixes).toContain(/^\w+\//.exec(key)?.[0]);
      }
    },
  );

  test('writes to the additional buckets too', () => {
    const role = statementsOf(
      template((stack) => ({
        additionalBuckets: [s3.Bucket.fromBucketName(stack, 'More', 'more-backups')],
      })),
      'JobRole',
    );
    const written = role.filter(({ actions }) => actions.includes('s3:PutObject'));
    expect(written.flatMap(({ resources }) => resources)).toEqual([
      expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/postgres\/\*$/),
      expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/mongodb\/\*$/),
      'arn:<partition>:s3:::more-backups/postgres/*',
      'arn:<partition>:s3:::more-backups/mongodb/*',
      expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/dynamodb\/\*$/),
    ]);
  });

  test('uses the key of the backups only through S3, and others only through their services', () => {
    const role = statementsOf(
      template((stack) => ({ encryptionKey: new kms.Key(stack, 'Key') })),
      'JobRole',
    );
    const byService = role
      .filter(({ actions }) => actions.includes('kms:Decrypt'))
      .map((statement) => [
        JSON.stringify(statement.condition.StringEquals['kms:ViaService']),
        [...statement.actions].sort(),
        statement.resources,
      ]);
    expect(byService).toEqual([
      [
        expect.stringContaining('"secretsmanager."'),
        ['kms:Decrypt'],
        ['arn:<partition>:kms:<region>:<account>:key/*'],
      ],
      [
        expect.stringContaining('"s3."'),
        ['kms:Decrypt', 'kms:GenerateDataKey'],
        [expect.stringMatching(/^<Key\w+\.Arn>$/)],
      ],
      [
        expect.stringContaining('"dynamodb."'),
        ['kms:Decrypt', 'kms:DescribeKey'],
        ['arn:<partition>:kms:<region>:<account>:key/*'],
      ],
    ]);
  });

  test.each([
    ['a given key', true, /^<Given\w+\.Arn>$/],
    ["the bucket's own key", false, /^<Own\w+\.Arn>$/],
  ])('uses %s, and the own key of an additional bucket', (_, given, first) => {
    const role = statementsOf(
      template((stack) => ({
        bucket: new s3.Bucket(stack, 'Bucket', { encryptionKey: new kms.Key(stack, 'Own') }),
        encryptionKey: given ? new kms.Key(stack, 'Given') : undefined,
        additionalBuckets: [
          new s3.Bucket(stack, 'More', { encryptionKey: new kms.Key(stack, 'MoreKey') }),
          s3.Bucket.fromBucketName(stack, 'Keyless', 'keyless'),
          s3.Bucket.fromBucketAttributes(stack, 'Imported', {
            bucketName: 'imported',
            encryptionKey: kms.Key.fromKeyArn(stack, 'ImportedKey', IMPORTED_KEY),
          }),
        ],
      })),
      'JobRole',
    );
    expect(find(role, 'kms:GenerateDataKey').resources).toEqual([
      expect.stringMatching(first),
      expect.stringMatching(/^<MoreKey\w+\.Arn>$/),
      IMPORTED_KEY,
    ]);
  });

  test('uses only the named keys of secrets, if they are named', () => {
    const of = (keys: (stack: Stack) => kms.IKey[]) =>
      statementsOf(
        template((stack) => ({ secretEncryptionKeys: keys(stack), tableEncryptionKeys: [] })),
        'JobRole',
      ).filter(({ actions }) => actions.includes('kms:Decrypt'));
    expect(of(() => [])).toEqual([]);
    expect(of((stack) => [new kms.Key(stack, 'Key')])[0].resources).toEqual([
      expect.stringMatching(/^<Key\w+\.Arn>$/),
    ]);
  });

  test('may use the key of an own bucket, though no key is given', () => {
    const role = statementsOf(
      template((stack) => ({
        bucket: new s3.Bucket(stack, 'Own', { encryptionKey: new kms.Key(stack, 'Key') }),
      })),
      'JobRole',
    );
    expect(find(role, 'kms:GenerateDataKey').resources).toEqual([
      expect.stringMatching(/^<Key\w+\.Arn>$/),
    ]);
  });
});

test('the scanner may start executions of the one state machine', () => {
  const made = make();
  const start = statementsOf(Template.fromStack(made.stack), 'ScannerRole').filter(({ actions }) =>
    actions.includes('states:StartExecution'),
  );
  expect(start.map(({ resources }) => resources)).toEqual([
    [`arn:<partition>:states:<region>:<account>:stateMachine:${made.autoDump.name}`],
  ]);
});

test('only the jobs that need it may read the value of a secret', () => {
  const without = [
    'ScannerRole',
    'HashRole',
    'PlannerRole',
    'SnapshotsRole',
    'ExportRole',
    'StateMachineRole',
    'RestoreStateMachineRole',
    'UndoStateMachineRole',
    'JobVerifyRole',
    'JobExecutionRole',
  ];
  const made = template({ snapshots: {} });
  for (const role of without) {
    const actions = statementsOf(made, role).flatMap((statement) => statement.actions);
    expect(actions).not.toContain('secretsmanager:GetSecretValue');
  }
});
