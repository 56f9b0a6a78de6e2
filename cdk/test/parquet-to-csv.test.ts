import * as fs from 'fs';
import * as path from 'path';
import { Duration, RemovalPolicy, Size, Stack } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sns from 'aws-cdk-lib/aws-sns';
import {
  BadRows,
  CsvBinary,
  CsvLineEnd,
  ParquetLayout,
  ParquetToCsvProps,
  TableSchemas,
} from '../index';
import {
  conversion,
  functionEnvironment,
  makeConversion,
  settings,
  withJobs,
} from './support/conversion';
import { resolve } from './support/resolve';
import { only, readJson, Template, testVpc } from './support/stacks';

const contract = readJson('contract', 'csv.json');
const BARE = conversion();
const JOBS = conversion(withJobs());

const jobEnvironment = (from: Template): { [name: string]: string } =>
  Object.fromEntries(
    only(from, 'AWS::Batch::JobDefinition').ContainerProperties.Environment.map(
      ({ Name, Value }: any) => [Name, resolve(Value)],
    ),
  );

describe('the settings', () => {
  /** The props that the example of the contract comes from. */
  const asInContract = (stack: Stack): Partial<ParquetToCsvProps> => ({
    ...withJobs()(stack),
    sourcePrefix: contract.settings.source.prefix,
    layout: ParquetLayout.RDS_EXPORT,
    destinationPrefix: contract.settings.destination.prefix,
    compression: 'gzip',
    lineEnd: CsvLineEnd.LF,
    header: true,
    nullText: '',
    binary: CsvBinary.HEX,
    badRows: BadRows.REJECT,
    schemas: TableSchemas.fromBucket(
      s3.Bucket.fromBucketName(stack, 'Rules', contract.settings.schemas.bucket),
      contract.settings.schemas.prefix,
    ),
    encryptionKey: kms.Key.fromKeyArn(stack, 'Key', contract.settings.kmsKeyArn),
    pageMemory: Size.mebibytes(contract.settings.pageMebibytes),
  });

  test('are those of the contract, for the function and for the job', () => {
    const { csv, stack } = makeConversion(asInContract);
    const made = Template.fromStack(stack);
    expect(settings(made)).toEqual({ ...contract.settings, name: csv.name });
    expect(jobEnvironment(made).AUTODUMP_CSV).toBe(functionEnvironment(made).AUTODUMP_CSV);
  });

  test('have the documented defaults', () => {
    const { csv, stack } = makeConversion();
    expect(settings(Template.fromStack(stack))).toEqual({
      name: csv.name,
      source: { bucket: 'example-exports', prefix: '' },
      layout: 'rds',
      destination: { bucket: 'example-results', prefix: '' },
      compression: 'none',
      format: { lineEnd: 'lf', header: true, null: '' },
      binary: 'hex',
      onBad: 'stop',
    });
  });

  test('say what differs from them', () => {
    const made = conversion({
      layout: ParquetLayout.DIRECTORIES,
      compression: 'zstd:19',
      lineEnd: CsvLineEnd.CRLF,
      header: false,
      nullText: '\\N',
      binary: CsvBinary.BASE64,
    });
    expect(settings(made)).toMatchObject({
      layout: 'plain',
      compression: 'zstd:19',
      format: { lineEnd: 'crlf', header: false, null: '\\N' },
      binary: 'base64',
    });
    for (const layout of Object.values(ParquetLayout)) {
      expect(contract.layouts).toContain(layout);
    }
  });

  test('come under the names of the contract', () => {
    const { environment } = contract;
    expect(Object.keys(functionEnvironment(BARE)).sort()).toEqual(environment.function.sort());
    expect(Object.keys(jobEnvironment(JOBS)).sort()).toEqual(
      [...environment.job.definition, 'AUTODUMP_SCRATCH'].sort(),
    );
    expect(jobEnvironment(JOBS).AUTODUMP_VERB).toBe('csv');
  });

  test('name buckets that are made in the stack', () => {
    const made = conversion((stack) => ({ destination: new s3.Bucket(stack, 'Own') }));
    expect(settings(made).destination.bucket).toMatch(/^<Own\w+>$/);
  });
});

describe('schemas that are given as objects', () => {
  const { object, settings: told } = contract.schemasInOneObject;

  test('are one asset, with the tables by their names', () => {
    const { app, stack } = makeConversion({ schemas: TableSchemas.fromObjects(object.tables) });
    const { schemas } = settings(Template.fromStack(stack));
    const { bucket, key } = schemas;
    expect(Object.keys(schemas).sort()).toEqual(Object.keys(told).sort());
    expect(bucket).toContain('cdk-hnb659fds-assets-');
    const file = path.join(app.synth().directory, `asset.${key as string}`);
    expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual(object);
  });

  test('that are the same are the same asset', () => {
    const key = (): string =>
      settings(conversion({ schemas: TableSchemas.fromObjects(object.tables) })).schemas.key;
    expect(key()).toBe(key());
  });
});

