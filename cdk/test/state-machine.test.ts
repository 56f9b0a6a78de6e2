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
import { readJson, stateMachine, Template, template } from './support/stacks';

const made = template();
const machine = definition(made);
const { input } = readJson('contract', 'execution-input.json');
const { exitCodes } = readJson('contract', 'exit-codes.json');

const WAIT = 'Wait until the start';
const CHECK = 'Check the tags';
const UNCHANGED = 'Tags unchanged?';
const SCHEDULE = 'Schedule the next run';
const CHECKED = 'Could the tags be checked?';
const IS_TABLE = 'Is it a table?';
const DUMP = 'Dump the database';
const WANTED = 'Verify this backup?';
const VERIFY = 'Verify the backup';
const REPLICATED = 'Replicate the table?';
const SCHEDULED = 'Next run scheduled?';
const END = [REPLICATED, SCHEDULED, 'Backup complete'];
const NOT_SCHEDULED = 'Note: the next run is not scheduled';

const SCAN = { started: 1, alreadyThere: 0, rejected: 0, failed: 0, notTargets: 0 };
const GOOD: { [state: string]: Task } = {
  [CHECK]: () => ({ execute: true }),
  [SCHEDULE]: () => ({ ...SCAN, note: 'The next run is scheduled.' }),
  [DUMP]: () => ({ JobId: '1f', Status: 'SUCCEEDED', Container: { ExitCode: 0 } }),
  [VERIFY]: () => ({ JobId: '2e', Status: 'SUCCEEDED', Container: { ExitCode: 0 } }),
};
const run = (tasks: { [state: string]: Task } = {}): Outcome =>
  walk(machine, input, { ...GOOD, ...tasks });
/** A run whose backup is to be verified. */
const verified = (tasks: { [state: string]: Task } = {}): Outcome =>
  walk(machine, { ...input, verify: 'restore' }, { ...GOOD, ...tasks });

test('the definition is valid', () => {
  const { isValid, errorsText } = validate(deployed(machine));
  expect(errorsText('\n')).toBe('');
  expect(isValid).toBe(true);
});

test('asl-validator would see a step that leads nowhere', () => {
  const broken = deployed(machine);
  broken.States[WAIT].Next = 'Nowhere';
  expect(validate(broken).isValid).toBe(false);
});

test('it is a standard one, in JSONPath, and waits as long as it must', () => {
  expect(stateMachine(made)).toMatchObject({
    StateMachineType: 'STANDARD',
    LoggingConfiguration: { Level: 'ERROR', IncludeExecutionData: false },
  });
  expect(machine).not.toHaveProperty('TimeoutSeconds');
  expect(machine.QueryLanguage ?? 'JSONPath').toBe('JSONPath');
  for (const [name, state] of Object.entries<any>(machine.States)) {
    const isJob = String(state.Resource).endsWith(':batch:submitJob.sync');
    expect([name, 'TimeoutSeconds' in state]).toEqual([name, isJob]);
    expect(state).not.toHaveProperty('HeartbeatSeconds');
  }
});

test.each([DUMP, VERIFY])('%s: ends a day after the time of its three attempts', (state) => {
  const days = (from: Template): number =>
    definition(from).States[state].TimeoutSeconds / (24 * 60 * 60);
  expect(days(made)).toBe(4);
  expect(days(template({ dumpTimeout: Duration.days(14) }))).toBe(43);
});

test('every task has its retry and its catch', () => {
  const tasks = Object.values<any>(machine.States).filter(({ Type }) => Type === 'Task');
  expect(tasks).toHaveLength(9);
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

test.each([DUMP, VERIFY])('%s: is never retried when it fails: Batch has done so', (state) => {
  const errors = machine.States[state].Retry.flatMap(({ ErrorEquals }: any) => ErrorEquals);
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
      IS_TABLE,
      DUMP,
      WANTED,
      ...END,
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
    for (const field of ['resourceArn', 'tagHash', 'when', 'job.vcpu', 'job.memory', 'verify']) {
      expect(text).toContain(`"$.${field}"`);
    }
    expect(Object.keys(input).sort()).toEqual(['job', 'resourceArn', 'tagHash', 'verify', 'when']);
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
      IS_TABLE,
      DUMP,
      WANTED,
      REPLICATED,
      SCHEDULED,
      'Failed: dumped, but the next run is not scheduled',
    ]);
    expect(outcome.error).toBe('AutoDump.NextRunNotScheduled');
    expect(outcome.cause).toContain('StartExecution was throttled');
    expect(outcome.cause).toContain('The backup is complete.');
  });
});

