import validate from 'asl-validator';
import { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { statements } from './support/resolve';
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
import { jobDefinition, make, readJson, stateMachine, Template, template } from './support/stacks';

const made = template();
const machine = definition(made, 'restore');
const { smallest, largest, table } = readJson('contract', 'restore-input.json');
const { exitCodes } = readJson('contract', 'exit-codes.json');

const CHECK = 'Is the input whole?';
const RESTORE = 'Restore the backup';
const FILL = ['Take the defaults', 'Fill in the fields', 'Fill in the size'];

const good: Task = () => ({ JobId: '3d', Status: 'SUCCEEDED', Container: { ExitCode: 0 } });
const run = (input: object, task: Task = good): Outcome =>
  walk(machine, input, { [RESTORE]: task });

/** What Batch is asked for. */
const submitted = (input: object): any => {
  let seen: any;
  run(input, (parameters) => {
    seen = parameters;
    return good(parameters);
  });
  return seen;
};
const sizeOf = (input: object): string[] =>
  submitted(input).ContainerOverrides.ResourceRequirements.map(({ Value }: any) => Value);
const environmentOf = (input: object): { [name: string]: string } =>
  Object.fromEntries(
    submitted(input).ContainerOverrides.Environment.map(({ Name, Value }: any) => [Name, Value]),
  );

test('the definition is valid', () => {
  const { isValid, errorsText } = validate(deployed(machine));
  expect(errorsText('\n')).toBe('');
  expect(isValid).toBe(true);
});

test('it is a standard one, beside that of the runs', () => {
  const { autoDump, stack } = make();
  const properties = stateMachine(Template.fromStack(stack), 'restore');
  expect(properties).toMatchObject({
    StateMachineName: `${autoDump.name}-restore`,
    StateMachineType: 'STANDARD',
    LoggingConfiguration: { Level: 'ERROR', IncludeExecutionData: false },
  });
});

describe('a restore', () => {
  test('needs no more than a manifest and a secret', () => {
    const outcome = run(smallest);
    expect(outcome.path).toEqual([CHECK, ...FILL, RESTORE, 'Restore complete']);
    expect(outcome.output).toMatchObject({ restore: { jobId: '3d', status: 'SUCCEEDED' } });
    expect(sizeOf(smallest)).toEqual([largest.job.vcpu, largest.job.memory]);
    expect(environmentOf(smallest)).toEqual({ AUTODUMP_RESTORE: JSON.stringify(smallest) });
  });

  test('gives its job what the contract names', () => {
    const environment = environmentOf(largest);
    expect(Object.keys(environment).sort()).toEqual(
      readJson('contract', 'environment.json').restore.execution.sort(),
    );
    expect(JSON.parse(environment.AUTODUMP_RESTORE)).toEqual(largest);
    expect(submitted(largest).JobName).toBe('run');
    expect(submitted(largest).JobDefinition).toBe(jobDefinition(made, 'restore').JobDefinitionName);
  });

  test('of a table gives its job all that it was given', () => {
    expect(run(table).path).toEqual([CHECK, ...FILL, RESTORE, 'Restore complete']);
    expect(JSON.parse(environmentOf(table).AUTODUMP_RESTORE)).toEqual(table);
    expect(sizeOf(table)).toEqual([table.job.vcpu, table.job.memory]);
  });

  test.each([
    { ...smallest, option: { tables: ['app.orders'] } },
    { ...smallest, clean: true },
    { ...smallest, options: null },
  ])('leaves it to its job to refuse %j', (input) => {
    expect(JSON.parse(environmentOf(input).AUTODUMP_RESTORE)).toEqual(input);
  });

  test.each([
    [{ vcpu: '4', memory: '8192' }, ['4', '8192']],
    [{ vcpu: 4, memory: 8192 }, ['4', '8192']],
    [{ memory: '16384' }, ['2', '16384']],
    [{}, ['2', '4096']],
  ])('has the size of %j', (job, expected) => {
    expect(sizeOf({ ...smallest, job })).toEqual(expected);
  });

  test.each<[string, object]>([
    ['no manifest', { to: 'x' }],
    ['no secret', { manifest: 's3://x/manifest.json' }],
    ['a manifest that is no text', { ...smallest, manifest: 7 }],
    ['a secret that is no text', { ...smallest, to: { arn: 'x' } }],
    ['nothing', {}],
    ...['large', 7, true, null].map<[string, object]>((job) => [
      `the job ${JSON.stringify(job)}`,
      { ...smallest, job },
    ]),
  ])('with %s does nothing', (_, input) => {
    const outcome = run(input, () => {
      throw new Error('must not restore');
    });
    expect(outcome.path).toEqual([CHECK, 'Failed: input']);
    expect(outcome.error).toBe('AutoDump.Input');
    expect(outcome.cause).toContain('Nothing was restored.');
  });
});

describe('a failed restore', () => {
  test.each(exitCodes as { class: string; code: number }[])(
    'with the exit code of $class ends as such',
    ({ class: name, code }) => {
      const outcome = run(smallest, jobFails(report(code)));
      expect(outcome.path.at(-1)).toBe(`Failed: ${name}`);
      expect(outcome.error).toBe(`AutoDump.${name[0].toUpperCase()}${name.slice(1)}`);
      expect(outcome.cause).toContain(`The restore failed: ${name} (exit code ${code})`);
      expect(outcome.cause).toContain('stream dumper/default/7a');
      expect(outcome.cause).not.toContain('retries');
    },
  );

  test.each([
    ['killed for want of memory', jobFails(report(137)), '"ExitCode":137'],
    ['not submitted', fails('Batch.ClientException', 'no such size'), 'no such size'],
    ['not understood', jobFails({ Container: {} }), '{"Container":{}}'],
    ['out of time', fails('States.Timeout', undefined as never), 'no cause was given.'],
  ])('that was %s says all that Batch said', (_, task, said) => {
    const outcome = run(smallest, task);
    expect(outcome.path.at(-1)).toBe('Failed: restore job');
    expect(outcome.error).toBe('AutoDump.RestoreJob');
    expect(outcome.cause).toContain(said);
  });

  test('is not started again: what it loaded is there', () => {
    expect(jobDefinition(made, 'restore').RetryStrategy.EvaluateOnExit).toEqual([
      { Action: 'RETRY', OnStatusReason: 'Task failed to start*' },
      { Action: 'EXIT', OnReason: '*' },
    ]);
    expect(machine.States[RESTORE].Retry.flatMap(({ ErrorEquals }: any) => ErrorEquals)).toEqual([
      'Batch.TooManyRequestsException',
    ]);
  });

  test('ends after three days, or as told, and its execution a day later', () => {
    const days = (from: Template): number[] =>
      [
        jobDefinition(from, 'restore').Timeout.AttemptDurationSeconds,
        definition(from, 'restore').States[RESTORE].TimeoutSeconds,
      ].map((seconds: number) => seconds / (24 * 60 * 60));
    expect(days(made)).toEqual([3, 4]);
    expect(days(template({ restoreTimeout: Duration.days(14) }))).toEqual([14, 15]);
  });

  test('has a cause that cannot break: no apostrophe, no brace', () => {
    for (const state of Object.values<any>(machine.States).filter(({ CausePath }) => CausePath)) {
      const text = /^States\.Format\('(.*)', \$/.exec(state.CausePath)![1];
      expect(text.replaceAll('{}', '')).not.toMatch(/['{}\\]/);
      expect(text.length).toBeLessThan(1000);
    }
  });
});

test('grantRestore lets restores be started, followed and stopped, and nothing else', () => {
  const { autoDump, stack } = make();
  autoDump.grantRestore(new iam.User(stack, 'Operator')).assertSuccess();
  const granted = statements(Template.fromStack(stack))
    .filter(({ role }) => role === 'Operator')
    .flatMap(({ actions, resources }) => actions.map((action) => [action, resources]));
  // The seventh part of the ARN of a state machine is its name.
  const executions = [
    expect.stringMatching(/:states:.*:execution:<AutoDumpRestoreStateMachine\w+>\[6\]:\*$/),
  ];
  expect(granted.sort()).toEqual([
    ['states:DescribeExecution', executions],
    ['states:GetExecutionHistory', executions],
    ['states:StartExecution', [expect.stringMatching(/^<AutoDumpRestoreStateMachine\w+>$/)]],
    ['states:StopExecution', executions],
  ]);
});
