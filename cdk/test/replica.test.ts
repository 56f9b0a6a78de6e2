import validate from 'asl-validator';
import { Duration } from 'aws-cdk-lib';
import {
  definition,
  deployed,
  fails,
  jobFails,
  Outcome,
  report,
  Task,
  UNREPORTED,
  walk,
} from './support/state-machine';
import { jobDefinition, readJson, Template, template } from './support/stacks';

const made = template();
const machine = definition(made);
const planner = readJson('contract', 'planner.json');
const { exitCodes } = readJson('contract', 'exit-codes.json');
const [ONE_JOB, MANY_JOBS, EXPORT, REPLICATED] = planner.plan.answers;
const [, COMPLETED] = planner.follow.answers;
const { input: secret } = readJson('contract', 'execution-input.json');
const table = { ...secret, resourceArn: planner.plan.event.resourceArn };

const SCHEDULE = 'Schedule the next run';
const PLAN = 'Plan the backup';
const PARALLEL = 'Read the table in parallel';
const BACK_UP = 'Back up the table';
const VERIFY = 'Verify the backup';
const WANTED = 'Replicate the table?';
const REPLICATE = 'Replicate the table';
const END = ['Next run scheduled?', 'Backup complete'];

const job = (JobId: string): Task => {
  return () => ({ JobId, Status: 'SUCCEEDED', Container: { ExitCode: 0 } });
};
const GOOD: { [state: string]: Task } = {
  'Check the tags': () => ({ execute: true }),
  [SCHEDULE]: () => ({ started: 1, note: 'The next run is scheduled.' }),
  'Dump the database': job('1a'),
  [PLAN]: () => REPLICATED,
  'Look at the export': () => COMPLETED,
  [PARALLEL]: job('1b'),
  [BACK_UP]: job('2b'),
  [VERIFY]: job('3c'),
  [REPLICATE]: job('4d'),
};
const run = (tasks: { [state: string]: Task } = {}, more = {}): Outcome =>
  walk(machine, { ...table, ...more }, { ...GOOD, ...tasks });
const mustNot = (): never => {
  throw new Error('must not be replicated');
};

test('the definition is valid', () => {
  const { isValid, errorsText } = validate(deployed(machine));
  expect(errorsText('\n')).toBe('');
  expect(isValid).toBe(true);
});

describe('a table whose plan names a copy', () => {
  test('is replicated when its backup is there', () => {
    const outcome = run();
    expect(outcome.path.slice(-6)).toEqual([
      BACK_UP,
      'Verify this backup?',
      WANTED,
      REPLICATE,
      ...END,
    ]);
    expect(outcome.status).toBe('SUCCEEDED');
    expect(outcome.output).toMatchObject({ dump: { jobId: '2b' }, replica: { jobId: '4d' } });
  });

  test('is replicated only when its backup is verified, if it asks for that', () => {
    const outcome = run({}, { verify: 'archive' });
    expect(outcome.path.slice(-5)).toEqual([VERIFY, WANTED, REPLICATE, ...END]);
  });

  test.each([
    ['an array job', MANY_JOBS, PARALLEL],
    ['an export', EXPORT, 'Look at the export'],
  ])('is replicated after %s too', (_, answer, state) => {
    const { path } = run({ [PLAN]: () => ({ ...answer, replica: REPLICATED.replica }) });
    expect(path.indexOf(state)).toBeGreaterThan(0);
    expect(path.indexOf(state)).toBeLessThan(path.indexOf(BACK_UP));
    expect(path.slice(-4)).toEqual([WANTED, REPLICATE, ...END]);
  });

  test('is not replicated from a backup that failed, or is damaged', () => {
    const failed = run({ [BACK_UP]: jobFails(report(12)), [REPLICATE]: mustNot });
    expect(failed.path.at(-1)).toBe('Failed: table (source)');
    const damaged = run(
      { [VERIFY]: jobFails(report(16)), [REPLICATE]: mustNot },
      { verify: 'checksum' },
    );
    expect(damaged.path.at(-1)).toBe('Failed: verification');
  });

  test('is replicated although its next run is not scheduled, which is said at the end', () => {
    const outcome = run({ [SCHEDULE]: fails('ScanFailed', 'no') });
    expect(outcome.path).toContain(REPLICATE);
    expect(outcome.error).toBe('AutoDump.NextRunNotScheduled');
  });
});

