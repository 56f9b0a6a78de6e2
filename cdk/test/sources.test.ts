import { Lazy, Stack } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { AutoDump, AutoDumpSource, AutoDumpSourceRole, AutoDumpSourceRoleProps } from '../index';
import { resolve, Statement, statements, statementsOf } from './support/resolve';
import {
  IMAGE,
  jobEnvironment,
  make,
  only,
  readJson,
  Template,
  template,
  testApp,
} from './support/stacks';

const contract = readJson('contract', 'sources.json');
const SOURCES: AutoDumpSource[] = contract.sources;
const ROLES = SOURCES.flatMap(({ roleArn }) => roleArn ?? []);
const variable: string = contract.variable;

const TAKES_ROLES = ['ScannerRole', 'HashRole', 'PlannerRole', 'JobRole', 'JobRestoreRole'];
const TAKES_ROLES_TOO = [...TAKES_ROLES, 'SnapshotsRole'];
const assumed = (from: Template): Statement[] =>
  statements(from).filter(({ actions }) => actions.includes('sts:AssumeRole'));

describe('sources', () => {
  test('are told to the functions and the jobs, as they are', () => {
    const made = template({ sources: SOURCES, snapshots: {} });
    const functions = Object.values(made.findResources('AWS::Lambda::Function'));
    const told = [
      ...functions.map(({ Properties }) => Properties.Environment.Variables[variable] as string),
      jobEnvironment(made)[variable],
      jobEnvironment(made, 'restore')[variable],
    ];
    expect(told).toHaveLength(6);
    for (const text of told) expect(JSON.parse(text)).toEqual(SOURCES);
  });

  test.each([[undefined], [[]]])('of which there are none (%j) are not told', (sources) => {
    expect(JSON.stringify(template({ sources }).toJSON())).not.toContain(variable);
  });

  test.each(contract.rejected as object[])('%j is rejected', (source) => {
    const attempt = (): unknown => make({ sources: [{ region: 'us-east-1' }, source as never] });
    expect(attempt).toThrow('`sources[1]');
  });

  test('are rejected if they do not fit into the environment of a function', () => {
    const many = (count: number): AutoDumpSource[] =>
      Array.from({ length: count }, (_, index) => ({
        region: 'eu-central-1',
        roleArn: `arn:aws:iam::${111122223000 + index}:role/AutoDumpSource`,
      }));
    expect(() => make({ sources: many(40) })).not.toThrow();
    expect(() => make({ sources: many(45) })).toThrow('`sources` has 45 entries');
  });

  test.each([
    [{ region: 'us-east-1' }],
    [{ region: 'us-east-1', roleArn: undefined, externalId: undefined }],
    [{ region: 'us-gov-west-1' }],
    [{ region: 'us-isob-east-1' }],
    [{ region: 'eu-west-1', roleArn: 'arn:aws-cn:iam::222233334444:role/path/of/Role' }],
    [{ region: Lazy.string({ produce: () => 'eu-west-1' }) }],
  ])('%j is accepted', (source) => {
    expect(() => make({ sources: [source] })).not.toThrow();
  });

  test('a source that is there twice is rejected, but not a role in two regions', () => {
    expect(() => make({ sources: [SOURCES[1], SOURCES[1]] })).toThrow('there twice');
    expect(() =>
      make({ sources: [SOURCES[1], { ...SOURCES[1], region: 'eu-west-2' }] }),
    ).not.toThrow();
  });

  test('two roles of one account in one region are rejected: which one reads a table?', () => {
    const other = { ...SOURCES[1], roleArn: 'arn:aws:iam::222233334444:role/Other' };
    expect(() => make({ sources: [SOURCES[1], other] })).toThrow('account are there twice');
    expect(() => make({ sources: [{ region: SOURCES[1].region }, other] })).not.toThrow();
  });

  test('the own region is rejected where it is known, but not by a role', () => {
    const attempt = (source: AutoDumpSource) => (): unknown => {
      const stack = new Stack(testApp(), 'Own', {
        env: { account: '111122223333', region: 'eu-central-1' },
      });
      return new AutoDump(stack, 'AutoDump', {
        vpc: new Vpc(stack, 'Vpc'),
        image: IMAGE,
        verifyImage: IMAGE,
        sources: [source],
      });
    };
    expect(attempt({ region: 'eu-central-1' })).toThrow('`sources[0]`');
    const roleArn = 'arn:aws:iam::111122223333:role/Own';
    expect(attempt({ region: 'eu-central-1', roleArn })).not.toThrow();
  });

  test('with roles: the programs that need it may take them, and no other role', () => {
    const found = assumed(
      template({
        sources: [...SOURCES, { ...SOURCES[1], region: 'us-west-2' }],
        snapshots: {},
      }),
    );
    expect(found.map(({ role }) => role).sort()).toEqual(
      TAKES_ROLES_TOO.map((name) => `AutoDump${name}`).sort(),
    );
    for (const { resources } of found) expect(resources).toEqual(ROLES);
    expect(assumed(template({ sources: [{ region: 'us-east-1' }] }))).toEqual([]);
  });

  test.each(TAKES_ROLES)('without a role: %s acts in the region, and only there', (role) => {
    const tables = statementsOf(template({ sources: SOURCES }), role).filter(({ actions }) =>
      actions.some((action) => /^dynamodb:(DescribeTable|Scan)$/.test(action)),
    );
    expect(tables.length).toBeGreaterThan(0);
    for (const { resources } of tables) {
      expect(resources).toEqual([
        'arn:<partition>:dynamodb:<region>:<account>:table/*',
        'arn:<partition>:dynamodb:us-east-1:<account>:table/*',
      ]);
    }
  });
});

