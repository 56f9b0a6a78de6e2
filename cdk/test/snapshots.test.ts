import validate from 'asl-validator';
import { definition, deployed, fails, Outcome, Task, walk } from './support/state-machine';
import { readJson, template } from './support/stacks';

const made = template({ snapshots: {} });
const machine = definition(made);
const contract = readJson('contract', 'snapshots.json');
const { exitCodes } = readJson('contract', 'exit-codes.json');
const DATABASE: string = contract.plan.event.resourceArn;
const input = { ...readJson('contract', 'execution-input.json').input, resourceArn: DATABASE };
const [TO_MAKE, AUTOMATED] = contract.plan.answers;
const [CREATING, AVAILABLE] = contract.look.answers;
const [WAITING, STARTING] = contract.export.answers;
const [BEGUN, IN_PROGRESS, COMPLETE] = contract.follow.answers;
const [UNDONE, NOT_UNDONE] = contract.undo.answers;
const WARNED = contract.finish.answers[0];
const FINISHED = { ...WARNED, warnings: [] };

const SCHEDULE = 'Schedule the next run';
const IS_TABLE = 'Is it a table?';
const PLAN = 'Plan the snapshot';
const BEGIN = 'Begin to make the snapshot';
const WANTED = 'Make a snapshot?';
const MAKE = 'Make the snapshot';
const LOOK = 'Look at the snapshot';
const BEGUN_IT = 'Snapshot begun?';
const LOOKED = ['Wait for the snapshot', 'Count the looks at the snapshot'];
const EXPORT = 'Start the export';
const STARTED = 'Export started?';
const FOLLOW = 'Look at the export of the snapshot';
const FOLLOWED = ['Wait for the export of the snapshot', 'Count the looks at the export', FOLLOW];
const FINISH = 'Write the manifest';
const PRUNE = 'Prune the snapshots';
const UNDO = 'Undo what was made';
const END = [FINISH, PRUNE, 'Next run scheduled?', 'Backup complete'];
const NO_MORE = 'Nothing that this run made is left in RDS.';

/** The action of each state, and what it answers when all goes well. */
const ACTIONS: { [state: string]: [string, unknown] } = {
  [PLAN]: ['plan', TO_MAKE],
  [MAKE]: ['make', CREATING],
  [LOOK]: ['look', AVAILABLE],
  [EXPORT]: ['export', STARTING],
  [FOLLOW]: ['follow', COMPLETE],
  [FINISH]: ['finish', FINISHED],
  [PRUNE]: ['prune', contract.prune.answers[0]],
  [UNDO]: ['undo', UNDONE],
};
const GOOD: { [state: string]: Task } = {
  'Check the tags': () => ({ execute: true }),
  [SCHEDULE]: () => ({ started: 1, note: 'The next run is scheduled.' }),
  ...Object.fromEntries(
    Object.entries(ACTIONS).map(([state, [, answer]]) => [state, () => answer]),
  ),
};
const run = (tasks: { [state: string]: Task } = {}, mostStates = 100): Outcome =>
  walk(machine, input, { ...GOOD, ...tasks }, mostStates);
/** The states from the one that tells a database of RDS from other targets. */
const steps = ({ path }: Outcome): string[] => path.slice(path.indexOf(IS_TABLE) + 1);
/** Answers one after the other, and then the last one for ever. */
const answers = (...all: unknown[]): Task => {
  const left = [...all];
  return () => (left.length > 1 ? left.shift() : left[0]);
};
const count = ({ path }: Outcome, state: string): number =>
  path.filter((one) => one === state).length;
const STEPS_AFTER_PLAN = [MAKE, LOOK, EXPORT, FOLLOW, FINISH];

test.each([
  ['with snapshots', machine],
  ['without', definition(template())],
  ['of undoing', definition(made, 'undo')],
])('the definition %s is valid', (_, one) => {
  const { isValid, errorsText } = validate(deployed(one));
  expect(errorsText('\n')).toBe('');
  expect(isValid).toBe(true);
});

test('every task has its retry and its catch', () => {
  for (const one of [machine, definition(made, 'undo')]) {
    const tasks = Object.values<any>(one.States).filter(({ Type }) => Type === 'Task');
    for (const task of tasks) {
      expect(task.Retry.length).toBeGreaterThan(0);
      expect(task.Catch).toEqual([expect.objectContaining({ ErrorEquals: ['States.ALL'] })]);
    }
  }
});

