import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Statement, statements, statementsOf } from './support/resolve';
import { make, Template, template } from './support/stacks';

const actionsOf = (list: Statement[]): string[] =>
  [...new Set(list.flatMap(({ actions }) => actions))].sort();
const find = (list: Statement[], action: string): Statement => {
  const found = list.filter(({ actions }) => actions.includes(action));
  expect(found).toHaveLength(1);
  return found[0];
};
const twoBuckets = (): Template =>
  template((stack) => ({
    encryptionKey: new kms.Key(stack, 'Key'),
    additionalBuckets: [
      s3.Bucket.fromBucketName(stack, 'More', 'more'),
      new s3.Bucket(stack, 'Keyed', { encryptionKey: new kms.Key(stack, 'KeyedKey') }),
    ],
  }));
const BUCKETS = [
  expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>$/),
  'arn:<partition>:s3:::more',
  expect.stringMatching(/^<Keyed\w+\.Arn>$/),
];
const below = (end: string) =>
  ['<AutoDumpBucket\\w+\\.Arn>', 'arn:<partition>:s3:::more', '<Keyed\\w+\\.Arn>'].flatMap(
    (bucket) =>
      ['postgres', 'mongodb', 'dynamodb'].map((prefix) =>
        expect.stringMatching(new RegExp(`^${bucket}/${prefix}/${end}$`)),
      ),
  );
const KEYS = [
  expect.stringMatching(/^<Key\w+\.Arn>$/),
  expect.stringMatching(/^<KeyedKey\w+\.Arn>$/),
];

describe('the verification', () => {
  test('reads backups, writes only what it found, and needs nothing but S3', () => {
    const role = statementsOf(twoBuckets(), 'JobVerifyRole');
    expect(actionsOf(role)).toEqual([
      'kms:Decrypt',
      'kms:GenerateDataKey',
      's3:AbortMultipartUpload',
      's3:GetBucketLocation',
      's3:GetObject',
      's3:ListBucket',
      's3:PutObject',
    ]);
    expect(find(role, 's3:GetObject').resources).toEqual(below('\\*'));
    expect(find(role, 's3:PutObject').resources).toEqual(below('\\*/verification-\\*\\.json'));
    expect(find(role, 's3:AbortMultipartUpload')).toBe(find(role, 's3:PutObject'));
  });

  test('is told which object is missing, not that it is forbidden', () => {
    const list = find(statementsOf(twoBuckets(), 'JobVerifyRole'), 's3:ListBucket');
    expect(list.resources).toEqual(BUCKETS);
    expect(list.condition).toBeUndefined();
  });

  test('uses the keys of the backups only through S3', () => {
    const keys = statementsOf(twoBuckets(), 'JobVerifyRole').filter(({ actions }) =>
      actions.some((action) => action.startsWith('kms:')),
    );
    expect(actionsOf(keys)).toEqual(['kms:Decrypt', 'kms:GenerateDataKey']);
    for (const { condition, resources } of keys) {
      expect(JSON.stringify(condition.StringEquals['kms:ViaService'])).toContain('"s3."');
      expect(resources).toEqual(KEYS);
    }
    const bare = statementsOf(template(), 'JobVerifyRole');
    expect(actionsOf(bare).filter((action) => action.startsWith('kms:'))).toEqual([]);
  });
});