describe('the function', () => {
  test('has one vCPU and the longest time that there is', () => {
    BARE.hasResourceProperties('AWS::Lambda::Function', {
      MemorySize: 1769,
      Timeout: 900,
      Architectures: ['x86_64'],
      EphemeralStorage: Match.absent(),
    });
    const arm = conversion({ architecture: lambda.Architecture.ARM_64 });
    expect(only(arm, 'AWS::Lambda::Function').Architectures).toEqual(['arm64']);
  });

  test.each([
    [undefined, '1073741824'],
    [Size.mebibytes(1), '1048576'],
    [Size.gibibytes(8), '8589934592'],
  ])('takes tables up to %s', (functionLimit, bytes) => {
    const { AUTODUMP_CSV_FUNCTION_BYTES: told } = functionEnvironment(
      conversion({ functionLimit }),
    );
    expect(told).toBe(bytes);
  });
});

describe('the job', () => {
  test('is there with a vpc alone', () => {
    for (const type of ['ComputeEnvironment', 'JobDefinition', 'JobQueue']) {
      BARE.resourceCountIs(`AWS::Batch::${type}`, 0);
      JOBS.resourceCountIs(`AWS::Batch::${type}`, 1);
    }
    BARE.resourceCountIs('AWS::EC2::SecurityGroup', 0);
    JOBS.resourceCountIs('AWS::EC2::SecurityGroup', 1);
    const { csv } = makeConversion();
    expect([csv.jobRole, csv.jobQueue, csv.jobDefinition]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(() => csv.connections).toThrow('Test/AutoDumpCsv has no `vpc`');
  });

  test('bears the name of the construct, and is started again where that can help', () => {
    const { csv, stack } = makeConversion(withJobs());
    const made = Template.fromStack(stack);
    const { EvaluateOnExit, Attempts } = only(made, 'AWS::Batch::JobDefinition').RetryStrategy;
    expect(only(made, 'AWS::Batch::JobDefinition').JobDefinitionName).toBe(csv.name);
    expect(Attempts).toBe(3);
    expect(EvaluateOnExit.map(({ OnExitCode }: any) => OnExitCode).filter(Boolean)).toEqual([
      '12',
      '13*',
      '143',
    ]);
  });

  test('runs as long and as often at a time as is said', () => {
    const limits = (made: Template): number[] => [
      only(made, 'AWS::Batch::JobDefinition').Timeout.AttemptDurationSeconds,
      only(made, 'AWS::Batch::ComputeEnvironment').ComputeResources.MaxvCpus,
    ];
    expect(limits(JOBS)).toEqual([24 * 60 * 60, 16]);
    const other = withJobs({ jobTimeout: Duration.minutes(90), maxvCpus: 2 });
    expect(limits(conversion(other))).toEqual([90 * 60, 2]);
  });

  test('runs where it is told to', () => {
    const group = 'sg-0123456789abcdef0';
    const made = conversion((stack) => ({
      ...withJobs({ assignPublicIp: true })(stack),
      vpcSubnets: { availabilityZones: ['eu-central-1b'] },
      securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(stack, 'Own', group)],
    }));
    expect(only(made, 'AWS::Batch::ComputeEnvironment').ComputeResources).toMatchObject({
      SecurityGroupIds: [group],
      Subnets: ['subnet-0123456789abcdef1'],
    });
    expect(
      only(made, 'AWS::Batch::JobDefinition').ContainerProperties.NetworkConfiguration,
    ).toEqual({ AssignPublicIp: 'ENABLED' });
    made.resourceCountIs('AWS::EC2::SecurityGroup', 0);
  });

  test('has connections', () => {
    const { csv, stack } = makeConversion(withJobs());
    csv.connections.allowFrom(ec2.Peer.ipv4('10.0.0.0/8'), ec2.Port.tcp(443));
    Template.fromStack(stack).hasResourceProperties('AWS::EC2::SecurityGroup', {
      SecurityGroupIngress: [Match.objectLike({ CidrIp: '10.0.0.0/8' })],
    });
  });

  test('has the image that is given, else that of this package', () => {
    expect(only(JOBS, 'AWS::Batch::JobDefinition').ContainerProperties.Image).toBe(
      'registry.example.com/dumper:1',
    );
    const { stack } = makeConversion((scope) => ({ vpc: testVpc(scope) }));
    const made = Template.fromStack(stack);
    const { Image } = only(made, 'AWS::Batch::JobDefinition').ContainerProperties;
    expect(JSON.stringify(Image)).toContain('container-assets');
  });
});

