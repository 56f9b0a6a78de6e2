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
  walk,
} from './support/state-machine';
import { jobDefinition, readJson, Template, template } from './support/stacks';

const made = template();
const machine = definition(made);
const planner = readJson('contract', 'planner.json');
const { exitCodes } = readJson('contract', 'exit-codes.json');
const TABLE: string = planner.plan.event.resourceArn;
const input = { ...readJson('contract', 'execution-input.json').input, resourceArn: TABLE };
const [ONE_JOB, MANY_JOBS, EXPORT] = planner.plan.answers;
const [IN_PROGRESS, COMPLETED] = planner.follow.answers;

const SCHEDULE = 'Schedule the next run';
const IS_TABLE = 'Is it a table?';
const PLAN = 'Plan the backup';
const HOW = 'How is the table read?';
const PARALLEL = 'Read the table in parallel';
const BEGIN = 'Begin to look';
const WAIT = 'Wait for the export';
const WAIT_LONGER = 'Wait longer for the export';
const COUNT = 'Count the looks';
const LOOK = 'Look at the export';
const COMPLETE = 'Export complete?';
const BACK_UP = 'Back up the table';
const END = [
  'Verify this backup?',
  'Replicate the table?',
  'Next run scheduled?',
  'Backup complete',
];

const job = (JobId: string): Task => {
  return () => ({ JobId, Status: 'SUCCEEDED', Container: { ExitCode: 0 } });
};
const GOOD: { [state: string]: Task } = {
  'Check the tags': () => ({ execute: true }),
  [SCHEDULE]: () => ({ started: 1, note: 'The next run is scheduled.' }),
  [PLAN]: () => ONE_JOB,
  [LOOK]: () => COMPLETED,
  [PARALLEL]: job('1a'),
  [BACK_UP]: job('2b'),
  'Verify the backup': job('3c'),
};
const run = (tasks: { [state: string]: Task } = {}, mostStates?: number, more = {}): Outcome =>
  walk(machine, { ...input, ...more }, { ...GOOD, ...tasks }, mostStates);
/** The states from the one that tells a table from a secret. */
const steps = ({ path }: Outcome): string[] => path.slice(path.indexOf(IS_TABLE) + 1);
/** What a task is given. */
const given = (state: string, tasks: { [state: string]: Task } = {}): any => {
  let seen: any;
  run({
    ...tasks,
    [state]: (parameters) => {
      seen = parameters;
      return GOOD[state](parameters);
    },
  });
  return seen;
};
const environmentOf = (parameters: any): { [name: string]: string } =>
  Object.fromEntries(
    parameters.ContainerOverrides.Environment.map(({ Name, Value }: any) => [Name, Value]),
  );

test('the number of a child has one name in the contracts', () => {
  expect(readJson('contract', 'environment.json').dumper.batch).toContain(planner.array.index);
});

test('the definition is valid', () => {
  const { isValid, errorsText } = validate(deployed(machine));
  expect(errorsText('\n')).toBe('');
  expect(isValid).toBe(true);
});

describe('a table', () => {
  test.each([
    'arn:aws:dynamodb:eu-central-1:111122223333:table/orders',
    'arn:aws-cn:dynamodb:cn-north-1:111122223333:table/orders',
  ])('is told from a secret by its ARN: %s', (resourceArn) => {
    expect(run({}, 50, { resourceArn }).path).toContain(PLAN);
  });

  test('that is small is backed up by one job', () => {
    const outcome = run();
    expect(steps(outcome)).toEqual([PLAN, HOW, BACK_UP, ...END]);
    expect(outcome.output).toMatchObject({ plan: ONE_JOB, dump: { jobId: '2b' } });
  });

  test('that is large is read by an array job, and then backed up', () => {
    const outcome = run({ [PLAN]: () => MANY_JOBS });
    expect(steps(outcome)).toEqual([PLAN, HOW, PARALLEL, BACK_UP, ...END]);
    expect(outcome.output).toMatchObject({ read: { jobId: '1a' }, dump: { jobId: '2b' } });
  });

  test('that is exported is looked at until the export is complete', () => {
    const answers = [IN_PROGRESS, IN_PROGRESS, COMPLETED];
    const outcome = run({ [PLAN]: () => EXPORT, [LOOK]: () => answers.shift() });
    const look = [WAIT, COUNT, LOOK, COMPLETE];
    expect(steps(outcome)).toEqual([
      ...[PLAN, HOW, BEGIN, ...look, ...look, ...look],
      ...[BACK_UP, ...END],
    ]);
    expect(machine.States[WAIT].Seconds).toBe(60);
    expect(outcome.status).toBe('SUCCEEDED');
  });

  test('is planned only when its next run is started', () => {
    const { path } = run();
    expect(path.indexOf(SCHEDULE)).toBeLessThan(path.indexOf(PLAN));
    const outcome = run({ [SCHEDULE]: fails('ScanFailed', 'no'), [PLAN]: () => MANY_JOBS });
    expect(outcome.path).toContain(BACK_UP);
    expect(outcome.error).toBe('AutoDump.NextRunNotScheduled');
  });

  test('is verified if it asks for it', () => {
    const outcome = run({}, 50, { verify: 'checksum' });
    expect(steps(outcome)).toContain('Verify the backup');
    expect(outcome.status).toBe('SUCCEEDED');
  });
});