describe('a verification', () => {
  test('follows the dump when the run asks for it', () => {
    const outcome = verified();
    expect(outcome.path.slice(-6)).toEqual([DUMP, WANTED, VERIFY, ...END]);
    expect(outcome.output).toMatchObject({ dump: { jobId: '1f' }, verification: { jobId: '2e' } });
  });

  test('is not asked for by an execution that waited while AutoDump was brought up to date', () => {
    const { verify, ...old } = input;
    expect(verify).toBe('none');
    const outcome = walk(machine, old, GOOD);
    expect(outcome.path.slice(-5)).toEqual([DUMP, WANTED, ...END]);
  });

  test('is given what its contract names', () => {
    let seen: any;
    verified({
      [VERIFY]: (parameters) => {
        seen = parameters;
        return GOOD[VERIFY](parameters);
      },
    });
    expect(seen.JobDefinition).toMatch(/^[\w-]+-verify$/);
    expect(seen.JobName).toBe('run-verify');
    expect(seen.ContainerOverrides.ResourceRequirements).toEqual([
      { Type: 'VCPU', Value: input.job.vcpu },
      { Type: 'MEMORY', Value: input.job.memory },
    ]);
    const environment = Object.fromEntries(
      seen.ContainerOverrides.Environment.map(({ Name, Value }: any) => [Name, Value]),
    );
    expect(Object.keys(environment).sort()).toEqual(
      readJson('contract', 'environment.json').verify.execution.sort(),
    );
    expect(environment).toEqual({
      AUTODUMP_RESOURCE_ARN: input.resourceArn,
      AUTODUMP_START: input.when,
      AUTODUMP_EXECUTION_ARN: 'arn:aws:states:eu-central-1:111122223333:execution:x:run',
      AUTODUMP_VERIFY: 'restore',
    });
  });

  test('does not follow a dump that failed', () => {
    const outcome = verified({ [DUMP]: jobFails(report(12)) });
    expect(outcome.path).not.toContain(VERIFY);
    expect(outcome.error).toBe('AutoDump.Source');
  });

  test.each(exitCodes as { class: string; code: number }[])(
    'that ends with the exit code of $class says whether the backup is damaged or unknown',
    ({ class: name, code }) => {
      const outcome = verified({ [VERIFY]: jobFails(report(code)) });
      const damaged = name === 'verification';
      expect(outcome.path.at(-1)).toBe(`Failed: ${damaged ? name : `not verified (${name})`}`);
      expect(outcome.error).toBe(damaged ? 'AutoDump.Verification' : 'AutoDump.NotVerified');
      expect(outcome.cause).toContain(
        damaged ? 'not as its manifest says' : 'The backup is complete, but was not verified',
      );
      expect(outcome.cause).toContain(`${name} (exit code ${code})`);
      expect(outcome.cause).toContain('stream dumper/default/7a');
      expect(outcome.cause).toContain('The next run is scheduled.');
    },
  );

  test.each(UNREPORTED)('that was %s leaves the backup complete', (_, task, said) => {
    const outcome = verified({ [VERIFY]: task });
    expect(outcome.path.at(-1)).toBe('Failed: verification job');
    expect(outcome.error).toBe('AutoDump.NotVerified');
    expect(outcome.cause).toContain('The backup is complete, but was not verified');
    expect(outcome.cause).toContain(said);
  });

  test('says when the next run is not scheduled', () => {
    const broken = fails('ScanFailed', 'no');
    expect(verified({ [SCHEDULE]: broken }).error).toBe('AutoDump.NextRunNotScheduled');
    const damaged = verified({ [SCHEDULE]: broken, [VERIFY]: jobFails(report(16)) });
    expect(damaged.error).toBe('AutoDump.Verification');
    expect(damaged.cause).toContain('The next run is NOT scheduled');
  });
});

describe('a failed dump', () => {
  test.each((exitCodes as { class: string; code: number }[]).filter(({ code }) => code !== 16))(
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

  test('never ends as if a backup were damaged: there is none yet', () => {
    const outcome = run({ [DUMP]: jobFails(report(16)) });
    expect(outcome.path.at(-1)).toBe('Failed: dump job');
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
