import { execFileSync } from 'child_process';
import * as fs from 'fs';
import * as os from 'os';
import * as path from 'path';
import { Template } from 'aws-cdk-lib/assertions';
import { resolve, statements } from './support/resolve';
import { jobDefinition, jobEnvironment, only, ROOT } from './support/stacks';

const EXAMPLES = path.join(ROOT, 'examples');

const made = new Map<string, Map<string, Template>>();

/** Runs the example as its cdk.json says, once, and reads the templates of its stacks. */
function stacks(example: string): Map<string, Template> {
  const known = made.get(example);
  if (known) return known;
  const out = fs.mkdtempSync(path.join(os.tmpdir(), 'autodump-example-'));
  const cwd = path.join(EXAMPLES, example);
  const { app } = JSON.parse(fs.readFileSync(path.join(cwd, 'cdk.json'), 'utf8')) as {
    app: string;
  };
  const [command, ...args] = app.split(' ');
  execFileSync(command, args, {
    cwd,
    env: {
      ...process.env,
      CDK_OUTDIR: out,
      CDK_CONTEXT_JSON: JSON.stringify({ 'aws:cdk:bundling-stacks': [] }),
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const templates = fs.readdirSync(out).filter((file) => file.endsWith('.template.json'));
  const found = templates.map((file): [string, Template] => [
    file.replace('.template.json', ''),
    Template.fromString(fs.readFileSync(path.join(out, file), 'utf8')),
  ]);
  fs.rmSync(out, { recursive: true });
  made.set(example, new Map(found));
  return stacks(example);
}

/** The template of its only stack with an AutoDump. */
function synth(example: string): Template {
  const [one, ...more] = [...stacks(example).values()].filter(
    (stack) => Object.keys(stack.findResources('AWS::StepFunctions::StateMachine')).length > 0,
  );
  expect(more).toEqual([]);
  return one;
}

const folders = fs
  .readdirSync(EXAMPLES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

test.each(folders)('%s is synthesised, and stands in the list', (example) => {
  const machines = example === 'parquet-to-csv' ? 1 : 2;
  synth(example).resourceCountIs('AWS::StepFunctions::StateMachine', machines);
  const readme = fs.readFileSync(path.join(EXAMPLES, 'README.md'), 'utf8');
  expect(readme).toContain(`[${example}](${example}/app.ts)`);
});

test('rds-same-stack: the secret is tagged, and the database lets the jobs in', () => {
  const stack = synth('rds-same-stack');
  stack.hasResourceProperties('AWS::SecretsManager::Secret', {
    Tags: [
      { Key: 'autodump:start-schedule', Value: '30 3 - - -' },
      { Key: 'autodump:timezone', Value: 'Europe/Berlin' },
    ],
  });
  stack.resourceCountIs('AWS::EC2::SecurityGroupIngress', 1);
  stack.hasResourceProperties('AWS::SecretsManager::Secret', {
    Tags: [{ Key: 'autodump:restore-target', Value: 'yes' }],
  });
});

test('own-bucket-and-key: no other bucket is made', () => {
  const stack = synth('own-bucket-and-key');
  stack.resourceCountIs('AWS::S3::Bucket', 1);
  stack.resourceCountIs('AWS::CloudWatch::Alarm', 3);
  const [bucket] = Object.values(stack.findResources('AWS::S3::Bucket'));
  const job = jobDefinition(stack);
  const [{ AbortIncompleteMultipartUpload: abort }] =
    bucket.Properties.LifecycleConfiguration.Rules;
  expect(abort.DaysAfterInitiation * 24 * 60 * 60).toBeGreaterThanOrEqual(
    job.Timeout.AttemptDurationSeconds,
  );
});

test('three-accounts: each role is the one that the sources name, and trusts the account of the backups', () => {
  const all = stacks('three-accounts');
  expect([...all.keys()].sort()).toEqual(['Backup', 'Production', 'Staging']);
  const told = jobEnvironment(all.get('Backup')!).AUTODUMP_SOURCES;
  const sources = JSON.parse(told) as { [name: string]: string }[];
  expect(sources.map(({ region }) => region)).toEqual(['eu-central-1', 'eu-west-1']);
  const bucket = only(all.get('Backup')!, 'AWS::S3::Bucket').BucketName as string;
  for (const [index, name] of ['Production', 'Staging'].entries()) {
    const stack = all.get(name)!;
    const role = only(stack, 'AWS::IAM::Role');
    const [trust] = role.AssumeRolePolicyDocument.Statement;
    expect(sources[index].roleArn).toMatch(new RegExp(`:role/${role.RoleName as string}$`));
    expect(trust.Condition.StringEquals['sts:ExternalId']).toBe(sources[index].externalId);
    expect(resolve(trust.Principal.AWS)).toBe('arn:<partition>:iam::111122223333:root');
    const written = statements(stack).flatMap(({ actions, resources }) =>
      actions.includes('s3:PutObject') ? resources : [],
    );
    expect(written).toEqual([`arn:<partition>:s3:::${bucket}/dynamodb/*/export/*`]);
  }
  const [table] = Object.values(all.get('Production')!.findResources('AWS::DynamoDB::Table'));
  const tags = table.Properties.Tags.map(({ Key }: any) => Key);
  expect(tags).toContain('autodump:replicate');
  expect(tags).toContain('autodump:start-schedule');
  const may = (name: string, action: string): boolean =>
    statements(all.get(name)!).some(({ actions }) => actions.includes(action));
  expect(may('Production', 'dynamodb:ImportTable')).toBe(false);
  expect(may('Staging', 'dynamodb:ImportTable')).toBe(true);
  const readers = only(all.get('Backup')!, 'AWS::S3::BucketPolicy').PolicyDocument.Statement.filter(
    ({ Action }: any) => [Action].flat().includes('s3:GetObject'),
  );
  expect(readers.map(({ Principal }: any) => Principal.AWS)).toEqual([sources[1].roleArn]);
});

test('parquet-to-csv: the alarms tell, the schema is there, and who reads gets the results alone', () => {
  const stack = synth('parquet-to-csv');
  const alarms = Object.values(stack.findResources('AWS::CloudWatch::Alarm'));
  expect(alarms).toHaveLength(2);
  for (const { Properties } of alarms) {
    expect(Properties.AlarmActions.map(resolve)).toEqual([expect.stringMatching(/^<Alarms/)]);
  }
  const told = JSON.parse(functionOf(stack).AUTODUMP_CSV);
  expect(told.schemas.key).toMatch(/\.json$/);
  expect([told.layout, told.onBad, told.source.prefix]).toEqual(['plain', 'reject', 'lake/']);
  const read = statements(stack).filter(({ role }) => role === 'Reader');
  expect(read.flatMap(({ resources }) => resources).every((one) => one.startsWith('<Csv'))).toBe(
    true,
  );
  const { Properties: job } = Object.values(stack.findResources('AWS::Batch::JobDefinition'))[0];
  expect(job.ContainerProperties.NetworkConfiguration.AssignPublicIp).toBe('ENABLED');
  stack.resourceCountIs('AWS::EC2::NatGateway', 0);
});

/** What the function of a ParquetToCsv is told. The stack may have functions of the CDK's own. */
function functionOf(stack: Template): { [name: string]: string } {
  const found = Object.values(stack.findResources('AWS::Lambda::Function'))
    .map(({ Properties }) => Properties.Environment?.Variables ?? {})
    .filter((variables) => 'AUTODUMP_CSV' in variables);
  expect(found).toHaveLength(1);
  return { AUTODUMP_CSV: resolve(found[0].AUTODUMP_CSV) };
}