describe('the planner', () => {
  test('is given what its contract names', () => {
    const { event } = planner.plan;
    const seen = given(PLAN);
    expect(Object.keys(seen).sort()).toEqual(Object.keys(event).sort());
    expect(seen).toEqual({
      action: event.action,
      resourceArn: TABLE,
      tagHash: input.tagHash,
      start: input.when,
      executionArn: 'arn:aws:states:eu-central-1:111122223333:execution:x:run',
    });
    expect(given(LOOK, { [PLAN]: () => EXPORT })).toEqual(planner.follow.event);
  });

  test.each(
    (exitCodes as { class: string; retried: boolean }[]).filter(
      ({ class: name }) =>
        // Nobody tells a function to stop.
        name !== 'interrupted',
    ),
  )('that fails with $class says what it means', ({ class: name, retried }) => {
    const error = `AutoDump.${name[0].toUpperCase()}${name.slice(1)}`;
    for (const [state, tasks] of [
      [PLAN, {}],
      [LOOK, { [PLAN]: () => EXPORT }],
    ] as [string, { [state: string]: Task }][]) {
      const outcome = run({ ...tasks, [state]: fails(error, 'the {words} of the planner') });
      expect(outcome.path.at(-1)).toBe(`Failed: plan (${name})`);
      expect(outcome.error).toBe(error);
      expect(outcome.cause).toContain('Nothing was backed up');
      expect(outcome.cause).toContain('The next run is scheduled.');
      expect(outcome.cause).toContain('the {words} of the planner');
      const first = machine.States[state].Retry.find(({ ErrorEquals }: any) =>
        ErrorEquals.some((one: string) => one === error || one === 'States.TaskFailed'),
      );
      expect(first.MaxAttempts > 0).toBe(retried);
    }
  });

  test.each([
    ['Lambda.ServiceException', 'out of order', 'Lambda.ServiceException: out of order'],
    ['Runtime.ExitError', undefined as never, 'no cause was given.'],
  ])('that does not answer (%s) says so', (error, cause, said) => {
    const outcome = run({ [PLAN]: fails(error, cause) });
    expect(outcome.path.at(-1)).toBe('Failed: planner function');
    expect(outcome.error).toBe('AutoDump.Planner');
    expect(outcome.cause).toContain(said);
  });

  test('that fails says when the next run is not scheduled either', () => {
    const broken = fails('AutoDump.Source', 'no');
    expect(run({ [SCHEDULE]: broken, [PLAN]: broken }).cause).toContain(
      'The next run is NOT scheduled',
    );
  });
});

describe('an export', () => {
  const endless = (from: Template): Outcome & { readonly waited: Duration } => {
    const states = definition(from);
    const tasks = { ...GOOD, [PLAN]: () => EXPORT, [LOOK]: () => IN_PROGRESS };
    const outcome = walk(states, input, tasks, 10_000);
    const seconds = outcome.path.map((name): number => states.States[name].Seconds ?? 0);
    return { ...outcome, waited: Duration.seconds(seconds.reduce((one, other) => one + other)) };
  };

  test.each([
    ['24 hours', made, 4],
    ['14 days', template({ dumpTimeout: Duration.days(14) }), 43],
    ['a minute', template({ dumpTimeout: Duration.minutes(1) }), 1],
  ])('may take three times a dumpTimeout of %s and a day, and no longer', (_, from, days) => {
    const outcome = endless(from);
    expect(outcome.path.at(-1)).toBe('Failed: export not complete');
    expect(outcome.error).toBe('AutoDump.ExportNotComplete');
    expect(outcome.cause).toContain(`after ${Math.round(days * 24)} hours`);
    expect(outcome.cause).toContain(EXPORT.exportArn);
    expect(outcome.waited.toDays({ integral: false })).toBeGreaterThanOrEqual(days);
    expect(outcome.waited.toHours({ integral: false })).toBeLessThan(days * 24 + 4);
  });

  test('is looked at often at first, then seldom: the history of an execution is bounded', () => {
    for (const dumpTimeout of [Duration.hours(24), Duration.days(14)]) {
      const { path } = endless(template({ dumpTimeout }));
      const of = (name: string): number => path.filter((one) => one === name).length;
      expect(of(WAIT)).toBe(120);
      expect(of(WAIT_LONGER)).toBeGreaterThan(500);
      // A task is five events, every other state two; each may have been called twice.
      const events = path.reduce((sum, name) => sum + (name === LOOK ? 8 : 2), 0);
      expect(events).toBeLessThan(25_000);
    }
  });

  test('that takes five hours is backed up', () => {
    let looks = 0;
    const outcome = run(
      { [PLAN]: () => EXPORT, [LOOK]: () => (++looks < 138 ? IN_PROGRESS : COMPLETED) },
      1000,
    );
    expect(outcome.path).toContain(WAIT_LONGER);
    expect(outcome.path.at(-1)).toBe('Backup complete');
  });
});