describe('a database of RDS', () => {
  test.each([
    DATABASE,
    'arn:aws:rds:eu-central-1:111122223333:cluster:orders',
    'arn:aws-cn:rds:cn-north-1:111122223333:db:orders',
  ])('is told from a secret by its ARN: %s', (resourceArn) => {
    const outcome = walk(machine, { ...input, resourceArn }, GOOD, 100);
    expect(outcome.path).toContain(PLAN);
  });

  test('gets a snapshot, which is exported', () => {
    const outcome = run({
      [LOOK]: answers(CREATING, AVAILABLE),
      [FOLLOW]: answers(BEGUN, IN_PROGRESS, COMPLETE),
    });
    const follow = [...FOLLOWED, 'Snapshot exported?'];
    expect(steps(outcome)).toEqual([
      ...[PLAN, BEGIN, WANTED, MAKE, BEGUN_IT],
      ...[LOOK, 'Snapshot available?', ...LOOKED, LOOK, 'Snapshot available?'],
      ...[EXPORT, STARTED, ...follow, ...follow, ...follow],
      ...END,
    ]);
    expect(outcome.output).toMatchObject({
      plan: TO_MAKE,
      backup: FINISHED,
      pruned: contract.prune.answers[0],
    });
  });

  test('that is busy is asked again', () => {
    const waiting = contract.make.answers[0];
    expect(waiting).toEqual({ status: 'waiting', reason: 'it is modifying' });
    const outcome = run({ [MAKE]: answers(waiting, waiting, CREATING) });
    const wait = ['Wait for the database', 'Count the tries to make the snapshot', MAKE, BEGUN_IT];
    const path = steps(outcome);
    const from = path.indexOf(MAKE);
    expect(path.slice(from, from + 11)).toEqual([MAKE, BEGUN_IT, ...wait, ...wait, LOOK]);
    expect(outcome.path.at(-1)).toBe('Backup complete');
  });

  test('whose automated snapshot is taken gets none', () => {
    const outcome = run({ [PLAN]: () => AUTOMATED });
    expect(steps(outcome).slice(0, 4)).toEqual([PLAN, BEGIN, WANTED, EXPORT]);
    expect(outcome.path).not.toContain(MAKE);
    expect(outcome.status).toBe('SUCCEEDED');
  });

  test('waits its turn while five others are exported, and does not fail', () => {
    const outcome = run({ [EXPORT]: answers(WAITING, WAITING, STARTING) });
    const wait = ['Wait for other exports', 'Count the tries to export', EXPORT, STARTED];
    const path = steps(outcome);
    const from = path.indexOf(EXPORT);
    expect(path.slice(from, from + 10)).toEqual([EXPORT, STARTED, ...wait, ...wait]);
    expect(outcome.path.at(-1)).toBe('Backup complete');
  });

  test('is planned only when its next run is started', () => {
    const { path } = run();
    expect(path.indexOf(SCHEDULE)).toBeLessThan(path.indexOf(PLAN));
    const outcome = run({ [SCHEDULE]: fails('ScanFailed', 'no') });
    expect(outcome.path).toContain(FINISH);
    expect(outcome.error).toBe('AutoDump.NextRunNotScheduled');
  });

  test('is never verified nor replicated by a job', () => {
    const outcome = walk(machine, { ...input, verify: 'restore' }, GOOD, 100);
    expect(outcome.path.at(-1)).toBe('Backup complete');
    expect(outcome.path).not.toContain('Verify this backup?');
  });

  test('that RDS left something of ends with warnings, which are in the output', () => {
    const outcome = run({ [FINISH]: () => WARNED });
    expect(outcome.path.slice(-3)).toEqual([
      PRUNE,
      'Next run scheduled?',
      'Backup complete, with warnings',
    ]);
    expect(outcome.status).toBe('SUCCEEDED');
    expect(outcome.output.backup).toEqual(WARNED);
    const unscheduled = run({ [FINISH]: () => WARNED, [SCHEDULE]: fails('ScanFailed', 'no') });
    expect(unscheduled.error).toBe('AutoDump.NextRunNotScheduled');
  });

  test('is not backed up where snapshots are not enabled, and that is said', () => {
    const outcome = walk(definition(template()), input, GOOD);
    expect(outcome.path.at(-1)).toBe('Failed: snapshots are not enabled');
    expect(outcome.error).toBe('AutoDump.SnapshotsNotEnabled');
    expect(outcome.cause).toContain('the prop snapshots');
    expect(outcome.cause).toContain('The next run is scheduled.');
  });
});

test.each(Object.entries(ACTIONS))(
  '%s: gives the function what its contract names',
  (state, [action]) => {
    let seen: any;
    const failing: { [state: string]: Task } =
      state === UNDO ? { [LOOK]: fails('AutoDump.Engine', 'no') } : {};
    run({
      ...failing,
      [state]: (parameters) => {
        seen = parameters;
        return ACTIONS[state][1];
      },
    });
    const { event } = contract[action];
    expect(Object.keys(seen).sort()).toEqual(Object.keys(event).sort());
    expect(seen).toEqual({
      action: event.action,
      resourceArn: DATABASE,
      ...('tagHash' in event ? { tagHash: input.tagHash } : {}),
      start: input.when,
      executionArn: 'arn:aws:states:eu-central-1:111122223333:execution:x:run',
    });
  },
);

