import { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { ParquetToCsvProps, TableSchemas } from '../index';
import { conversion, ConversionProps, makeConversion, withJobs } from './support/conversion';
import { Statement, statements } from './support/resolve';
import { only, Template } from './support/stacks';

const PREFIXES = { sourcePrefix: 'rds/', destinationPrefix: 'csv/' };
const SOURCE = 'arn:<partition>:s3:::example-exports';
const RESULTS = 'arn:<partition>:s3:::example-results';
const RULES = 'arn:<partition>:s3:::example-rules';
const WORKERS = ['FunctionRole', 'JobRole'];

const of = (from: Template, name: string): Statement[] =>
  statements(from).filter(({ role }) => role === `AutoDumpCsv${name}`);
const given = (from: Template, name: string, action: string): Statement[] =>
  of(from, name).filter(({ actions }) => actions.includes(action));
const resources = (from: Template, name: string, action: string): string[] =>
  given(from, name, action).flatMap((statement) => statement.resources);
const both = (props: Partial<ParquetToCsvProps> = {}): ConversionProps =>
  withJobs({ ...PREFIXES, ...props });
const withRules = (stack: Stack): Partial<ParquetToCsvProps> => ({
  ...withJobs(PREFIXES)(stack),
  schemas: TableSchemas.fromBucket(s3.Bucket.fromBucketName(stack, 'Rules', 'example-rules'), 'r/'),
});

describe.each(WORKERS)('the %s', (role) => {
  test('reads Parquet files and schemas below their prefixes, and of results the manifests', () => {
    expect(resources(conversion(withRules), role, 's3:GetObject')).toEqual([
      `${SOURCE}/rds/*.parquet`,
      `${RESULTS}/csv/*.manifest.json`,
      `${RULES}/r/*.json`,
    ]);
  });

  test('lists what it reads, and may ask for what is missing', () => {
    const listed = given(conversion(withRules), role, 's3:ListBucket');
    expect(listed.map((statement) => [statement.resources, statement.condition])).toEqual([
      [[SOURCE], { StringLikeIfExists: { 's3:prefix': 'rds/*' } }],
      [[RESULTS], { StringLikeIfExists: { 's3:prefix': 'csv/*' } }],
      [[RULES], { StringLikeIfExists: { 's3:prefix': 'r/*' } }],
    ]);
    const all = given(conversion(withJobs()), role, 's3:ListBucket');
    expect(all.map(({ condition }) => condition)).toEqual([undefined, undefined]);
  });

  test('writes results, and removes only manifests', () => {
    const made = conversion(both());
    for (const action of ['s3:PutObject', 's3:AbortMultipartUpload']) {
      expect(resources(made, role, action)).toEqual([`${RESULTS}/csv/*`]);
    }
    expect(resources(made, role, 's3:DeleteObject')).toEqual([`${RESULTS}/csv/*.manifest.json`]);
  });

  test('of schemas that are deployed reads the one object', () => {
    const made = conversion(both({ schemas: TableSchemas.fromObjects({ orders: {} }) }));
    const [, , asset] = resources(made, role, 's3:GetObject');
    expect(asset).toMatch(/:s3:::cdk-hnb659fds-assets-.*\/[0-9a-f]{64}\.json$/);
    const [, , listed] = given(made, role, 's3:ListBucket');
    expect(listed.condition.StringLikeIfExists['s3:prefix']).toMatch(/^[0-9a-f]{64}\.json$/);
  });

  test('uses no key where there is none', () => {
    expect(given(conversion(both()), role, 'kms:Decrypt')).toEqual([]);
  });

  const withKeys = (stack: Stack): Partial<ParquetToCsvProps> => {
    const bucket = (id: string): s3.Bucket =>
      new s3.Bucket(stack, id, { encryptionKey: new kms.Key(stack, `${id}Key`) });
    return {
      ...withJobs(PREFIXES)(stack),
      source: bucket('Parquet'),
      sourceKeys: [new kms.Key(stack, 'ExportKey')],
      destination: bucket('Csv'),
      schemas: TableSchemas.fromBucket(bucket('Rules')),
    };
  };
  const keys = (props: ConversionProps): [string[], string[]][] =>
    of(conversion(props), role)
      .filter(({ actions }) => actions.includes('kms:Decrypt'))
      .map((statement) => {
        expect(JSON.stringify(statement.condition.StringEquals['kms:ViaService'])).toContain('s3.');
        const names = statement.resources.map((one) => one.replace(/^<(\w+Key)\w{8}\.Arn>$/, '$1'));
        return [statement.actions, names];
      });

  test('decrypts what it reads and encrypts what it writes, through S3 alone', () => {
    expect(keys(withKeys)).toEqual([
      [['kms:Decrypt'], ['ParquetKey', 'ExportKey', 'RulesKey']],
      [['kms:GenerateDataKey', 'kms:Decrypt'], ['CsvKey']],
    ]);
  });

  test('encrypts with the key that is given, if there is one', () => {
    const own = (stack: Stack): Partial<ParquetToCsvProps> => ({
      ...withKeys(stack),
      encryptionKey: new kms.Key(stack, 'GivenKey'),
    });
    expect(keys(own)).toEqual([
      [['kms:Decrypt'], ['ParquetKey', 'ExportKey', 'RulesKey', 'CsvKey']],
      [['kms:GenerateDataKey', 'kms:Decrypt'], ['GivenKey']],
    ]);
  });

  test('has the same rights as the other one, but for its log', () => {
    const made = conversion(withKeys);
    const [mine, others] = [role, WORKERS.find((other) => other !== role)!].map((name) =>
      of(made, name)
        .filter(({ actions }) => actions.every((action) => !action.startsWith('logs:')))
        .map((statement) => [statement.actions, statement.resources, statement.condition]),
    );
    expect(mine).toEqual(others);
  });
});

test('the executions may call the function, and run the one job if there is one', () => {
  const called = (from: Template): string[] =>
    resources(from, 'StateMachineRole', 'lambda:InvokeFunction');
  for (const made of [conversion(), conversion(both())]) {
    expect(called(made)).toEqual([expect.stringMatching(/^<AutoDumpCsvFunction\w+\.Arn>$/)]);
  }
  expect(given(conversion(), 'StateMachineRole', 'batch:SubmitJob')).toEqual([]);
  const { csv, stack } = makeConversion(both());
  const definition = `arn:<partition>:batch:<region>:<account>:job-definition/${csv.name}`;
  expect(resources(Template.fromStack(stack), 'StateMachineRole', 'batch:SubmitJob')).toEqual([
    definition,
    `${definition}:*`,
    expect.stringMatching(/^<AutoDumpCsvJobQueue\w+\.JobQueueArn>$/),
  ]);
});

test('the rule may start executions of the one state machine, and nothing else', () => {
  const made = conversion();
  expect(of(made, 'RuleRole').map((one) => [one.actions, one.resources])).toEqual([
    [['states:StartExecution'], [expect.stringMatching(/^<AutoDumpCsvStateMachine\w+>$/)]],
  ]);
  const [role] = Object.entries(made.findResources('AWS::IAM::Role')).filter(([id]) =>
    id.startsWith('AutoDumpCsvRuleRole'),
  );
  expect(role[1].Properties.AssumeRolePolicyDocument.Statement[0].Principal).toEqual({
    Service: 'events.amazonaws.com',
  });
});

test('its queue takes events of the rule, and speaks TLS alone', () => {
  const { Statement: found } = only(conversion(), 'AWS::SQS::QueuePolicy').PolicyDocument;
  const allowed = found.filter(({ Effect }: any) => Effect === 'Allow');
  expect(allowed.map(({ Action, Principal }: any) => [Action, Principal])).toEqual([
    ['sqs:SendMessage', { Service: 'events.amazonaws.com' }],
  ]);
  expect(JSON.stringify(allowed[0].Condition)).toMatch(/aws:SourceArn.*AutoDumpCsvRule/);
  expect(found.filter(({ Effect }: any) => Effect === 'Deny')[0].Condition).toEqual({
    Bool: { 'aws:SecureTransport': 'false' },
  });
});

test('no action has a wildcard, and no role a policy of AWS', () => {
  const made = conversion(withRules);
  for (const { actions } of statements(made)) {
    for (const action of actions) expect(action).toMatch(/^[a-z0-9-]+:[A-Za-z]+$/);
  }
  made.resourceCountIs('AWS::IAM::Role', 5);
  for (const { Properties } of Object.values(made.findResources('AWS::IAM::Role'))) {
    expect(Properties).not.toHaveProperty('ManagedPolicyArns');
  }
});

describe('grantReadResults', () => {
  test('gives what lies below the prefix, and the key of the bucket', () => {
    const { csv, stack } = makeConversion((scope) => ({
      ...PREFIXES,
      destination: new s3.Bucket(scope, 'Csv', { encryptionKey: new kms.Key(scope, 'Key') }),
    }));
    csv.grantReadResults(new iam.User(stack, 'Reader')).assertSuccess();
    const read = statements(Template.fromStack(stack)).filter(({ role }) => role === 'Reader');
    expect(read.map((one) => [one.actions, one.resources, one.condition])).toEqual([
      [['s3:GetObject'], [expect.stringMatching(/^<Csv\w+\.Arn>\/csv\/\*$/)], undefined],
      [
        ['s3:ListBucket', 's3:GetBucketLocation'],
        [expect.stringMatching(/^<Csv\w+\.Arn>$/)],
        { StringLikeIfExists: { 's3:prefix': 'csv/*' } },
      ],
      [['kms:Decrypt'], [expect.stringMatching(/^<Key\w+\.Arn>$/)], undefined],
    ]);
  });

  test('without a prefix gives all of the bucket, and without a key none', () => {
    const { csv, stack } = makeConversion();
    csv.grantReadResults(new iam.User(stack, 'Reader'));
    const read = statements(Template.fromStack(stack)).filter(({ role }) => role === 'Reader');
    expect(read.map((one) => [one.resources, one.condition])).toEqual([
      [[`${RESULTS}/*`], undefined],
      [[RESULTS], undefined],
    ]);
  });
});
