import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { statements } from './support/resolve';
import { make, Template } from './support/stacks';

describe('grantRead', () => {
  const granted = (props: Parameters<typeof make>[0]) => {
    const { autoDump, stack } = make(props);
    autoDump.grantRead(new iam.User(stack, 'Reader')).assertSuccess();
    return statements(Template.fromStack(stack)).filter(({ role }) => role.startsWith('Reader'));
  };

  test('gives the backups, and nothing else', () => {
    expect(granted({}).map(({ actions, resources }) => [actions, resources])).toEqual([
      [
        ['s3:GetObject'],
        [
          expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/postgres\/\*$/),
          expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/mongodb\/\*$/),
          expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/dynamodb\/\*$/),
          expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/rds\/\*$/),
        ],
      ],
      [
        ['s3:GetBucketLocation', 's3:ListBucket'].map(() =>
          expect.stringMatching(/^s3:(Get|List)Bucket/),
        ),
        [expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>$/)],
      ],
    ]);
  });

  test('gives the additional buckets and their keys too', () => {
    const made = granted((stack) => ({
      encryptionKey: new kms.Key(stack, 'Key'),
      additionalBuckets: [
        new s3.Bucket(stack, 'More', { encryptionKey: new kms.Key(stack, 'MoreKey') }),
        s3.Bucket.fromBucketName(stack, 'Named', 'named'),
      ],
    }));
    const resources = (action: string): string[] =>
      made.filter(({ actions }) => actions.includes(action)).flatMap((one) => one.resources);
    expect(resources('s3:GetObject')).toEqual([
      expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/postgres\/\*$/),
      expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/mongodb\/\*$/),
      expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/dynamodb\/\*$/),
      expect.stringMatching(/^<AutoDumpBucket\w+\.Arn>\/rds\/\*$/),
      expect.stringMatching(/^<More\w+\.Arn>\/postgres\/\*$/),
      expect.stringMatching(/^<More\w+\.Arn>\/mongodb\/\*$/),
      expect.stringMatching(/^<More\w+\.Arn>\/dynamodb\/\*$/),
      expect.stringMatching(/^<More\w+\.Arn>\/rds\/\*$/),
      'arn:<partition>:s3:::named/postgres/*',
      'arn:<partition>:s3:::named/mongodb/*',
      'arn:<partition>:s3:::named/dynamodb/*',
      'arn:<partition>:s3:::named/rds/*',
    ]);
    expect(resources('s3:ListBucket')).toHaveLength(3);
    expect(resources('kms:Decrypt')).toEqual([
      expect.stringMatching(/^<Key\w+\.Arn>$/),
      expect.stringMatching(/^<MoreKey\w+\.Arn>$/),
    ]);
  });

  test('gives the key, be it of the bucket or given', () => {
    const key = (props: Parameters<typeof make>[0]) =>
      granted(props).filter(({ actions }) => actions.includes('kms:Decrypt'));
    expect(key((stack) => ({ encryptionKey: new kms.Key(stack, 'Key') }))).toHaveLength(1);
    expect(
      key((stack) => ({
        bucket: new s3.Bucket(stack, 'Own', { encryptionKey: new kms.Key(stack, 'Key') }),
      })),
    ).toHaveLength(1);
  });

  test('gives the key of exports too, if there are any', () => {
    const keys = (props: Parameters<typeof make>[0]) =>
      granted(props)
        .filter(({ actions }) => actions.includes('kms:Decrypt'))
        .flatMap(({ resources }) => resources);
    expect(keys({ snapshots: {} })).toEqual([
      expect.stringMatching(/^<AutoDumpExportKey\w+\.Arn>$/),
    ]);
    const given = keys((stack) => ({ snapshots: { exportKey: new kms.Key(stack, 'Given') } }));
    expect(given).toEqual([expect.stringMatching(/^<Given\w+\.Arn>$/)]);
  });
});