test('the states know every answer of the contract', () => {
  const text = JSON.stringify(machine);
  for (const status of ['available', 'starting', 'complete']) {
    expect(text).toContain(`"StringEquals":"${status}"`);
  }
  // What is there is looked at; only `make` has an answer besides, and it is waited for.
  const statuses = (answers: { status: string }[]): string[] => answers.map(({ status }) => status);
  expect(statuses(contract.make.answers)).toEqual(['waiting', ...statuses(contract.look.answers)]);
  expect(machine.States[BEGUN_IT].Default).toBe('Wait for the database');
});

describe('a step that fails', () => {
  const classes = (exitCodes as { class: string; retried: boolean }[]).filter(
    // Nobody tells a function to stop.
    ({ class: name }) => name !== 'interrupted',
  );
  test.each(classes)('with $class says what it means', ({ class: name, retried }) => {
    const error = `AutoDump.${name[0].toUpperCase()}${name.slice(1)}`;
    for (const state of [PLAN, ...STEPS_AFTER_PLAN]) {
      const outcome = run({ [state]: fails(error, 'the {words} of the function') });
      expect(outcome.path.at(-1)).toBe(`Failed: snapshot (${name})`);
      expect(outcome.error).toBe(error);
      expect(outcome.cause).toContain('There is no backup');
      expect(outcome.cause).toContain('The next run is scheduled.');
      expect(outcome.cause).toContain('the {words} of the function');
      const first = machine.States[state].Retry.find(({ ErrorEquals }: any) =>
        ErrorEquals.some((one: string) => one === error || one === 'States.TaskFailed'),
      );
      expect(first.MaxAttempts > 0).toBe(retried);
    }
  });

  test('because the database is busy is called again for half an hour', () => {
    for (const state of [PLAN, ...STEPS_AFTER_PLAN, PRUNE]) {
      const [retry] = machine.States[state].Retry.filter(({ ErrorEquals }: any) =>
        ErrorEquals.includes('AutoDump.Source'),
      );
      const waits = Array.from({ length: retry.MaxAttempts }, (_, attempt) =>
        Math.min(retry.IntervalSeconds * retry.BackoffRate ** attempt, retry.MaxDelaySeconds),
      );
      expect(waits.reduce((one, other) => one + other)).toBeGreaterThan(30 * 60);
    }
  });

  test.each([
    ['Lambda.ServiceException', 'out of order', 'Lambda.ServiceException: out of order'],
    ['Runtime.ExitError', undefined as never, 'no cause was given.'],
  ])('without an answer (%s) says so', (error, cause, said) => {
    for (const state of [PLAN, LOOK]) {
      const outcome = run({ [state]: fails(error, cause) });
      expect(outcome.path.at(-1)).toBe('Failed: snapshot function');
      expect(outcome.error).toBe('AutoDump.Snapshots');
      expect(outcome.cause).toContain(said);
    }
  });

  test('says when the next run is not scheduled either', () => {
    const broken = fails('AutoDump.Source', 'no');
    expect(run({ [SCHEDULE]: broken, [EXPORT]: broken }).cause).toContain(
      'The next run is NOT scheduled',
    );
  });

  test.each(STEPS_AFTER_PLAN)('%s: is undone first', (state) => {
    const outcome = run({ [state]: fails('AutoDump.Engine', 'no') });
    expect(outcome.path.slice(outcome.path.lastIndexOf(state) + 1)).toEqual([
      ...['Begin to undo', UNDO, 'All undone?', 'Note: undone'],
      ...['Did the function of snapshots give a cause?', 'Why did the snapshot fail?'],
      'Failed: snapshot (engine)',
    ]);
    expect(outcome.cause).toContain(NO_MORE);
  });

  test('that is the plan has nothing to undo', () => {
    const outcome = run({ [PLAN]: fails('AutoDump.Configuration', 'no room') });
    expect(outcome.path).not.toContain(UNDO);
    expect(outcome.cause).toContain('Nothing was made in RDS.');
  });
});

