import { App, Duration, Lazy, Size, Stack } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { ParquetToCsvProps, TableSchemas } from '../index';
import { ConversionProps, makeConversion, withJobs } from './support/conversion';
import { IMAGE, testVpc } from './support/stacks';

const known = Lazy.string({ produce: () => 'x' });
const jobs = (props: Partial<ParquetToCsvProps>): ConversionProps => withJobs(props);
const oneBucket =
  (sourcePrefix: string | undefined, destinationPrefix: string | undefined) =>
  (stack: Stack): Partial<ParquetToCsvProps> => {
    const bucket = s3.Bucket.fromBucketName(stack, 'One', 'example-one');
    return { source: bucket, destination: bucket, sourcePrefix, destinationPrefix };
  };

test.each<[string, ConversionProps, string]>([
  ['sourcePrefix', { sourcePrefix: known }, 'literal string'],
  ['destinationPrefix', { destinationPrefix: known }, 'literal string'],
  ['sourcePrefix', { sourcePrefix: 'rds/*' }, 'It can hold none of'],
  ['sourcePrefix', { sourcePrefix: 'a\\b/' }, 'It can hold none of'],
  ['destinationPrefix', { destinationPrefix: '${aws:username}/' }, 'It can hold none of'],
  ['destinationPrefix', { destinationPrefix: 'x?' }, 'It can hold none of'],
  ['sourcePrefix', { sourcePrefix: 'ä'.repeat(257) }, 'at most 512 bytes'],
  ['destinationPrefix', oneBucket(undefined, undefined), 'Give another bucket'],
  ['destinationPrefix', oneBucket(undefined, 'csv/'), 'Give another bucket'],
  ['destinationPrefix', oneBucket('rds/', undefined), 'Give another bucket'],
  ['destinationPrefix', oneBucket('rds/', 'rds/csv/'), '`sourcePrefix` is "rds/"'],
  ['destinationPrefix', oneBucket('data/rds/', 'data/'), 'Give another bucket'],
  ['compression', { compression: 'lz4' }, '`gzip:1` to `gzip:9`'],
  ['compression', { compression: 'gzip:0' }, '`gzip:1` to `gzip:9`'],
  ['compression', { compression: 'zstd:20' }, '`zstd:1` to `zstd:19`'],
  ['compression', { compression: 'none:1' }, 'It must be `none`'],
  ['nullText', { nullText: 'a,b' }, 'no commas'],
  ['nullText', { nullText: '"' }, 'no commas'],
  ['nullText', { nullText: 'a\nb' }, 'no commas'],
  ['functionLimit', { functionLimit: Size.kibibytes(1023) }, 'at least 1 MiB'],
  ['pageMemory', { pageMemory: Size.mebibytes(31) }, '32 to 1024'],
  ['settle', { settle: Duration.hours(25) }, 'at most a day'],
  ['settle', { settle: Duration.millis(1500) }, 'whole seconds'],
  ['pageMemory', { pageMemory: Size.gibibytes(2) }, '32 to 1024'],
  ['pageMemory', { pageMemory: Size.kibibytes(65_537) }, 'whole MiB'],
  [
    'functionLimit',
    { functionLimit: Size.bytes(Lazy.number({ produce: () => 1 })) },
    'literal size',
  ],
  ['vpcSubnets', { vpcSubnets: {} }, 'but no `vpc`'],
  ['assignPublicIp', { assignPublicIp: false }, 'but no `vpc`'],
  ['securityGroups', { securityGroups: [] }, 'but no `vpc`'],
  ['image', { image: IMAGE }, 'but no `vpc`'],
  ['maxvCpus', { maxvCpus: 1 }, 'but no `vpc`'],
  ['jobTimeout', { jobTimeout: Duration.hours(1) }, 'but no `vpc`'],
  ['maxvCpus', jobs({ maxvCpus: 0 }), 'at least 1'],
  ['jobTimeout', jobs({ jobTimeout: Duration.days(15) }), 'at most 14 days'],
  ['nullText', { nullText: 'x'.repeat(3400) }, 'fit into the environment of a function'],
])('%s: a wrong one is rejected by name: %#', (name, props, rule) => {
  const attempt = (): unknown => makeConversion(props);
  expect(attempt).toThrow(`\`${name}\``);
  expect(attempt).toThrow(rule);
});

test.each<[string, ConversionProps]>([
  ['two prefixes of one bucket', oneBucket('rds/', 'csv/')],
  ['the same prefix in two buckets', { sourcePrefix: 'x/', destinationPrefix: 'x/' }],
  ['spaces and umlauts', { sourcePrefix: 'Ausgänge 1/', destinationPrefix: 'a b/' }],
  ['no compression', { compression: 'none' }],
  ['a compression without a level', { compression: 'gzip' }],
  ['a compression with a level', { compression: 'zstd:10' }],
  ['a text for NULL', { nullText: '\\N' }],
  ['the least limit', { functionLimit: Size.mebibytes(1) }],
  ['the most memory of pages', { pageMemory: Size.gibibytes(1) }],
  ['a vpc alone', (stack) => ({ vpc: testVpc(stack) })],
])('%s: is accepted', (_, props) => {
  expect(() => makeConversion(props)).not.toThrow();
});

test('two buckets of the same logical name are two', () => {
  expect(() =>
    makeConversion((stack) => {
      const other = new Stack(App.of(stack), 'Other');
      return {
        source: new s3.Bucket(other, 'Bucket'),
        destination: new s3.Bucket(stack, 'Bucket'),
      };
    }),
  ).not.toThrow();
});

describe('schemas', () => {
  test.each<[string, { [table: string]: unknown }, string]>([
    ['no table', {}, 'It must have a table'],
    ['a table without a name', { '': {} }, 'the name of a table'],
    ['a list', { a: [] }, 'It must be a JSON Schema'],
    ['a text', { a: 'b' }, 'It must be a JSON Schema'],
    ['nothing', { a: null }, 'It must be a JSON Schema'],
    ['a value that is not known', { a: { title: known } }, 'give literal values'],
  ])('with %s are rejected', (_, schemas, rule) => {
    expect(() => TableSchemas.fromObjects(schemas)).toThrow(rule);
  });

  test('below a prefix that means more in a policy are rejected', () => {
    const bucket = s3.Bucket.fromBucketName(new Stack(), 'Rules', 'example-rules');
    expect(() => TableSchemas.fromBucket(bucket, 'a*/')).toThrow('`prefix`');
    expect(TableSchemas.fromBucket(bucket).bind(new Stack())).toEqual({ bucket, prefix: '' });
  });
});