describe('the jobs of a table', () => {
  test('are of the definition, the size and the environment of a dump', () => {
    for (const state of [PARALLEL, BACK_UP]) {
      const parameters = given(state, { [PLAN]: () => MANY_JOBS });
      expect(parameters.JobDefinition).toBe(jobDefinition(made).JobDefinitionName);
      expect(parameters.ContainerOverrides.ResourceRequirements).toEqual([
        { Type: 'VCPU', Value: input.job.vcpu },
        { Type: 'MEMORY', Value: input.job.memory },
      ]);
      const environment = environmentOf(parameters);
      expect(Object.keys(environment).sort()).toEqual(
        readJson('contract', 'environment.json').dumper.execution.sort(),
      );
      expect(environment).toEqual({
        AUTODUMP_RESOURCE_ARN: TABLE,
        AUTODUMP_TAG_HASH: input.tagHash,
        AUTODUMP_START: input.when,
        AUTODUMP_EXECUTION_ARN: 'arn:aws:states:eu-central-1:111122223333:execution:x:run',
      });
    }
  });

  test('are as many as the plan has ranges, and then one', () => {
    const array = given(PARALLEL, { [PLAN]: () => MANY_JOBS });
    expect(array.ArrayProperties).toEqual({ Size: MANY_JOBS.ranges });
    expect(array.JobName).toBe('run-read');
    const last = given(BACK_UP, { [PLAN]: () => MANY_JOBS });
    expect(last).not.toHaveProperty('ArrayProperties');
    expect(last.JobName).toBe('run');
  });

  test('end some time: one a day after its attempts, an array in ten times that', () => {
    const days = (state: string): number => machine.States[state].TimeoutSeconds / (24 * 60 * 60);
    expect(days(BACK_UP)).toBe(4);
    expect(days(PARALLEL)).toBe(40);
    const longest = definition(template({ dumpTimeout: Duration.days(14) }));
    const year = 365 * 24 * 60 * 60;
    expect(longest.States[BACK_UP].TimeoutSeconds).toBe(43 * 24 * 60 * 60);
    expect(longest.States[PARALLEL].TimeoutSeconds).toBeGreaterThan(year);
  });

  test('are never retried by the state machine: Batch has done so', () => {
    for (const state of [PARALLEL, BACK_UP]) {
      const errors = machine.States[state].Retry.flatMap(({ ErrorEquals }: any) => ErrorEquals);
      expect(errors.length).toBeGreaterThan(0);
      for (const error of errors) expect(error).toMatch(/^Batch\./);
    }
  });
});

describe('a failed backup of a table', () => {
  test.each(exitCodes as { class: string; code: number }[])(
    'with the exit code of $class ends as such',
    ({ class: name, code }) => {
      const outcome = run({ [BACK_UP]: jobFails(report(code)) });
      expect(outcome.path.at(-1)).toBe(`Failed: table (${name})`);
      expect(outcome.error).toBe(`AutoDump.${name[0].toUpperCase()}${name.slice(1)}`);
      expect(outcome.cause).toContain(
        `The backup of the table failed: ${name} (exit code ${code})`,
      );
      expect(outcome.cause).toContain('stream dumper/default/7a');
      expect(outcome.cause).toContain('The next run is scheduled.');
    },
  );

  test.each([
    ['killed for want of memory', jobFails(report(137)), '"ExitCode":137'],
    ['not submitted', fails('Batch.ClientException', 'no such size'), 'no such size'],
    ['out of time', fails('States.Timeout', undefined as never), 'no cause was given.'],
  ])('that was %s says all that Batch said', (_, task, said) => {
    const outcome = run({ [BACK_UP]: task });
    expect(outcome.path.at(-1)).toBe('Failed: table job');
    expect(outcome.error).toBe('AutoDump.TableJob');
    expect(outcome.cause).toContain(said);
  });

  const array = { Container: {}, ArrayProperties: { Size: 40, StatusSummary: { FAILED: 1 } } };
  test.each([
    ['a child that failed', jobFails(array), '"StatusSummary":{"FAILED":1}'],
    [
      'no submission',
      fails('Batch.ClientException', 'too many'),
      'Batch.ClientException: too many',
    ],
    ['no time left', fails('States.Timeout', undefined as never), 'no cause was given.'],
  ])('with %s of the array job says where the reason stands', (_, task, said) => {
    const outcome = run({ [PLAN]: () => MANY_JOBS, [PARALLEL]: task });
    expect(outcome.path.at(-1)).toBe('Failed: parallel read');
    expect(outcome.path).not.toContain(BACK_UP);
    expect(outcome.error).toBe('AutoDump.ParallelRead');
    expect(outcome.cause).toMatch(/each names its log stream in log group <AutoDumpLogs\w+>/);
    expect(outcome.cause).toContain('The next run is scheduled.');
    expect(outcome.cause).toContain(said);
  });
});
