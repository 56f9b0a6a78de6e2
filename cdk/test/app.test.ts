import { readContext } from '../bin/context';
import { AutoDumpStack } from '../bin/stack';
import { resolve, statements } from './support/resolve';
import {
  FLAGS,
  jobDefinition,
  jobEnvironment,
  Match,
  only,
  Template,
  testApp,
} from './support/stacks';

const GOOD = {
  vpcId: 'vpc-0123456789abcdef0',
  privateSubnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  availabilityZones: 'eu-central-1a, eu-central-1b',
};
const IMAGE = { image: 'registry.example.com/team/dumper@sha256:0f' };

const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef';

const read = (context: object) => readContext(testApp({ ...context }).node);
const synth = (context: object): Template => {
  const app = testApp({ ...FLAGS, 'aws:cdk:bundling-stacks': [], ...GOOD, ...IMAGE, ...context });
  return Template.fromStack(new AutoDumpStack(app, 'AutoDump', readContext(app.node)));
};

describe('the context', () => {
  test('is read', () => {
    expect(read(GOOD)).toEqual({
      vpcId: 'vpc-0123456789abcdef0',
      privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
      availabilityZones: ['eu-central-1a', 'eu-central-1b'],
      createReadOnlyUser: false,
      snapshots: false,
    });
  });

  test.each([
    [['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1']],
    ['["subnet-0123456789abcdef0","subnet-0123456789abcdef1"]'],
  ])('takes a list as %j too', (privateSubnetIds) => {
    expect(read({ ...GOOD, privateSubnetIds }).privateSubnetIds).toHaveLength(2);
  });

  test.each([
    [true, true],
    ['true', true],
    [false, false],
    ['false', false],
  ])('takes createReadOnlyUser as %j', (createReadOnlyUser, expected) => {
    expect(read({ ...GOOD, createReadOnlyUser }).createReadOnlyUser).toBe(expected);
  });

  test('takes a number from the command line or from cdk.json', () => {
    expect(read({ ...GOOD, scanIntervalMinutes: '5' }).scanIntervalMinutes).toBe(5);
    expect(read({ ...GOOD, scanIntervalMinutes: 5 }).scanIntervalMinutes).toBe(5);
  });

  test.each<[string, unknown, string]>([
    ['vpcId', undefined, 'is missing'],
    ['vpcId', 'my-vpc', 'a VPC id like'],
    ['vpcId', 'vpc-0123456789ABCDEF0', 'a VPC id like'],
    ['vpcId', 7, 'a VPC id like'],
    ['privateSubnetIds', undefined, 'is missing'],
    ['privateSubnetIds', '', 'has the entry ""'],
    ['privateSubnetIds', 'subnet-0123456789abcdef0,subnet-x', 'has the entry "subnet-x"'],
    ['privateSubnetIds', '[1', 'must be a list'],
    ['privateSubnetIds', {}, 'must be a list'],
    ['privateSubnetIds', [], 'must be a list'],
    ['availabilityZones', undefined, 'is missing'],
    ['availabilityZones', 'eu-central-1a', 'has 1 entries, but privateSubnetIds has 2'],
    ['availabilityZones', 'eu-central-1a,Frankfurt', 'has the entry "Frankfurt"'],
    ['bucketName', 'My_Bucket', 'a legal name of an S3 bucket'],
    ['bucketName', 'ab', 'a legal name of an S3 bucket'],
    ['bucketName', 'a..b', 'a legal name of an S3 bucket'],
    ['bucketName', '192.168.0.1', 'a legal name of an S3 bucket'],
    ['createReadOnlyUser', 'yes', 'true or false'],
    ['createReadOnlyUser', 1, 'true or false'],
    ['image', '', 'a reference to an image'],
    ['verifyImage', 'a b', 'a reference to an image'],
    ['image', 'a b', 'a reference to an image'],
    ['mongodbToolsUrl', 7, 'the address of an archive'],
    ['architecture', 'arm', 'x86_64 or arm64'],
    ['sources', 'us-east-1', 'a JSON list of objects'],
    ['sources', '[{"region":', 'a JSON list of objects'],
    ['sources', ['us-east-1'], 'a JSON list of objects'],
    ['sources', [null], 'a JSON list of objects'],
    ['sources', {}, 'a JSON list of objects'],
    ['snapshots', 'on', 'true or false'],
    ['exportKeyArn', 'alias/exports', 'the ARN of a KMS key'],
    ['exportKeyArn', KEY, 'snapshots=true'],
    ['csvBucketName', 'Csv', 'a legal name of an S3 bucket'],
    ['csvBucketName', 'example-csv', 'snapshots=true'],
    ['csvFunctionLimitMebibytes', '0', 'a whole number'],
    ['csvFunctionLimitMebibytes', '64', 'csvBucketName'],
    ['scanIntervalMinutes', '0', 'a whole number'],
    ['scanIntervalMinutes', '1.5', 'a whole number'],
    ['scanIntervalMinutes', true, 'a whole number'],
  ])('%s: %j is rejected by name', (name, value, rule) => {
    const attempt = (): unknown => read({ ...GOOD, [name]: value });
    expect(attempt).toThrow(`context \`${name}\``);
    expect(attempt).toThrow(rule);
  });

  test.each([[[{ region: 'us-east-1' }]], ['[{"region":"us-east-1"}]']])(
    'takes sources as %j',
    (sources) => {
      expect(read({ ...GOOD, sources }).sources).toEqual([{ region: 'us-east-1' }]);
    },
  );

  test('takes where the tools of MongoDB are, and what they have to be, or neither', () => {
    const [url, sha256] = ['https://downloads.example/tools.tgz', '0f'.repeat(32)];
    const { mongodbTools } = read({ ...GOOD, mongodbToolsUrl: url, mongodbToolsSha256: sha256 });
    expect(mongodbTools).toEqual({ url, sha256 });
    expect(() => read({ ...GOOD, mongodbToolsUrl: url })).toThrow(
      'context `mongodbToolsSha256` is missing',
    );
    expect(() => read({ ...GOOD, mongodbToolsSha256: sha256 })).toThrow(
      'context `mongodbToolsUrl` is missing',
    );
  });

  test('tells all that is wrong at once', () => {
    const attempt = (): unknown => read({ ...GOOD, vpcId: 'x', bucketName: 'X' });
    expect(attempt).toThrow('`vpcId`');
    expect(attempt).toThrow('`bucketName`');
  });

  test('leaves what the construct knows better to it', () => {
    expect(() => synth({ tagPrefix: 'aws:x' })).toThrow('`tagPrefix`');
    expect(() => synth({ sources: '[{"region":"Frankfurt"}]' })).toThrow('`sources[0].region`');
    const tools = { mongodbToolsUrl: 'http://x/y', mongodbToolsSha256: '0' };
    expect(() => synth({ ...tools, image: undefined })).toThrow('`mongodbTools.url`');
  });
});

