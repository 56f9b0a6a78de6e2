import { matches } from './support/events';
import { resolve, statementsOf } from './support/resolve';
import { definition, fails, Outcome, Task, walk } from './support/state-machine';
import { make, readJson, stateMachine, Template } from './support/stacks';

const { autoDump, stack } = make({ snapshots: {} });
const made = Template.fromStack(stack);
const machine = definition(made, 'undo');
const contract = readJson('contract', 'snapshots.json');
const stopped: any[] = contract.stopped;
const [UNDONE, NOT_UNDONE] = contract.undo.answers;

const WAIT = 'Wait until no call can still run';
const BEGIN = 'Begin to undo';
const UNDO = 'Undo what is left';
const ALL = 'All undone?';
const AGAIN = ['Wait for RDS to let go', 'Count the tries', UNDO, ALL];

const run = (task: Task, event = stopped[0], mostStates = 50): Outcome =>
  walk(machine, event, { [UNDO]: task }, mostStates);

describe('the state machine of undoing', () => {
  test('waits for longer than a call may last, and then undoes', () => {
    const outcome = run(() => UNDONE);
    expect(outcome.path).toEqual([WAIT, BEGIN, UNDO, ALL, 'Undone']);
    expect(outcome.status).toBe('SUCCEEDED');
    const timeouts = Object.entries(made.findResources('AWS::Lambda::Function'))
      .filter(([id]) => id.startsWith('AutoDumpSnapshots'))
      .map(([, { Properties }]) => Properties.Timeout as number);
    expect(timeouts).toHaveLength(1);
    expect(machine.States[WAIT].Seconds).toBeGreaterThan(timeouts[0]);
  });

  test.each(stopped)('gives the function what it needs of the event: $detail.status', (event) => {
    const seen: any[] = [];
    const answers = [NOT_UNDONE, UNDONE];
    run((parameters) => {
      seen.push(parameters);
      return answers.shift();
    }, event);
    // As the function reads it (crates/core/src/snapshot/request.rs), each time the same.
    const { detail, source } = event;
    expect(seen).toEqual([
      { source, detail },
      { source, detail },
    ]);
  });

  test('tries until RDS lets go', () => {
    const answers = [NOT_UNDONE, NOT_UNDONE, UNDONE];
    const outcome = run(() => answers.shift());
    expect(outcome.path).toEqual([WAIT, BEGIN, UNDO, ALL, ...AGAIN, ...AGAIN, 'Undone']);
  });

  test('says after seven days what is left, and how to remove it', () => {
    const outcome = run(() => NOT_UNDONE, stopped[0], 20_000);
    expect(outcome.path.at(-1)).toBe('Failed: not let go');
    expect(outcome.error).toBe('AutoDump.NotLetGo');
    const hours = outcome.path
      .map((name): number => (machine.States[name].Seconds ?? 0) / 3600)
      .reduce((one, other) => one + other);
    expect(hours).toBeGreaterThanOrEqual(7 * 24);
    expect(hours).toBeLessThan(7 * 24 + 4);
    const events = outcome.path.reduce((sum, name) => sum + (name === UNDO ? 8 : 2), 0);
    expect(events).toBeLessThan(25_000);
    expect(outcome.cause).toContain(stopped[0].detail.executionArn);
    expect(outcome.cause).toContain(stopped[0].detail.input);
    expect(outcome.cause).toContain('delete the snapshot');
  });

  test.each([
    ['AutoDump.Credentials', 'AWS refuses', 'AutoDump.Credentials: AWS refuses'],
    ['Runtime.ExitError', undefined as never, 'Runtime.ExitError: no cause was given.'],
  ])('fails where the function does (%s), and says so', (error, cause, said) => {
    const outcome = run(fails(error, cause));
    expect(outcome.path.at(-1)).toBe('Failed: not undone');
    expect(outcome.error).toBe('AutoDump.NotUndone');
    expect(outcome.cause).toContain(said);
  });

  test('has a name of its own, and may call the one function alone', () => {
    expect(stateMachine(made, 'undo').StateMachineName).toMatch(/-undo$/);
    const called = statementsOf(made, 'UndoStateMachineRole')
      .filter(({ actions }) => actions.includes('lambda:InvokeFunction'))
      .flatMap(({ resources }) => resources);
    expect(called).toEqual([expect.stringMatching(/^<AutoDumpSnapshots\w+\.Arn>$/)]);
    expect(autoDump.undoStateMachine).toBeDefined();
  });
});

describe('the rule on runs that were stopped', () => {
  const [rule, ...more] = Object.entries(made.findResources('AWS::Events::Rule'))
    .filter(([id]) => id.includes('UndoStateMachine'))
    .map(([, { Properties }]) => Properties);
  const ARN: string = stopped[0].detail.stateMachineArn;
  const pattern = {
    ...rule.EventPattern,
    detail: { ...rule.EventPattern.detail, stateMachineArn: [ARN] },
  };
  const of = (detail: object): any => ({
    ...stopped[0],
    detail: { ...stopped[0].detail, ...detail },
  });
  const input = (resourceArn: string): string =>
    JSON.stringify({ ...JSON.parse(stopped[0].detail.input), resourceArn });

  test('is one, of the state machine of runs', () => {
    expect(more).toEqual([]);
    expect(rule.EventPattern.detail.stateMachineArn.map(resolve)).toEqual([
      expect.stringMatching(/^<AutoDumpStateMachine\w+>$/),
    ]);
    expect(rule.State).toBe('ENABLED');
  });

  test.each(stopped)('takes what the contract has: $detail.status', (event) => {
    expect(matches(pattern, event)).toBe(true);
  });

  test.each([
    ['a run that goes on', { status: 'RUNNING' }],
    ['one that succeeded', { status: 'SUCCEEDED' }],
    ['a restore', { stateMachineArn: `${ARN}-restore` }],
    [
      'one of a secret',
      { input: input('arn:aws:secretsmanager:eu-central-1:1:secret:rds-AbCdEf') },
    ],
    ['one of a table', { input: input('arn:aws:dynamodb:eu-central-1:1:table/rds') }],
    ['one whose input is not told', { input: null }],
  ])('takes not %s', (_, detail) => {
    expect(matches(pattern, of(detail))).toBe(false);
  });

  test('takes one of a cluster, too', () => {
    const cluster = input('arn:aws:rds:eu-central-1:111122223333:cluster:orders');
    expect(matches(pattern, of({ input: cluster }))).toBe(true);
  });

  test('starts the state machine of undoing with the event as it is, and may start no other', () => {
    expect(rule.Targets).toHaveLength(1);
    expect(resolve(rule.Targets[0].Arn)).toMatch(/^<AutoDumpUndoStateMachine\w+>$/);
    expect(rule.Targets[0]).not.toHaveProperty('Input');
    expect(rule.Targets[0]).not.toHaveProperty('InputPath');
    const started = statementsOf(made, 'UndoStateMachineEventsRole');
    expect(started.map(({ actions, resources }) => [actions, resources])).toEqual([
      [['states:StartExecution'], [expect.stringMatching(/^<AutoDumpUndoStateMachine\w+>$/)]],
    ]);
  });
});
