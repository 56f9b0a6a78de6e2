import validate from 'asl-validator';
import { Duration } from 'aws-cdk-lib';
import { definition, Outcome, Task, TaskError, walk } from './support/state-machine';
import { readJson, Template, template } from './support/stacks';

const made = template();
const machine = definition(made);
const { input } = readJson('contract', 'execution-input.json');
const { exitCodes } = readJson('contract', 'exit-codes.json');

const WAIT = 'Wait until the start';
const CHECK = 'Check the tags';
const UNCHANGED = 'Tags unchanged?';
const SCHEDULE = 'Schedule the next run';
const CHECKED = 'Could the tags be checked?';
const DUMP = 'Dump the database';
const SCHEDULED = 'Next run scheduled?';
const NOT_SCHEDULED = 'Note: the next run is not scheduled';

const fails =
  (error: string, cause: string): Task =>
  () => {
    throw new TaskError(error, cause);
  };
const jobFails = (report: object): Task => fails('States.TaskFailed', JSON.stringify(report));
const report = (exitCode: number) => ({
  JobId: '1f',
  StatusReason: 'Essential container in task exited',
  Container: { ExitCode: exitCode, LogStreamName: 'dumper/default/7a' },
});

const SCAN = { started: 1, alreadyThere: 0, rejected: 0, failed: 0, notTargets: 0 };
const GOOD: { [state: string]: Task } = {
  [CHECK]: () => ({ execute: true }),
  [SCHEDULE]: () => ({ ...SCAN, note: 'The next run is scheduled.' }),
  [DUMP]: () => ({ JobId: '1f', Status: 'SUCCEEDED', Container: { ExitCode: 0 } }),
};
const run = (tasks: { [state: string]: Task } = {}): Outcome =>
  walk(machine, input, { ...GOOD, ...tasks });

/** With real ARNs where the template has references. */
const deployed = JSON.parse(
  JSON.stringify(machine)
    .replaceAll('<partition>', 'aws')
    .replace(/<AutoDump(\w+)\.Arn>/g, 'arn:aws:lambda:eu-central-1:111122223333:function:$1'),
);

test('the definition is valid', () => {
  const { isValid, errorsText } = validate(deployed);
  expect(errorsText('\n')).toBe('');
  expect(isValid).toBe(true);
});

test('asl-validator would see a step that leads nowhere', () => {
  const broken = structuredClone(deployed);
  broken.States[WAIT].Next = 'Nowhere';
  expect(validate(broken).isValid).toBe(false);
});

test('it is a standard one, in JSONPath, and waits as long as it must', () => {
  made.hasResourceProperties('AWS::StepFunctions::StateMachine', {
    StateMachineType: 'STANDARD',
    LoggingConfiguration: { Level: 'ERROR', IncludeExecutionData: false },
  });
  expect(machine).not.toHaveProperty('TimeoutSeconds');
  expect(machine.QueryLanguage ?? 'JSONPath').toBe('JSONPath');
  for (const [name, state] of Object.entries<any>(machine.States)) {
    if (name !== DUMP) expect(state).not.toHaveProperty('TimeoutSeconds');
    expect(state).not.toHaveProperty('HeartbeatSeconds');
  }
});

test('a dump ends a day after the time of its three attempts', () => {
  const days = (from: Template): number =>
    definition(from).States[DUMP].TimeoutSeconds / (24 * 60 * 60);
  expect(days(made)).toBe(4);
  expect(days(template({ dumpTimeout: Duration.days(14) }))).toBe(43);
});

test('every task has its retry and its catch', () => {
  const tasks = Object.values<any>(machine.States).filter(({ Type }) => Type === 'Task');
  expect(tasks).toHaveLength(3);
  for (const task of tasks) {
    expect(task.Retry.length).toBeGreaterThan(0);
    expect(task.Catch).toEqual([expect.objectContaining({ ErrorEquals: ['States.ALL'] })]);
  }
});

test('a function that fails by itself is called again for up to a minute', () => {
  for (const name of [CHECK, SCHEDULE]) {
    expect(machine.States[name].Retry).toContainEqual(
      expect.objectContaining({ ErrorEquals: ['States.TaskFailed'], MaxAttempts: 5 }),
    );
  }
});

test('a failed dump is never retried by the execution: Batch has done so', () => {
  const errors = machine.States[DUMP].Retry.flatMap(({ ErrorEquals }: any) => ErrorEquals);
  for (const error of errors) expect(error).toMatch(/^Batch\./);
});