describe('the rule', () => {
  const rule = (props: Partial<ParquetToCsvProps> = {}): any =>
    only(conversion(props), 'AWS::Events::Rule');

  test('takes the _SUCCESS of the bucket, and nothing else', () => {
    expect(rule().EventPattern).toEqual({
      source: ['aws.s3'],
      'detail-type': ['Object Created'],
      detail: {
        bucket: { name: ['example-exports'] },
        object: { key: [{ suffix: '/_SUCCESS' }] },
      },
    });
  });

  test.each<[string, unknown[]]>([
    ['rds/', [{ wildcard: 'rds/*/_SUCCESS' }, 'rds/_SUCCESS']],
    ['rds/orders-', [{ wildcard: 'rds/orders-*/_SUCCESS' }]],
  ])('takes only those below %s', (sourcePrefix, key) => {
    expect(rule({ sourcePrefix }).EventPattern.detail.object.key).toEqual(key);
  });

  test('starts the state machine with the event as it is, and keeps what could not', () => {
    const [target, ...more] = rule().Targets;
    expect(more).toEqual([]);
    expect(resolve(target.Arn)).toMatch(/^<AutoDumpCsvStateMachine\w+>$/);
    for (const field of ['Input', 'InputPath', 'InputTransformer']) {
      expect(target).not.toHaveProperty(field);
    }
    expect(resolve(target.DeadLetterConfig.Arn)).toMatch(/^<AutoDumpCsvRuleUndelivered\w+\.Arn>$/);
    BARE.hasResourceProperties('AWS::SQS::Queue', {
      MessageRetentionPeriod: 14 * 24 * 60 * 60,
      SqsManagedSseEnabled: true,
    });
  });

  test('has the bucket send its events, unless told not to', () => {
    const count = (props: (stack: Stack) => Partial<ParquetToCsvProps>): number =>
      Object.values(conversion(props).findResources('Custom::S3BucketNotifications')).filter(
        ({ Properties }) => 'EventBridgeConfiguration' in Properties.NotificationConfiguration,
      ).length;
    const own = (stack: Stack) => ({ source: new s3.Bucket(stack, 'Own') });
    expect(count((stack) => ({ ...own(stack), enableEvents: undefined }))).toBe(1);
    expect(count(() => ({ enableEvents: true }))).toBe(1);
    expect(count(own)).toBe(0);
  });
});

describe('what an operator sees', () => {
  const alarms = (from: Template): any[] =>
    Object.values(from.findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);

  test('an alarm of what failed, and one of what could not start', () => {
    expect(alarms(BARE)).toHaveLength(2);
    for (const alarm of alarms(BARE)) {
      expect(alarm).toMatchObject({
        Threshold: 1,
        EvaluationPeriods: 1,
        Period: 300,
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        TreatMissingData: 'notBreaching',
      });
      expect(alarm).not.toHaveProperty('AlarmActions');
    }
    expect(
      alarms(BARE)
        .map(({ MetricName }) => MetricName)
        .sort(),
    ).toEqual(['ApproximateNumberOfMessagesVisible', 'ExecutionsFailed']);
  });

  test('who is to be told is told', () => {
    const made = conversion((stack) => ({ alarmTopic: new sns.Topic(stack, 'Alarms') }));
    for (const { AlarmActions } of alarms(made)) {
      expect(AlarmActions.map(resolve)).toEqual([expect.stringMatching(/^<Alarms\w+>$/)]);
    }
  });

  test('the metrics are those that are written', () => {
    const { csv } = makeConversion();
    const written = readJson('contract', 'metrics.json');
    const metrics = [csv.metricRejectedRows()];
    expect(metrics.map(({ metricName }) => metricName)).toEqual(written.csv);
    expect(metrics[0]).toMatchObject({
      namespace: written.namespace,
      statistic: 'Sum',
      dimensions: { [written.dimension]: csv.name },
    });
    expect(csv.metricFailed({ period: Duration.hours(1) })).toMatchObject({
      metricName: 'ExecutionsFailed',
      dimensions: { StateMachineArn: csv.stateMachine.stateMachineArn },
    });
  });

  test('the log group is kept as long as is said, and when it leaves the stack', () => {
    BARE.hasResource('AWS::Logs::LogGroup', {
      DeletionPolicy: 'Retain',
      Properties: { RetentionInDays: 90 },
    });
    conversion({
      logRetention: logs.RetentionDays.ONE_WEEK,
      removalPolicy: RemovalPolicy.DESTROY,
    }).hasResource('AWS::Logs::LogGroup', {
      DeletionPolicy: 'Delete',
      Properties: { RetentionInDays: 7 },
    });
  });
});