test('what names no copy is not replicated: a table without the tag, and every database', () => {
  const plain = run({ [PLAN]: () => ONE_JOB, [REPLICATE]: mustNot });
  expect(plain.path.slice(-3)).toEqual([WANTED, ...END]);
  for (const verify of ['none', 'restore']) {
    const database = walk(machine, { ...secret, verify }, { ...GOOD, [REPLICATE]: mustNot });
    expect(database.output).not.toHaveProperty('plan');
    expect(database.path.slice(-3)).toEqual([WANTED, ...END]);
  }
});

describe('the job that replicates', () => {
  test('is a restore of the size of the run, and is told what the planner answered', () => {
    let seen: any;
    run({
      [REPLICATE]: (parameters) => {
        seen = parameters;
        return GOOD[REPLICATE](parameters);
      },
    });
    expect(seen.JobDefinition).toBe(jobDefinition(made, 'restore').JobDefinitionName);
    expect(seen.JobName).toBe('run-replica');
    expect(seen).not.toHaveProperty('ArrayProperties');
    const { Environment, ResourceRequirements } = seen.ContainerOverrides;
    expect(ResourceRequirements).toEqual([
      { Type: 'VCPU', Value: table.job.vcpu },
      { Type: 'MEMORY', Value: table.job.memory },
    ]);
    expect(Environment.map(({ Name }: any) => Name)).toEqual(
      readJson('contract', 'environment.json').restore.execution,
    );
    expect(JSON.parse(Environment[0].Value)).toEqual(REPLICATED.replica);
  });

  test('is told nothing that the contract of restores does not name', () => {
    const restores = Object.keys(readJson('contract', 'restore-input.json').table);
    for (const field of Object.keys(REPLICATED.replica)) expect(restores).toContain(field);
  });

  test('is submitted again only if Batch did not take it', () => {
    const errors = machine.States[REPLICATE].Retry.flatMap(({ ErrorEquals }: any) => ErrorEquals);
    expect(errors).toEqual(['Batch.TooManyRequestsException']);
  });

  test('ends a day after the time of a restore', () => {
    const days = (from: Template): number =>
      definition(from).States[REPLICATE].TimeoutSeconds / (24 * 60 * 60);
    expect(days(made)).toBe(4);
    expect(days(template({ restoreTimeout: Duration.days(14) }))).toBe(15);
  });

  test('has its definition before any run', () => {
    const machines = made.findResources('AWS::StepFunctions::StateMachine');
    const [id] = Object.keys(machines).filter((one) => /^AutoDumpStateMachine/.test(one));
    const definitions = Object.keys(made.findResources('AWS::Batch::JobDefinition'));
    expect(definitions).toHaveLength(3);
    expect(machines[id].DependsOn).toEqual(expect.arrayContaining(definitions));
  });
});

describe('a failed copy', () => {
  test.each(exitCodes as { class: string; code: number }[])(
    'with the exit code of $class says what the backup is worth',
    ({ class: name, code }) => {
      const outcome = run({ [REPLICATE]: jobFails(report(code)) });
      const damaged = name === 'verification';
      expect(outcome.path.at(-1)).toBe(`Failed: replica (${name})`);
      expect(outcome.error).toBe(damaged ? 'AutoDump.Verification' : 'AutoDump.NotReplicated');
      expect(outcome.cause).toContain(
        damaged
          ? `the backup is not as its manifest says: ${name} (exit code ${code})`
          : `The backup is complete, but the copy of the table is not: ${name} (exit code ${code})`,
      );
      expect(outcome.cause).toContain('The copy may be partly new');
      expect(outcome.cause).toContain('stream dumper/default/7a');
      expect(outcome.cause).toContain('The next run is scheduled.');
    },
  );

  test.each(UNREPORTED)('that was %s leaves the backup complete', (_, task, said) => {
    const outcome = run({ [REPLICATE]: task });
    expect(outcome.path.at(-1)).toBe('Failed: replica job');
    expect(outcome.error).toBe('AutoDump.NotReplicated');
    expect(outcome.cause).toContain('The backup is complete, but the copy of the table is not');
    expect(outcome.cause).toContain(said);
  });

  test('says when the next run is not scheduled either', () => {
    const outcome = run({
      [SCHEDULE]: fails('ScanFailed', 'no'),
      [REPLICATE]: jobFails(report(12)),
    });
    expect(outcome.error).toBe('AutoDump.NotReplicated');
    expect(outcome.cause).toContain('The next run is NOT scheduled');
  });
});