describe('a run', () => {
  test('waits, checks, schedules the next one, dumps', () => {
    const outcome = run();
    expect(outcome.path).toEqual([
      WAIT,
      CHECK,
      UNCHANGED,
      SCHEDULE,
      CHECKED,
      DUMP,
      SCHEDULED,
      'Backup complete',
    ]);
    expect(outcome.status).toBe('SUCCEEDED');
    expect(outcome.output).toMatchObject({ dump: { jobId: '1f' }, next: { scheduled: true } });
  });

  test('gives each task what its contract names', () => {
    const seen: { [state: string]: any } = {};
    const spy =
      (state: string): Task =>
      (parameters) => {
        seen[state] = parameters;
        return GOOD[state](parameters);
      };
    run({ [CHECK]: spy(CHECK), [SCHEDULE]: spy(SCHEDULE), [DUMP]: spy(DUMP) });

    expect(seen[CHECK]).toEqual({ resourceArn: input.resourceArn, tagHash: input.tagHash });
    expect(seen[SCHEDULE]).toEqual({ resourceArn: input.resourceArn, after: input.when });
    const { ContainerOverrides: overrides, JobDefinition, JobName } = seen[DUMP];
    expect(JobDefinition).toMatch(/^[\w-]+$/);
    expect(JobName).toBe('run');
    expect(overrides.ResourceRequirements).toEqual([
      { Type: 'VCPU', Value: input.job.vcpu },
      { Type: 'MEMORY', Value: input.job.memory },
    ]);
    const environment = Object.fromEntries(
      overrides.Environment.map(({ Name, Value }: any) => [Name, Value]),
    );
    expect(Object.keys(environment).sort()).toEqual(
      readJson('contract', 'environment.json').dumper.execution.sort(),
    );
    expect(environment).toEqual({
      AUTODUMP_RESOURCE_ARN: input.resourceArn,
      AUTODUMP_TAG_HASH: input.tagHash,
      AUTODUMP_START: input.when,
      AUTODUMP_EXECUTION_ARN: 'arn:aws:states:eu-central-1:111122223333:execution:x:run',
    });
  });

  test('uses every field of its input', () => {
    const text = JSON.stringify(machine);
    for (const field of ['resourceArn', 'tagHash', 'when', 'job.vcpu', 'job.memory']) {
      expect(text).toContain(`"$.${field}"`);
    }
    expect(Object.keys(input).sort()).toEqual(['job', 'resourceArn', 'tagHash', 'when']);
  });

  test('ends gracefully when the tags have changed, and shows why', () => {
    const check = { execute: false, reason: 'The tags were changed.' };
    const outcome = run({ [CHECK]: () => check });
    expect(outcome.path).toEqual([WAIT, CHECK, UNCHANGED, 'Ended: tags changed or target gone']);
    expect(outcome.status).toBe('SUCCEEDED');
    expect(outcome.output.check).toEqual(check);
  });

  test('that cannot check the tags schedules the next one, does not dump, and fails', () => {
    const outcome = run({
      [CHECK]: fails('Lambda.ServiceException', 'out of order'),
      [DUMP]: () => {
        throw new Error('must not dump');
      },
    });
    expect(outcome.path).toEqual([
      WAIT,
      CHECK,
      SCHEDULE,
      CHECKED,
      'Failed: tags could not be checked',
    ]);
    expect(outcome.error).toBe('AutoDump.TagsNotChecked');
    expect(outcome.cause).toContain('The next run is scheduled. It said: Lambda.ServiceException');
  });

  test('that cannot check the tags nor schedule says both', () => {
    const broken = fails('Lambda.ServiceException', 'out of order');
    const outcome = run({ [CHECK]: broken, [SCHEDULE]: broken });
    expect(outcome.error).toBe('AutoDump.TagsNotChecked');
    expect(outcome.cause).toContain('The next run is NOT scheduled');
  });

  test('says what the scanner says of the next one', () => {
    const note = 'There is no next run: the secret {x} is rejected, its tags are wrong.';
    const scan = { ...SCAN, started: 0, rejected: 1, note };
    const outcome = run({ [SCHEDULE]: () => scan });
    expect(outcome.path.at(-1)).toBe('Backup complete');
    expect(outcome.output.next).toEqual({ scheduled: true, note, scan });
    const failed = run({ [SCHEDULE]: () => scan, [DUMP]: jobFails(report(12)) });
    expect(failed.cause).toContain(` ${note} Log: `);
  });

  test('that cannot schedule the next one still dumps, and fails at the end', () => {
    const outcome = run({ [SCHEDULE]: fails('ScanFailed', 'StartExecution was throttled') });
    expect(outcome.path).toEqual([
      WAIT,
      CHECK,
      UNCHANGED,
      SCHEDULE,
      NOT_SCHEDULED,
      CHECKED,
      DUMP,
      SCHEDULED,
      'Failed: dumped, but the next run is not scheduled',
    ]);
    expect(outcome.error).toBe('AutoDump.NextRunNotScheduled');
    expect(outcome.cause).toContain('StartExecution was throttled');
    expect(outcome.cause).toContain('The backup is complete.');
  });
});