describe('the stack', () => {
  test('uses what it is told', () => {
    const made = synth({ bucketName: 'my-backups', tagPrefix: 'backup', scanIntervalMinutes: 5 });
    expect(only(made, 'AWS::S3::Bucket').BucketName).toBe('my-backups');
    expect(jobDefinition(made).ContainerProperties.Image).toBe(IMAGE.image);
    expect(only(made, 'AWS::Batch::ComputeEnvironment').ComputeResources.Subnets).toEqual(
      GOOD.privateSubnetIds.split(','),
    );
    made.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(5 minutes)' });
    const sources = [{ region: 'us-east-1' }];
    expect(JSON.parse(jobEnvironment(synth({ sources })).AUTODUMP_SOURCES)).toEqual(sources);
  });

  const imageOf = (made: Template): string =>
    resolve(jobDefinition(made).ContainerProperties.Image);
  const pulls = (made: Template): string[] =>
    statements(made)
      .filter(({ role }) => role === 'AutoDumpJobExecutionRole')
      .filter(({ actions }) => actions.includes('ecr:BatchGetImage'))
      .flatMap(({ resources }) => resources);
  const registry = '111122223333.dkr.ecr.eu-west-1';

  test.each([
    ['a tag', ':1.2', ':1.2'],
    ['a digest', '@sha256:0f', '@sha256:0f'],
    ['both, of which the digest holds', ':1.2@sha256:0f', '@sha256:0f'],
    ['neither', '', ':latest'],
  ])('lets the job pull its image from a private ECR repository, with %s', (_, end, expected) => {
    const made = synth({ image: `${registry}.amazonaws.com/team/dumper${end}` });
    expect(imageOf(made)).toBe(`${registry}.<AWS::URLSuffix>/team/dumper${expected}`);
    expect(pulls(made)).toEqual([
      'arn:<partition>:ecr:eu-west-1:111122223333:repository/team/dumper',
    ]);
  });

  test('uses another image for the verification, if it is told to', () => {
    const images = (made: Template): string[] =>
      (['dump', 'verify', 'restore'] as const).map((job) =>
        resolve(jobDefinition(made, job).ContainerProperties.Image),
      );
    expect(images(synth({}))).toEqual([IMAGE.image, IMAGE.image, IMAGE.image]);
    const verifyImage = `${registry}.amazonaws.com/team/verifier:1`;
    const made = synth({ verifyImage });
    expect(images(made)).toEqual([
      IMAGE.image,
      `${registry}.<AWS::URLSuffix>/team/verifier:1`,
      IMAGE.image,
    ]);
    expect(pulls(made)).toEqual([
      'arn:<partition>:ecr:eu-west-1:111122223333:repository/team/verifier',
    ]);
  });

  test('knows the ECR of China too', () => {
    const image = '111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/dumper:1';
    expect(pulls(synth({ image }))).toEqual([
      'arn:<partition>:ecr:cn-north-1:111122223333:repository/dumper',
    ]);
  });

  test.each(['public.ecr.aws/team/dumper:1', `${registry}.amazonaws.com.example.com/dumper:1`])(
    'takes the image of another registry as it is: %s',
    (image) => {
      const made = synth({ image });
      expect(imageOf(made)).toBe(image);
      expect(pulls(made)).toEqual([]);
    },
  );

  test('runs on the processor it is told', () => {
    const made = synth({ architecture: 'arm64' });
    made.allResourcesProperties('AWS::Lambda::Function', { Architectures: ['arm64'] });
    const container = jobDefinition(made).ContainerProperties;
    expect(container.RuntimePlatform.CpuArchitecture).toBe('ARM64');
  });

  test('tells where things are', () => {
    expect(Object.keys(synth({}).findOutputs('*')).sort()).toEqual([
      'BucketName',
      'JobQueueArn',
      'LogGroupName',
      'RestoreStateMachineArn',
      'ScannerFunctionName',
      'SecurityGroupId',
      'StateMachineArn',
    ]);
  });

  test('enables snapshots if it is told to, with a key of its own or the one that is given', () => {
    const keyOf = (made: Template): string =>
      resolve(made.findOutputs('ExportKeyArn').ExportKeyArn.Value);
    expect(synth({ snapshots: 'false' }).findOutputs('ExportKeyArn')).toEqual({});
    const own = synth({ snapshots: 'true' });
    own.resourceCountIs('AWS::KMS::Key', 1);
    expect(keyOf(own)).toMatch(/^<AutoDumpExportKey\w+\.Arn>$/);
    const given = synth({ snapshots: true, exportKeyArn: KEY });
    given.resourceCountIs('AWS::KMS::Key', 0);
    expect(keyOf(given)).toBe(KEY);
  });

  test('makes CSV of exports, if it is told where', () => {
    synth({ snapshots: true }).resourceCountIs('AWS::StepFunctions::StateMachine', 3);
    const csv = { csvBucketName: 'example-csv', csvFunctionLimitMebibytes: '64' };
    const made = synth({ snapshots: true, ...csv });
    made.resourceCountIs('AWS::StepFunctions::StateMachine', 4);
    made.hasResourceProperties('AWS::S3::Bucket', {
      NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
    });
    const all = Object.values(made.findResources('AWS::Lambda::Function'))
      .map((one) => one.Properties.Environment?.Variables ?? {})
      .filter((variables) => variables.AUTODUMP_CSV !== undefined);
    expect(all).toHaveLength(1);
    expect(all[0].AUTODUMP_CSV_FUNCTION_BYTES).toBe(`${64 * 1024 * 1024}`);
    expect(JSON.parse(resolve(all[0].AUTODUMP_CSV))).toMatchObject({
      source: { prefix: 'rds/' },
      layout: 'rds',
      destination: { bucket: 'example-csv', prefix: '' },
    });
    made.hasOutput('CsvStateMachineArn', {});
  });

  test('looks nothing up and is bound to no account or region', () => {
    const app = testApp({ ...GOOD, ...IMAGE });
    new AutoDumpStack(app, 'AutoDump', readContext(app.node));
    const assembly = app.synth();
    expect(assembly.manifest.missing).toBeUndefined();
    expect(assembly.getStackByName('AutoDump').environment.name).toBe(
      'aws://unknown-account/unknown-region',
    );
  });

  test('makes a user who can read backups, only if asked to', () => {
    synth({}).resourceCountIs('AWS::IAM::User', 0);
    const made = synth({ createReadOnlyUser: 'true' });
    made.resourceCountIs('AWS::IAM::User', 1);
    made.resourceCountIs('AWS::IAM::AccessKey', 0);
    made.hasOutput('ReadOnlyUserName', { Value: { Ref: Match.stringLikeRegexp('^ReadOnlyUser') } });
    const granted = statements(made).filter(({ role }) => role === 'ReadOnlyUser');
    expect(granted.flatMap(({ actions }) => actions).sort()).toEqual([
      's3:GetBucketLocation',
      's3:GetObject',
      's3:ListBucket',
    ]);
  });
});