test.each(['ScannerRole', 'HashRole', 'SnapshotsRole'])(
  '%s finds the databases of RDS of the regions, and of no other',
  (role) => {
    const made = statementsOf(template({ sources: SOURCES, snapshots: {} }), role);
    for (const [action, name] of [
      ['rds:DescribeDBInstances', 'db'],
      ['rds:DescribeDBClusters', 'cluster'],
    ]) {
      const found = made.filter(({ actions }) => actions.includes(action));
      expect(found.map(({ resources }) => resources)).toEqual([
        ['<region>', 'us-east-1'].map(
          (region) => `arn:<partition>:rds:${region}:<account>:${name}:*`,
        ),
      ]);
    }
  },
);

describe('the bucket of sources with roles', () => {
  const policy = (from: Template): any[] =>
    only(from, 'AWS::S3::BucketPolicy').PolicyDocument.Statement.filter(
      ({ Effect }: any) => Effect === 'Allow',
    );

  test('takes their exports, and nothing else of theirs', () => {
    const allowed = policy(template({ sources: SOURCES }));
    expect(allowed).toHaveLength(ROLES.length);
    allowed.forEach(({ Action, Principal, Resource, Condition }, index) => {
      expect(Action).toEqual(['s3:PutObject', 's3:PutObjectAcl', 's3:AbortMultipartUpload']);
      const account = ROLES[index].split(':')[4];
      expect(resolve(Principal.AWS)).toBe(`arn:<partition>:iam::${account}:root`);
      expect(resolve(Resource)).toMatch(/^<AutoDumpBucket\w+\.Arn>\/dynamodb\/\*\/export\/\*$/);
      expect(Condition).toEqual({ ArnEquals: { 'aws:PrincipalArn': ROLES[index] } });
    });
  });

  test('takes none where no source has a role', () => {
    expect(policy(template({ sources: [{ region: 'us-east-1' }] }))).toEqual([]);
  });

  test('lets them use its key, through S3 alone', () => {
    const made = template((stack) => ({
      sources: SOURCES,
      encryptionKey: new kms.Key(stack, 'Key'),
    }));
    const used = only(made, 'AWS::KMS::Key').KeyPolicy.Statement.filter(
      ({ Condition }: any) => Condition?.ArnEquals,
    );
    expect(used.map(({ Condition }: any) => Condition.ArnEquals['aws:PrincipalArn'])).toEqual(
      ROLES,
    );
    for (const { Action, Condition } of used) {
      expect(Action).toEqual(['kms:GenerateDataKey', 'kms:Decrypt']);
      expect(resolve(Condition.StringEquals['kms:ViaService'])).toBe('s3.<region>.amazonaws.com');
    }
  });

  test('keeps what a role of another account overwrites for two weeks', () => {
    const bucket = (sources: AutoDumpSource[]): any =>
      only(template({ sources }), 'AWS::S3::Bucket');
    const versioned = bucket(SOURCES);
    expect(versioned.VersioningConfiguration).toEqual({ Status: 'Enabled' });
    const [expire, markers] = versioned.LifecycleConfiguration.Rules;
    expect(expire.NoncurrentVersionExpiration).toEqual({ NoncurrentDays: 14 });
    expect(markers.ExpiredObjectDeleteMarker).toBe(true);
    expect(bucket([{ region: 'us-east-1' }]).VersioningConfiguration).toBeUndefined();
  });

  test('that is imported cannot be changed, and that is said', () => {
    const warnings = (sources: AutoDumpSource[]): number => {
      const { stack } = make((scope) => ({
        bucket: s3.Bucket.fromBucketName(scope, 'Own', 'own'),
        sources,
      }));
      const text = Match.stringLikeRegexp('roles of `sources` can have no table exported');
      return Annotations.fromStack(stack).findWarning('/Test/AutoDump', text).length;
    };
    expect(warnings(SOURCES)).toBe(1);
    expect(warnings([{ region: 'us-east-1' }])).toBe(0);
  });
});

