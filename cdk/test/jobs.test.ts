import * as fs from 'fs';
import * as path from 'path';
import { Size } from 'aws-cdk-lib';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { resolve } from './support/resolve';
import { definition } from './support/state-machine';
import {
  jobDefinition,
  jobEnvironment,
  make,
  only,
  readJson,
  ROOT,
  Template,
  template,
} from './support/stacks';

const environment = readJson('contract', 'environment.json');

const bare = template();
const JOBS = ['dump', 'verify', 'restore'] as const;

test.each([
  ['dump', 'dumper'],
  ['verify', 'verify'],
  ['restore', 'restore'],
] as const)('%s: is given the environment of the contract', (job, name) => {
  const { jobDefinition, jobDefinitionOptional } = environment[name];
  expect(Object.keys(jobEnvironment(bare, job)).sort()).toEqual([...jobDefinition].sort());
  const full = template((stack) => ({
    encryptionKey: new kms.Key(stack, 'Key'),
    sources: [{ region: 'us-east-1' }],
  }));
  expect(Object.keys(jobEnvironment(full, job)).sort()).toEqual(
    [...jobDefinition, ...jobDefinitionOptional].sort(),
  );
});

test('the jobs are told what they are for, and the dump, being the default, is not', () => {
  const verbs = JOBS.map((job) => jobEnvironment(bare, job).AUTODUMP_VERB);
  expect(verbs).toEqual([undefined, 'verify', 'restore']);
});

test('the verification knows all buckets, the own one first', () => {
  const made = template((stack) => ({
    bucket: s3.Bucket.fromBucketName(stack, 'Own', 'own'),
    additionalBuckets: ['one', 'two'].map((id) => s3.Bucket.fromBucketName(stack, id, id)),
  }));
  expect(jobEnvironment(made, 'verify').AUTODUMP_BUCKETS).toBe('own one two');
});

test.each(JOBS)(
  '%s: runs as no one, on a root that cannot be written, without a public address',
  (job) => {
    expect(jobDefinition(bare, job)).toMatchObject({
      PlatformCapabilities: ['FARGATE'],
      PropagateTags: true,
      Timeout: { AttemptDurationSeconds: (job === 'restore' ? 72 : 24) * 60 * 60 },
      ContainerProperties: {
        User: '65532:65532',
        ReadonlyRootFilesystem: true,
        NetworkConfiguration: { AssignPublicIp: 'DISABLED' },
        RuntimePlatform: { CpuArchitecture: 'X86_64', OperatingSystemFamily: 'LINUX' },
        ResourceRequirements: [
          { Type: 'MEMORY', Value: '2048' },
          { Type: 'VCPU', Value: '1' },
        ],
      },
    });
    expect(jobDefinition(bare, job).ContainerProperties).not.toHaveProperty('Privileged');
  },
);

test.each(JOBS)('%s: can write to the volume of its task alone, which has no path', (job) => {
  const { MountPoints, Volumes } = jobDefinition(bare, job).ContainerProperties;
  expect(MountPoints).toEqual([{ ContainerPath: '/scratch', SourceVolume: 'scratch' }]);
  // Not even an empty `Host`: Batch wants none on Fargate.
  expect(Volumes).toStrictEqual([{ Name: 'scratch' }]);
  expect(jobEnvironment(bare, job).AUTODUMP_SCRATCH).toBe('/scratch');
  const dockerfile = fs.readFileSync(path.join(ROOT, 'batch-image', 'Dockerfile'), 'utf8');
  expect(dockerfile).toMatch(/^VOLUME \["\/scratch"\]$/m);
  expect(dockerfile).toMatch(/^ENV .*\bAUTODUMP_SCRATCH=\/scratch$/m);
});

test('the jobs have the disk that Fargate gives, the verification the largest, or all what is given', () => {
  const sizes = (made: Template): unknown[] =>
    JOBS.map((job) => jobDefinition(made, job).ContainerProperties.EphemeralStorage?.SizeInGiB);
  expect(sizes(bare)).toEqual([undefined, 200, undefined]);
  expect(sizes(template({ scratchSize: Size.gibibytes(60) }))).toEqual([60, 60, 60]);
});

test('the jobs log to the one group, each with a prefix of its own', () => {
  const options = JOBS.map((job) => jobDefinition(bare, job).ContainerProperties.LogConfiguration);
  expect(options.map(({ LogDriver }) => LogDriver)).toEqual(['awslogs', 'awslogs', 'awslogs']);
  expect(options.map(({ Options }) => Options['awslogs-stream-prefix'])).toEqual([
    'dumper',
    'verify',
    'restore',
  ]);
  for (const { Options } of options) {
    expect(Options['awslogs-group']).toEqual({ Ref: expect.stringMatching(/^AutoDumpLogs/) });
  }
});

test('the jobs have a role each, and one for Fargate', () => {
  const containers = JOBS.map((job) => jobDefinition(bare, job).ContainerProperties);
  const roles = containers.flatMap(({ JobRoleArn, ExecutionRoleArn }) => [
    resolve(JobRoleArn),
    resolve(ExecutionRoleArn),
  ]);
  expect(new Set(roles).size).toBe(4);
});

test.each(['dump', 'verify'] as const)('%s: is retried as the contract says', (job) => {
  const { RetryStrategy } = jobDefinition(bare, job);
  const codes = readJson('contract', 'exit-codes.json').exitCodes.filter((c: any) => c.retried);
  expect(RetryStrategy).toEqual({
    Attempts: 3,
    EvaluateOnExit: [
      // With the exit codes that begin with 13 comes 137, of a program that was killed.
      ...codes.map(({ code }: any) => ({
        Action: 'RETRY',
        OnExitCode: code === 13 ? '13*' : String(code),
      })),
      { Action: 'RETRY', OnStatusReason: 'Task failed to start*' },
      { Action: 'EXIT', OnReason: '*' },
    ],
  });
  expect(RetryStrategy.EvaluateOnExit.length).toBeLessThanOrEqual(5);
});

test('the jobs are called by name in the state machines: their revisions come and go', () => {
  const { autoDump, stack } = make();
  const made = Template.fromStack(stack);
  const names = JOBS.map((job) => jobDefinition(made, job).JobDefinitionName);
  expect(names).toEqual(['', '-verify', '-restore'].map((end) => `${autoDump.name}${end}`));
  const calls = (['run', 'restore'] as const)
    .flatMap((machine) => Object.values<any>(definition(made, machine).States))
    .filter(({ Resource }) => /batch/.test(Resource as string));
  // The dump's is that of three: the dump of a database, and both jobs of a table. The restore's is
  // that of two: the copy of a table, and a restore.
  const [dump, , restore] = names;
  const called = calls.map(({ Parameters }) => Parameters.JobDefinition);
  expect(called).toEqual([dump, dump, ...names, restore]);
});

test('the jobs that can never start are cancelled, not left at the head of the queue', () => {
  const actions = only(bare, 'AWS::Batch::JobQueue').JobStateTimeLimitActions;
  expect(actions).toEqual(
    [
      'MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE',
      'MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT',
    ].map((Reason) => ({ Action: 'CANCEL', MaxTimeSeconds: 600, Reason, State: 'RUNNABLE' })),
  );
});

test('the jobs run at most so many at a time', () => {
  const cpus = (made: Template): number =>
    only(made, 'AWS::Batch::ComputeEnvironment').ComputeResources.MaxvCpus;
  expect(cpus(bare)).toBe(64);
  expect(cpus(template({ maxvCpus: 16 }))).toBe(16);
});