describe('a failed dump', () => {
  test.each(exitCodes as { class: string; code: number }[])(
    'with the exit code of $class ends as such',
    ({ class: name, code }) => {
      const outcome = run({ [DUMP]: jobFails(report(code)) });
      expect(outcome.path.at(-1)).toBe(`Failed: ${name}`);
      expect(outcome.path.indexOf(SCHEDULE)).toBeLessThan(outcome.path.indexOf(DUMP));
      expect(outcome.error).toBe(`AutoDump.${name[0].toUpperCase()}${name.slice(1)}`);
      expect(outcome.cause).toContain(`${name} (exit code ${code})`);
      expect(outcome.cause).toContain('stream dumper/default/7a');
      expect(outcome.cause).toContain('Essential container in task exited');
      expect(outcome.cause).toContain('The next run is scheduled.');
    },
  );

  test('has a state for every class of the contract, and for no other', () => {
    const states = Object.keys(machine.States).filter((name) => /^Failed: \w+$/.test(name));
    expect(states.sort()).toEqual(
      exitCodes.map(({ class: name }: any) => `Failed: ${name}`).sort(),
    );
  });

  test.each([
    ['killed for want of memory', report(137)],
    ['an exit code that no one knows', report(1)],
    ['never started', { StatusReason: 'CannotPullContainerError', Container: {} }],
    ['no log stream', { StatusReason: 'x', Container: { ExitCode: 10 } }],
    ['no status reason', { Container: { ExitCode: 10, LogStreamName: 'x' } }],
  ])('%s: says all that Batch said', (_, job) => {
    const outcome = run({ [DUMP]: jobFails(job) });
    expect(outcome.path.at(-1)).toBe('Failed: dump job');
    expect(outcome.error).toBe('AutoDump.DumpJob');
    expect(outcome.cause).toContain(JSON.stringify(job));
  });

  test.each(['User is not authorized', '', '{"Message": "no"}', '{broken'])(
    'whose cause is not a report of Batch (%j)',
    (cause) => {
      const outcome = run({ [DUMP]: fails('Batch.ClientException', cause) });
      expect(outcome.path.at(-1)).toBe('Failed: dump job');
      expect(outcome.cause).toMatch(new RegExp(`Batch.ClientException: .{${cause.length}}$`));
    },
  );

  test.each([
    ['no cause', undefined, 'no cause was given.'],
    ['an empty cause', '', ''],
  ])('that took too long, with %s, says so', (_, cause, said) => {
    const outcome = run({ [DUMP]: fails('States.Timeout', cause as string) });
    expect(outcome.path.at(-1)).toBe('Failed: dump job');
    expect(outcome.cause).toContain('States.Timeout means that the job had not ended');
    expect(outcome.cause!.endsWith(`Batch says: States.Timeout: ${said}`)).toBe(true);
  });

  test('says when the next run is not scheduled either', () => {
    const outcome = run({
      [SCHEDULE]: fails('ScanFailed', 'no'),
      [DUMP]: jobFails(report(12)),
    });
    expect(outcome.error).toBe('AutoDump.Source');
    expect(outcome.cause).toContain('The next run is NOT scheduled');
  });
});

test('no cause can break: no apostrophe, no brace, and under the limit of 32768 characters', () => {
  for (const state of Object.values<any>(machine.States).filter(({ Type }) => Type === 'Fail')) {
    const text = /^States\.Format\('(.*)', \$/.exec(state.CausePath)![1];
    expect(text.replaceAll('{}', '')).not.toMatch(/['{}\\]/);
    expect(text.length).toBeLessThan(1000);
    expect(state.Error).toMatch(/^AutoDump\.[A-Z]\w+$/);
  }
});