describe('the restore', () => {
  test('reads only secrets that say that their database may be written into', () => {
    const role = statementsOf(template({ tagPrefix: 'team.backup' }), 'JobRestoreRole');
    const secrets = find(role, 'secretsmanager:GetSecretValue');
    expect(secrets.actions).toContain('secretsmanager:DescribeSecret');
    expect(secrets.condition).toEqual({
      StringEquals: { 'aws:ResourceTag/team.backup:restore-target': 'yes' },
    });
  });

  test('reads backups, and can write none', () => {
    const role = statementsOf(twoBuckets(), 'JobRestoreRole');
    const other = actionsOf(role).filter((action) => /^(s3|secretsmanager):/.test(action));
    expect(other).toEqual([
      's3:GetBucketLocation',
      's3:GetObject',
      's3:ListBucket',
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
    ]);
    expect(find(role, 's3:GetObject').resources).toEqual(below('\\*'));
    expect(find(role, 's3:ListBucket').resources).toEqual(BUCKETS);
  });

  test('uses the keys of secrets as the dumper does, and those of backups through S3', () => {
    const keys = statementsOf(twoBuckets(), 'JobRestoreRole')
      .filter(({ actions }) => actions.includes('kms:Decrypt'))
      .map(({ condition, resources }) => [
        JSON.stringify(condition.StringEquals['kms:ViaService']),
        resources,
      ]);
    expect(keys).toEqual([
      [
        expect.stringContaining('"secretsmanager."'),
        ['arn:<partition>:kms:<region>:<account>:key/*'],
      ],
      [expect.stringContaining('"s3."'), KEYS],
      [expect.stringContaining('"dynamodb."'), ['arn:<partition>:kms:<region>:<account>:key/*']],
    ]);
    const none = statementsOf(
      template({ secretEncryptionKeys: [], tableEncryptionKeys: [] }),
      'JobRestoreRole',
    );
    expect(actionsOf(none)).not.toContain('kms:Decrypt');
  });
});

test('each state machine submits the jobs that it needs, and no others', () => {
  const { autoDump, stack } = make();
  const made = Template.fromStack(stack);
  const definitions = (role: string): string[] =>
    find(statementsOf(made, role), 'batch:SubmitJob').resources.filter((resource) =>
      resource.includes('job-definition'),
    );
  const revisions = (name: string): string[] => {
    const arn = `arn:<partition>:batch:<region>:<account>:job-definition/${name}`;
    return [arn, `${arn}:*`];
  };
  expect(definitions('StateMachineRole')).toEqual([
    ...revisions(autoDump.name),
    ...revisions(`${autoDump.name}-verify`),
    // Of a table that is replicated.
    ...revisions(`${autoDump.name}-restore`),
  ]);
  expect(definitions('RestoreStateMachineRole')).toEqual(revisions(`${autoDump.name}-restore`));
});

test('nothing of AutoDump may start the state machine of restores', () => {
  const { autoDump, stack } = make();
  const starts = statements(Template.fromStack(stack)).filter(({ actions }) =>
    actions.includes('states:StartExecution'),
  );
  expect(starts.flatMap(({ resources }) => resources)).toEqual([
    expect.stringMatching(new RegExp(`:stateMachine:${autoDump.name}$`)),
  ]);
});

describe('allowDatabaseLogin', () => {
  test('lets the dump and the restore log in as that one user, and nothing else', () => {
    const { autoDump, stack } = make();
    autoDump.allowDatabaseLogin('db-ABCDEFGHIJKL01234', 'autodump');
    const logins = statements(Template.fromStack(stack)).filter(({ actions }) =>
      actions.includes('rds-db:connect'),
    );
    const roles = logins.map(({ role }) => role).sort();
    expect(roles).toEqual(['AutoDumpJobRestoreRole', 'AutoDumpJobRole']);
    for (const { actions, resources } of logins) {
      expect(actions).toEqual(['rds-db:connect']);
      expect(resources).toEqual([
        'arn:<partition>:rds-db:<region>:<account>:dbuser:db-ABCDEFGHIJKL01234/autodump',
      ]);
    }
  });

  test('is given to none unless it is asked for', () => {
    expect(actionsOf(statements(template()))).not.toContain('rds-db:connect');
  });

  test.each([
    ['resourceId', '', 'autodump'],
    ['resourceId', 'arn:aws:rds:eu-central-1:111122223333:db:app', 'autodump'],
    ['username', 'db-ABCDEFGHIJKL01234', ''],
    ['username', 'db-ABCDEFGHIJKL01234', 'a/b'],
    ['username', 'db-ABCDEFGHIJKL01234', 'a b'],
  ])('rejects a %s that is no part of an ARN: %j, %j', (name, resourceId, username) => {
    const { autoDump } = make();
    expect(() => {
      autoDump.allowDatabaseLogin(resourceId, username);
    }).toThrow(`\`${name}\``);
  });
});
