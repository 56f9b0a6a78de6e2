import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { AutoDump } from '../index';
import { resolve } from './support/resolve';
import {
  IMAGE,
  jobEnvironment,
  make,
  Match,
  only,
  readJson,
  stateMachine,
  Template,
  template,
  testApp,
} from './support/stacks';

const environment = readJson('contract', 'environment.json');

describe('the bucket that is made', () => {
  test('is private, encrypted, TLS only, owned, and kept', () => {
    const made = template();
    made.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [
            { ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } },
          ],
        },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      },
    });
    made.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: Match.objectLike({
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      }),
    });
  });

  const rules = (from: Template): any[] =>
    only(from, 'AWS::S3::Bucket').LifecycleConfiguration.Rules;

  test('keeps a backup for 35 days, and an orphaned upload for one', () => {
    expect(rules(template())).toEqual([
      { Id: 'expire-backups', Status: 'Enabled', ExpirationInDays: 35 },
      {
        Id: 'abort-orphaned-uploads',
        Status: 'Enabled',
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
      },
    ]);
  });

  test('keeps a backup as long as it is told, and an upload as long as it may last', () => {
    const [expire, abort] = rules(
      template({ retention: Duration.days(7), dumpTimeout: Duration.hours(50) }),
    );
    expect(expire.ExpirationInDays).toBe(7);
    expect(abort.AbortIncompleteMultipartUpload.DaysAfterInitiation).toBe(3);
  });

  test('uses a key that is given, and the dumper names it', () => {
    const made = template((stack) => ({ encryptionKey: new kms.Key(stack, 'Key') }));
    const [rule] = only(made, 'AWS::S3::Bucket').BucketEncryption.ServerSideEncryptionConfiguration;
    expect(rule).toMatchObject({
      BucketKeyEnabled: true,
      ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' },
    });
    expect(jobEnvironment(made).AUTODUMP_KMS_KEY_ARN).toMatch(/^<Key\w+\.Arn>$/);
  });

  test('and the log group go with the stack, if told so', () => {
    const made = template({ removalPolicy: RemovalPolicy.DESTROY });
    made.hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Delete' });
    made.hasResource('AWS::Logs::LogGroup', { DeletionPolicy: 'Delete' });
  });

  test('has the name that is given', () => {
    expect(only(template({ bucketName: 'my-backups' }), 'AWS::S3::Bucket').BucketName).toBe(
      'my-backups',
    );
  });
});

test('an own bucket is used, and none is made', () => {
  const made = template((stack) => ({ bucket: s3.Bucket.fromBucketName(stack, 'Own', 'own') }));
  made.resourceCountIs('AWS::S3::Bucket', 0);
  expect(jobEnvironment(made).AUTODUMP_BUCKET).toBe('own');
});