describe('AutoDumpSourceRole', () => {
  const PROPS = { trustedAccount: '111122223333', bucketName: 'example-backups' };
  const source = (props: Partial<AutoDumpSourceRoleProps> = {}): Template => {
    const stack = new Stack(testApp(), 'Test');
    new AutoDumpSourceRole(stack, 'Source', { ...PROPS, ...props });
    return Template.fromStack(stack);
  };
  const trust = (from: Template): any =>
    only(from, 'AWS::IAM::Role').AssumeRolePolicyDocument.Statement;
  const of = (from: Template, action: string): Statement[] =>
    statements(from).filter(({ actions }) => actions.includes(action));

  test('is trusted to the account, by what is said and by whom, if that is asked for', () => {
    const [bare] = trust(source());
    expect(resolve(bare.Principal.AWS)).toBe('arn:<partition>:iam::111122223333:root');
    expect(bare.Condition).toBeUndefined();
    const trustedRoleArns = ['arn:aws:iam::111122223333:role/Backup-AutoDump*'];
    const [bound] = trust(source({ externalId: '8f1b1c52-backups', trustedRoleArns }));
    expect(bound.Condition).toEqual({
      StringEquals: { 'sts:ExternalId': '8f1b1c52-backups' },
      ArnLike: { 'aws:PrincipalArn': trustedRoleArns },
    });
  });

  test('reads only tables that bear the schedule tag', () => {
    const made = source({ tagPrefix: 'team.backup' });
    for (const action of ['dynamodb:Scan', 'dynamodb:ExportTableToPointInTime']) {
      expect(of(made, action).map(({ condition }) => condition)).toEqual([
        { Null: { 'aws:ResourceTag/team.backup:start-schedule': 'false' } },
      ]);
    }
  });

  test('writes to no table, and only exports into the bucket', () => {
    const written = statements(source()).flatMap(({ actions }) =>
      actions.filter((action) =>
        /:(Put|Create|Update|Delete|Batch|Import|Tag|Enable)/.test(action),
      ),
    );
    expect(written.sort()).toEqual(['s3:PutObject', 's3:PutObjectAcl']);
    expect(of(source(), 's3:PutObject').flatMap(({ resources }) => resources)).toEqual([
      'arn:<partition>:s3:::example-backups/dynamodb/*/export/*',
    ]);
    expect(of(source(), 's3:GetObject')).toEqual([]);
  });

  test('writes into tables that say so, if it may restore', () => {
    const made = source({ restore: true });
    expect(of(made, 'dynamodb:BatchWriteItem').map(({ condition }) => condition)).toEqual([
      { StringEquals: { 'aws:ResourceTag/autodump:restore-target': 'yes' } },
    ]);
    expect(of(made, 's3:GetObject').flatMap(({ resources }) => resources)).toEqual([
      'arn:<partition>:s3:::example-backups/dynamodb/*',
    ]);
  });

  test('acts in the regions that are named, else in its own', () => {
    const regions = (props: Partial<AutoDumpSourceRoleProps>): string[] =>
      of(source(props), 'dynamodb:Scan').flatMap(({ resources }) => resources);
    const table = (region: string): string =>
      `arn:<partition>:dynamodb:${region}:<account>:table/*`;
    expect(regions({})).toEqual([table('<region>')]);
    expect(regions({ regions: ['eu-west-1', 'eu-west-2', 'eu-west-1'] })).toEqual([
      table('eu-west-1'),
      table('eu-west-2'),
    ]);
  });

  test('is refused before it is deployed if its policy is too long for IAM', () => {
    const synth = (count: number): unknown => {
      const app = testApp();
      const regions = Array.from({ length: count }, (_, index) => `eu-central-${index + 1}`);
      new AutoDumpSourceRole(new Stack(app, 'Test'), 'Source', {
        ...PROPS,
        regions,
        restore: true,
      });
      return app.synth();
    };
    expect(() => synth(6)).not.toThrow();
    expect(() => synth(12)).toThrow(
      /policy of the role Test\/Source\/Role has about \d+ characters/,
    );
  });

  test('uses the key of the bucket through S3, and those of tables through DynamoDB', () => {
    const bucketEncryptionKeyArn = 'arn:aws:kms:eu-central-1:111122223333:key/0123';
    const via = (from: Template): [string[], unknown][] =>
      of(from, 'kms:Decrypt').map(({ condition, resources }) => [
        resources,
        (condition.StringLike ?? condition.StringEquals)['kms:ViaService'],
      ]);
    const made = via(source({ bucketEncryptionKeyArn, tableEncryptionKeys: [] }));
    expect(made).toEqual([[[bucketEncryptionKeyArn], 's3.*.amazonaws.com']]);
    for (const [resources, service] of via(source())) {
      expect(resources).toEqual(['arn:<partition>:kms:<region>:<account>:key/*']);
      expect(JSON.stringify(service)).toContain('"dynamodb."');
    }
  });

  test('has the name that is given, and tells its ARN', () => {
    const made = source({ roleName: 'AutoDumpSource' });
    expect(only(made, 'AWS::IAM::Role').RoleName).toBe('AutoDumpSource');
    const [output] = Object.values(made.findOutputs('*'));
    expect(resolve(output.Value)).toMatch(/^<SourceRole\w+\.Arn>$/);
  });

  test.each<[string, Partial<AutoDumpSourceRoleProps>]>([
    ['trustedAccount', { trustedAccount: '1234' }],
    ['bucketName', { bucketName: '' }],
    ['bucketName', { bucketName: 'arn:aws:s3:::example-backups' }],
    ['externalId', { externalId: 'a b' }],
    ['regions', { regions: [] }],
    ['regions', { regions: ['Frankfurt'] }],
    ['trustedRoleArns', { trustedRoleArns: [] }],
    ['trustedRoleArns', { trustedRoleArns: ['*'] }],
    ['tagPrefix', { tagPrefix: 'aws:x' }],
  ])('rejects a wrong %s: %j', (name, props) => {
    expect(() => source(props)).toThrow(`\`${name}\``);
  });
});
