import { App, Stack, Validations } from 'aws-cdk-lib';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { AutoDump, AutoDumpSourceRole, ParquetToCsv, TableSchemas } from '../index';
import { AutoDumpStack } from '../bin/stack';
import { FLAGS, IMAGE, testApp, testVpc } from './support/stacks';

/** The findings of AwsSolutions that are errors or warnings and that no one acknowledged. */
function findings(build: (app: App) => void): string[] {
  const app = testApp({ ...FLAGS, 'aws:cdk:bundling-stacks': [] });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  build(app);
  const log = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  try {
    app.synth();
    return log.mock.calls
      .map((call) => call.join(' '))
      .filter((text) => text.includes('AwsSolutions'));
  } catch (error) {
    return [...log.mock.calls.map((call) => call.join(' ')), String(error)];
  } finally {
    log.mockRestore();
    process.exitCode = undefined;
  }
}

const bare = (app: App): Stack => {
  const stack = new Stack(app, 'Test');
  new AutoDump(stack, 'AutoDump', { vpc: testVpc(stack), image: IMAGE });
  return stack;
};

test('a bare AutoDump is clean', () => {
  expect(findings((app) => bare(app))).toEqual([]);
});

test('so is one with a key', () => {
  expect(
    findings((app) => {
      const stack = new Stack(app, 'Test');
      new AutoDump(stack, 'AutoDump', {
        vpc: testVpc(stack),
        image: IMAGE,
        encryptionKey: new kms.Key(stack, 'Key', { enableKeyRotation: true }),
      });
    }),
  ).toEqual([]);
});

test('so is one with snapshots', () => {
  expect(
    findings((app) => {
      const stack = new Stack(app, 'Test');
      new AutoDump(stack, 'AutoDump', { vpc: testVpc(stack), image: IMAGE, snapshots: {} });
    }),
  ).toEqual([]);
});

test('so is one with sources, and the role of a source', () => {
  const source = { region: 'eu-west-1', roleArn: 'arn:aws:iam::222233334444:role/AutoDumpSource' };
  expect(
    findings((app) => {
      const stack = new Stack(app, 'Test');
      new AutoDump(stack, 'AutoDump', {
        vpc: testVpc(stack),
        image: IMAGE,
        encryptionKey: new kms.Key(stack, 'Key', { enableKeyRotation: true }),
        sources: [source, { region: 'us-east-1' }],
      });
      new AutoDumpSourceRole(new Stack(app, 'Source'), 'AutoDump', {
        trustedAccount: '111122223333',
        bucketName: 'example-backups',
        bucketEncryptionKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/0123',
        regions: ['eu-west-1', 'us-east-1'],
        restore: true,
      });
    }),
  ).toEqual([]);
});

test('so is the app, with the read-only user', () => {
  expect(
    findings((app) => {
      new AutoDumpStack(app, 'AutoDump', {
        vpcId: 'vpc-0123456789abcdef0',
        privateSubnetIds: ['subnet-0123456789abcdef0'],
        availabilityZones: ['eu-central-1a'],
        createReadOnlyUser: true,
        snapshots: true,
        image: 'registry.example.com/dumper:1',
      });
    }),
  ).toEqual([]);
});

test('so is a ParquetToCsv, with jobs and without', () => {
  expect(
    findings((app) => {
      const stack = new Stack(app, 'Test');
      const bucket = (id: string): s3.IBucket =>
        s3.Bucket.fromBucketName(stack, id, `example-${id}`);
      const common = { source: bucket('source'), destination: bucket('results') };
      new ParquetToCsv(stack, 'Alone', { ...common, enableEvents: false });
      new ParquetToCsv(stack, 'WithJobs', {
        ...common,
        sourcePrefix: 'rds/',
        sourceKeys: [new kms.Key(stack, 'Key', { enableKeyRotation: true })],
        destinationPrefix: 'csv/',
        schemas: TableSchemas.fromObjects({ 'shop/public.orders': {} }),
        vpc: testVpc(stack),
        image: IMAGE,
      });
    }),
  ).toEqual([]);
});

test('a finding would be seen', () => {
  const found = findings((app) => {
    new kms.Key(bare(app), 'NotRotated');
  });
  expect(found.join('\n')).toContain('AwsSolutions-KMS5');
});