describe('the functions', () => {
  const byDescription = (made: Template, text: string): any =>
    Object.values(
      made.findResources('AWS::Lambda::Function', {
        Properties: { Description: Match.stringLikeRegexp(text) },
      }),
    )[0].Properties;

  test('have the environment of the contract, and no more', () => {
    template().resourceCountIs('AWS::Lambda::Function', 3);
    const made = template({ snapshots: {} });
    made.resourceCountIs('AWS::Lambda::Function', 4);
    const names = (text: string): string[] =>
      Object.keys(byDescription(made, text).Environment.Variables).sort();
    expect(names('finds tagged secrets')).toEqual(environment.scanner.sort());
    expect(names('compares')).toEqual(environment.hash.sort());
    expect(names('plans')).toEqual(environment.planner.sort());
    expect(names('prunes')).toEqual(environment.snapshots.sort());
  });

  test('of which the planner knows how many jobs run at once, and how long', () => {
    const limits = (made: Template): unknown[] => {
      const { Variables } = byDescription(made, 'plans').Environment;
      return [Variables.AUTODUMP_MAX_VCPUS, Variables.AUTODUMP_DUMP_TIMEOUT];
    };
    expect(limits(template())).toEqual(['64', '86400']);
    const set = template({ maxvCpus: 16, dumpTimeout: Duration.minutes(90) });
    expect(limits(set)).toEqual(['16', '5400']);
  });

  test('have what is optional in the contract where there are sources, a key and a bucket of another account', () => {
    const made = template((stack) => ({
      bucket: s3.Bucket.fromBucketAttributes(stack, 'Own', {
        bucketName: 'backups',
        account: '999900001111',
      }),
      encryptionKey: new kms.Key(stack, 'Key'),
      sources: [{ region: 'us-east-1' }],
      snapshots: {},
    }));
    for (const [name, text] of [
      ['scanner', 'finds tagged secrets'],
      ['hash', 'compares'],
      ['planner', 'plans'],
      ['snapshots', 'prunes'],
    ]) {
      const names = Object.keys(byDescription(made, text).Environment.Variables).sort();
      expect(names).toEqual([...environment[name], ...environment.optional[name]].sort());
    }
    const { AUTODUMP_BUCKET_OWNER } = byDescription(made, 'plans').Environment.Variables;
    expect(AUTODUMP_BUCKET_OWNER).toBe('999900001111');
  });

  test('run on provided.al2023, log to the one group, on the processor that is given', () => {
    const made = template({ architecture: lambda.Architecture.ARM_64 });
    made.allResourcesProperties('AWS::Lambda::Function', {
      Runtime: 'provided.al2023',
      Handler: 'bootstrap',
      Architectures: ['arm64'],
      LoggingConfig: { LogGroup: { Ref: Match.stringLikeRegexp('^AutoDumpLogs') } },
    });
    made.allResourcesProperties('AWS::Batch::JobDefinition', {
      ContainerProperties: Match.objectLike({
        RuntimePlatform: { CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' },
      }),
    });
  });

  test('have more time than their clients take to give up', () => {
    const made = template();
    expect(byDescription(made, 'compares').Timeout).toBe(270);
    expect(byDescription(made, 'finds tagged secrets').Timeout).toBe(900);
    expect(byDescription(made, 'plans').Timeout).toBe(900);
  });

  test('know the state machine and the prefix', () => {
    const { autoDump, stack } = make({ tagPrefix: 'backup' });
    const made = Template.fromStack(stack);
    const { Variables } = byDescription(made, 'finds tagged secrets').Environment;
    expect(Variables.AUTODUMP_TAG_PREFIX).toBe('backup');
    expect(Variables.AUTODUMP_NAME).toBe(autoDump.name);
    expect(resolve(Variables.AUTODUMP_STATE_MACHINE_ARN)).toBe(
      `arn:<partition>:states:<region>:<account>:stateMachine:${autoDump.name}`,
    );
    expect(stateMachine(made).StateMachineName).toBe(autoDump.name);
  });

  test('and their logs are kept for three months, or as told', () => {
    expect(only(template(), 'AWS::Logs::LogGroup').RetentionInDays).toBe(90);
    expect(
      only(template({ logRetention: logs.RetentionDays.ONE_WEEK }), 'AWS::Logs::LogGroup')
        .RetentionInDays,
    ).toBe(7);
  });
});

describe('the name', () => {
  test('is its own for every stack and for every construct', () => {
    const app = testApp();
    const first = make({}, app);
    const same = new AutoDump(first.stack, 'Second', { vpc: ec2Vpc(first.stack), image: IMAGE });
    const other = new Stack(app, 'Renamed', { stackName: 'Other' });
    const third = new AutoDump(other, 'AutoDump', { vpc: ec2Vpc(other), image: IMAGE });
    const names = [first.autoDump, same, third].map(({ name }) => name);
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(`${name}-restore`).toMatch(/^[0-9A-Za-z_-]{1,80}$/);
  });

  test('has 80 characters at most, however deep the construct is', () => {
    const stack = new Stack(testApp(), 'S'.repeat(100));
    const { name } = new AutoDump(stack, 'A'.repeat(200), { vpc: ec2Vpc(stack), image: IMAGE });
    expect(name).toMatch(/^[0-9A-Za-z_-]{80}$/);
    const made = Template.fromStack(stack);
    const names = (type: string, field: string): string[] =>
      Object.values(made.findResources(type)).map(({ Properties }) => Properties[field] as string);
    const machines = names('AWS::StepFunctions::StateMachine', 'StateMachineName');
    expect(machines).toHaveLength(2);
    expect(machines).toContain(name);
    expect(machines).toContainEqual(expect.stringMatching(/^(?=.{80}$)[0-9A-Za-z_-]+-restore$/));
    const definitions = names('AWS::Batch::JobDefinition', 'JobDefinitionName');
    expect(definitions.sort()).toEqual([name, `${name}-restore`, `${name}-verify`]);
    for (const definition of definitions) expect(definition.length).toBeLessThanOrEqual(128);
  });

  // What is deployed must not get another state machine: its executions would be lost.
  test('does not depend on that of the state machine of restores', () => {
    const stack = new Stack(testApp(), 'S'.repeat(30));
    const id = 'A'.repeat(36);
    const { name } = new AutoDump(stack, id, { vpc: ec2Vpc(stack), image: IMAGE });
    expect(name).toMatch(/^S{30}-A{36}-[0-9A-F]{8}$/);
    const machines = Template.fromStack(stack).findResources('AWS::StepFunctions::StateMachine');
    const names = Object.values(machines).map(({ Properties }) =>
      String(Properties.StateMachineName),
    );
    expect(names.map(({ length }) => length).sort()).toEqual([name.length, 80]);
  });

  const ec2Vpc = (stack: Stack): ec2.IVpc =>
    ec2.Vpc.fromVpcAttributes(stack, 'AnyVpc', {
      vpcId: 'vpc-0123456789abcdef2',
      availabilityZones: ['eu-central-1a'],
      privateSubnetIds: ['subnet-0123456789abcdef2'],
    });
});

describe('the events', () => {
  const rules = (made: Template): any[] =>
    Object.values(made.findResources('AWS::Events::Rule')).map(({ Properties }) => Properties);

  test('all go to the scanner as they are', () => {
    const made = rules(template());
    expect(made).toHaveLength(5);
    for (const { State, Targets } of made) {
      expect(State).toBe('ENABLED');
      expect(Targets).toEqual([
        { Id: 'Target0', Arn: { 'Fn::GetAtt': [expect.stringMatching(/Scanner/), 'Arn'] } },
      ]);
    }
  });

  test('the scan comes every hour, or as told', () => {
    const schedule = (made: Template): string =>
      rules(made).find(({ ScheduleExpression }) => ScheduleExpression !== undefined)
        .ScheduleExpression;
    expect(schedule(template())).toBe('rate(1 hour)');
    expect(schedule(template({ scanInterval: Duration.minutes(1) }))).toBe('rate(1 minute)');
  });

  test('a change of a tag under the prefix, in both forms', () => {
    const patterns = rules(template({ tagPrefix: 'backup' })).flatMap(
      (rule) => rule.EventPattern ?? [],
    );
    expect(patterns).toEqual([
      {
        source: ['aws.tag'],
        'detail-type': ['Tag Change on Resource'],
        detail: {
          service: ['secretsmanager', 'dynamodb', 'rds'],
          'changed-tag-keys': [{ prefix: 'backup:' }],
        },
      },
      {
        source: ['aws.secretsmanager'],
        'detail-type': ['AWS API Call via CloudTrail'],
        detail: {
          eventSource: ['secretsmanager.amazonaws.com'],
          eventName: ['CreateSecret', 'TagResource', 'UntagResource', 'DeleteSecret'],
        },
      },
      {
        source: ['aws.dynamodb'],
        'detail-type': ['AWS API Call via CloudTrail'],
        detail: {
          eventSource: ['dynamodb.amazonaws.com'],
          eventName: ['CreateTable', 'TagResource', 'UntagResource', 'DeleteTable'],
        },
      },
      {
        source: ['aws.rds'],
        'detail-type': ['AWS API Call via CloudTrail'],
        detail: {
          eventSource: ['rds.amazonaws.com'],
          eventName: [
            'CreateDBInstance',
            'CreateDBCluster',
            'AddTagsToResource',
            'RemoveTagsFromResource',
            'DeleteDBInstance',
            'DeleteDBCluster',
          ],
        },
      },
    ]);
  });

  test('come only when the state machine is there', () => {
    for (const rule of Object.values(template().findResources('AWS::Events::Rule'))) {
      expect(rule.DependsOn).toContainEqual(expect.stringMatching(/^AutoDumpStateMachine/));
    }
  });
});

test('the metrics bear the names that the scanner writes', () => {
  const { autoDump } = make();
  const { Name } = { Name: autoDump.name };
  const metrics = [
    autoDump.metricTargetsStarted(),
    autoDump.metricTargetsRejected(),
    autoDump.metricTargetsFailed(),
  ];
  const written = readJson('contract', 'metrics.json');
  expect(metrics.map((metric) => metric.metricName)).toEqual(written.scanner);
  for (const metric of metrics) {
    expect(metric).toMatchObject({
      namespace: written.namespace,
      statistic: 'Sum',
      dimensions: { [written.dimension]: Name },
    });
  }
  expect(autoDump.metricTargetsFailed({ period: Duration.hours(1) }).period.toHours()).toBe(1);
  expect(autoDump.metricExecutionsFailed().metricName).toBe('ExecutionsFailed');
  expect(autoDump.metricExecutionsSucceeded().metricName).toBe('ExecutionsSucceeded');
  expect(autoDump.metricRestoresFailed()).toMatchObject({
    metricName: 'ExecutionsFailed',
    dimensions: { StateMachineArn: autoDump.restoreStateMachine.stateMachineArn },
  });
  expect(autoDump.metricScannerErrors().metricName).toBe('Errors');
});

test('an escape hatch reaches every resource', () => {
  const { autoDump, stack } = make();
  for (const construct of [
    autoDump.bucket,
    autoDump.stateMachine,
    autoDump.restoreStateMachine,
    autoDump.jobQueue,
    autoDump.jobDefinition,
    autoDump.verifyJobDefinition,
    autoDump.restoreJobDefinition,
    autoDump.scannerFunction,
    autoDump.hashFunction,
    autoDump.plannerFunction,
    autoDump.logGroup,
    autoDump.jobRole,
    autoDump.verifyJobRole,
    autoDump.restoreJobRole,
  ]) {
    expect(construct.node.defaultChild).toBeDefined();
  }
  (autoDump.jobQueue.node.defaultChild as unknown as { priority: number }).priority = 7;
  expect(only(Template.fromStack(stack), 'AWS::Batch::JobQueue').Priority).toBe(7);
});