describe('to undo', () => {
  const failing = { [FOLLOW]: fails('AutoDump.Engine', 'the export failed') };

  test('is tried until RDS lets go', () => {
    const outcome = run({ ...failing, [UNDO]: answers(NOT_UNDONE, NOT_UNDONE, UNDONE) });
    expect(count(outcome, UNDO)).toBe(3);
    expect(count(outcome, 'Wait for RDS to let go')).toBe(2);
    expect(outcome.error).toBe('AutoDump.Engine');
    expect(outcome.cause).toContain(NO_MORE);
  });

  test.each([
    ['RDS does not let go', () => NOT_UNDONE, 'RDS does not let go of it yet'],
    ['the function fails', fails('Lambda.Unknown', 'no'), 'the function failed (Lambda.Unknown)'],
  ])('is left to others where %s, and the first cause is kept', (_, task, why) => {
    const outcome = run({ ...failing, [UNDO]: task as Task }, 1000);
    expect(count(outcome, UNDO)).toBeLessThanOrEqual(121);
    expect(outcome.path.at(-1)).toBe('Failed: snapshot (engine)');
    expect(outcome.cause).toContain('the export failed');
    expect(outcome.cause).toContain(`NOT removed: ${why}`);
    expect(outcome.cause).toContain(`cancel the export task of ${TO_MAKE.snapshotArn as string}`);
  });
});

describe('pruning that fails', () => {
  test('loses no backup, but is not passed over', () => {
    const outcome = run({ [PRUNE]: fails('AutoDump.Source', 'it is being copied') });
    expect(outcome.path.at(-1)).toBe('Failed: snapshots not pruned');
    expect(outcome.path).not.toContain(UNDO);
    expect(outcome.error).toBe('AutoDump.NotPruned');
    expect(outcome.cause).toContain(`The backup is complete: ${FINISHED.manifest as string}`);
    expect(outcome.cause).toContain('it is being copied');
    expect(outcome.cause).toContain('The next run is scheduled.');
  });

  test('says so without a cause, too', () => {
    const outcome = run({ [PRUNE]: fails('Runtime.ExitError', undefined as never) });
    expect(outcome.cause).toContain('Runtime.ExitError: no cause was given.');
  });
});

describe('the time of a run', () => {
  const DAYS = 7;
  const endless = (tasks: { [state: string]: Task }) => {
    const outcome = run(tasks, 20_000);
    const from = outcome.path.indexOf(BEGIN);
    const seconds = outcome.path
      .slice(from)
      .map((name): number => machine.States[name].Seconds ?? 0)
      .reduce((one, other) => one + other);
    return { ...outcome, hours: seconds / 3600 };
  };
  const CASES: [string, { [state: string]: Task }, string][] = [
    ['the database', { [MAKE]: () => contract.make.answers[0] }, 'it is modifying'],
    ['the snapshot', { [LOOK]: () => CREATING }, 'still being made'],
    ['other exports', { [EXPORT]: () => WAITING }, '5 other exports are running'],
    ['the export', { [FOLLOW]: () => IN_PROGRESS }, 'still in progress'],
    [
      'all of them',
      {
        [LOOK]: answers(...Array<unknown>(400).fill(CREATING), AVAILABLE),
        [EXPORT]: answers(...Array<unknown>(400).fill(WAITING), STARTING),
        [FOLLOW]: () => IN_PROGRESS,
      },
      'still in progress',
    ],
  ];

  test.each(CASES)('ends after seven days that go on %s, and it is undone', (_, tasks, said) => {
    const outcome = endless(tasks);
    expect(outcome.path.at(-1)).toBe('Failed: snapshot not complete');
    expect(outcome.error).toBe('AutoDump.SnapshotNotComplete');
    expect(outcome.cause).toContain('after 7 days');
    expect(outcome.cause).toContain(said);
    expect(outcome.cause).toContain(NO_MORE);
    expect(outcome.hours).toBeGreaterThanOrEqual(DAYS * 24);
    expect(outcome.hours).toBeLessThan(DAYS * 24 + 4);
  });

  test('leaves room in the history of an execution, also for what is undone', () => {
    const { path } = endless({ [FOLLOW]: () => IN_PROGRESS, [UNDO]: () => NOT_UNDONE });
    // A task is five events, every other state two; each may have been called twice.
    const isTask = (name: string): boolean => machine.States[name].Type === 'Task';
    const events = path.reduce((sum, name) => sum + (isTask(name) ? 8 : 2), 0);
    expect(events).toBeLessThan(25_000);
  });

  test('a snapshot and an export are looked at once a minute for two hours', () => {
    const outcome = endless({ [LOOK]: () => CREATING });
    expect(count(outcome, 'Wait for the snapshot')).toBe(120);
    expect(count(outcome, 'Wait longer for the snapshot')).toBeGreaterThan(900);
  });
});

test('no cause can break: no apostrophe, no brace, and under the limit of 32768 characters', () => {
  const states = [machine, definition(made, 'undo'), definition(template())].flatMap(({ States }) =>
    Object.values<any>(States),
  );
  for (const state of states.filter(({ Type }) => Type === 'Fail')) {
    const text = /^States\.Format\('(.*)', \$/.exec(state.CausePath)![1];
    expect(text.replaceAll('{}', '')).not.toMatch(/['{}\\]/);
    expect(text.length).toBeLessThan(1000);
    expect(state.Error).toMatch(/^AutoDump\.[A-Z]\w+$/);
  }
});
