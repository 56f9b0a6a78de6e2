import { execFileSync } from 'child_process';
import * as fs from 'fs';
import * as os from 'os';
import * as path from 'path';
import { Template } from 'aws-cdk-lib/assertions';
import { jobDefinition, ROOT } from './support/stacks';

const EXAMPLES = path.join(ROOT, 'examples');

const made = new Map<string, Template>();

/** Runs the example as its cdk.json says, once, and reads the template of its only stack. */
function synth(example: string): Template {
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
  const [template, ...more] = fs.readdirSync(out).filter((file) => file.endsWith('.template.json'));
  expect(more).toEqual([]);
  const text = fs.readFileSync(path.join(out, template), 'utf8');
  made.set(example, Template.fromString(text));
  return synth(example);
}

const folders = fs
  .readdirSync(EXAMPLES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

test.each(folders)('%s is synthesised, and stands in the list', (example) => {
  synth(example).resourceCountIs('AWS::StepFunctions::StateMachine', 2);
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
