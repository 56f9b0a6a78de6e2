import { Duration, Lazy, Size } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { make, TestProps } from './support/stacks';

const bucketAnd =
  (more: object): TestProps =>
  (stack) => ({ bucket: s3.Bucket.fromBucketName(stack, 'Own', 'own'), ...more });

test.each<[string, TestProps, string]>([
  ['tagPrefix', { tagPrefix: '' }, 'must have 1 to 80 characters'],
  ['tagPrefix', { tagPrefix: 'x'.repeat(81) }, 'must have 1 to 80 characters'],
  ['tagPrefix', { tagPrefix: 'aws:backup' }, 'reserved by AWS'],
  ['tagPrefix', { tagPrefix: 'AWSbackup' }, 'reserved by AWS'],
  ['tagPrefix', { tagPrefix: 'my backup' }, 'letters, digits'],
  ['tagPrefix', { tagPrefix: 'back=up' }, 'letters, digits'],
  ['tagPrefix', { tagPrefix: 'back*up' }, 'letters, digits'],
  ['tagPrefix', { tagPrefix: '${aws:x}' }, 'letters, digits'],
  ['tagPrefix', { tagPrefix: 'backup:' }, 'not end with a colon'],
  ['tagPrefix', { tagPrefix: Lazy.string({ produce: () => 'x' }) }, 'literal string'],
  ['scanInterval', { scanInterval: Duration.seconds(30) }, 'at least 1'],
  ['scanInterval', { scanInterval: Duration.seconds(90) }, 'whole number of minutes'],
  ['retention', { retention: Duration.hours(12) }, 'at least 1'],
  ['retention', { retention: Duration.hours(36) }, 'whole number of days'],
  ['retention', bucketAnd({ retention: Duration.days(7) }), 'both given'],
  ['bucketName', bucketAnd({ bucketName: 'x' }), 'both given'],
  ['dumpTimeout', { dumpTimeout: Duration.seconds(59) }, 'at least 1 minute'],
  ['dumpTimeout', { dumpTimeout: Duration.days(15) }, 'at most 14 days'],
  ['dumpTimeout', { dumpTimeout: Duration.seconds(Lazy.number({ produce: () => 90 })) }, 'literal'],
  ['restoreTimeout', { restoreTimeout: Duration.seconds(59) }, 'at least 1 minute'],
  ['restoreTimeout', { restoreTimeout: Duration.days(15) }, 'at most 14 days'],
  ['scratchSize', { scratchSize: Size.gibibytes(20) }, '21 to 200'],
  ['scratchSize', { scratchSize: Size.gibibytes(201) }, '21 to 200'],
  ['scratchSize', { scratchSize: Size.mebibytes(30000) }, 'whole number of GiB'],
  ['maxvCpus', { maxvCpus: 0 }, 'at least 1'],
  ['maxvCpus', { maxvCpus: 1.5 }, 'whole number'],
])('%s: %j is rejected by name', (name, props, rule) => {
  const attempt = (): unknown => make(props);
  expect(attempt).toThrow(`\`${name}\``);
  expect(attempt).toThrow(rule);
});

test.each<TestProps>([
  { tagPrefix: 'team/backup:v1' },
  { tagPrefix: 'awesome' },
  { scanInterval: Duration.minutes(1) },
  { retention: Duration.days(1) },
  { dumpTimeout: Duration.days(14) },
  { restoreTimeout: Duration.days(14) },
  { scratchSize: Size.gibibytes(21) },
  { scratchSize: Size.mebibytes(200 * 1024) },
  { maxvCpus: 8 },
])('%j is accepted', (props) => {
  expect(() => make(props)).not.toThrow();
});

test('fewer vCPUs than the largest size needs is warned of', () => {
  const { stack } = make({ maxvCpus: 4 });
  Annotations.fromStack(stack).hasWarning(
    '/Test/AutoDump',
    Match.stringLikeRegexp('`maxvCpus` is 4'),
  );
});
