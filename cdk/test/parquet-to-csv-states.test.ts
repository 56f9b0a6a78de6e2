import validate from 'asl-validator';
import { Duration, Size } from 'aws-cdk-lib';
import { ParquetLayout, ParquetToCsvProps } from '../index';
import { conversion, conversionStates, makeConversion, withJobs } from './support/conversion';
import { resolve } from './support/resolve';
import {
  deployed,
  fails,
  jobFails,
  Outcome,
  report,
  Task,
  UNREPORTED,
  walk,
} from './support/state-machine';
import { only, readJson, Template } from './support/stacks';

const { convert, environment, look } = readJson('contract', 'csv.json');
const { exitCodes } = readJson('contract', 'exit-codes.json');

const CHECK = 'Is the input whole?';
const LOOK = 'Look at the table';
const HOW = 'How is the table converted?';
const FUNCTION = 'Convert in the function';
const DONE = 'Converted?';
const JOB = 'Convert in a job';
const COMPLETE = 'CSV complete';
const JOB_COMPLETE = 'Job complete';
const SETTLE = 'Wait for further batches';
const BEGIN = [CHECK, SETTLE, LOOK, HOW];

/** As S3 tells it, and as a person starts it. */
const INPUT = {
  detail: { bucket: { name: look.event.bucket }, object: { key: look.event.key } },
};
const [NOTHING, BY_FUNCTION, BY_JOB] = look.answers;
const [CONVERTED, THERE, GROWING, TOO_SLOW] = convert.answers;
const { table } = convert.event;

const jobs = conversion(withJobs());
const machine = conversionStates(jobs);
const alone = conversionStates(conversion());
const never: Task = () => {
  throw new Error('must not be called');
};
const good: Task = () => ({ JobId: '3d', Status: 'SUCCEEDED', Container: { ExitCode: 0 } });

interface Answers {
  readonly look: Task;
  readonly convert?: Task;
  readonly job?: Task;
}
const run = (answers: Answers, of = machine, input: object = INPUT): Outcome =>
  walk(of, input, {
    [LOOK]: answers.look,
    [FUNCTION]: answers.convert ?? never,
    [JOB]: answers.job ?? never,
  });

describe.each([
  ['with a job', machine],
  ['without one', alone],
])('the definition %s', (_, states) => {
  test('is valid', () => {
    const { isValid, errorsText } = validate(deployed(states));
    expect(errorsText('\n')).toBe('');
    expect(isValid).toBe(true);
  });

  test('has causes that cannot break: no apostrophe, no brace', () => {
    const fail = Object.values<any>(states.States).filter(({ CausePath }) => CausePath);
    expect(fail.length).toBeGreaterThan(8);
    for (const { CausePath } of fail) {
      const text = /^States\.Format\('(.*)', \$/.exec(CausePath)![1];
      expect(text.replaceAll('{}', '')).not.toMatch(/['{}\\]/);
      expect(text.length).toBeLessThan(1000);
    }
  });

  test('calls a lost conversion never again, and a look that is only unwell', () => {
    const retried = (state: string, error: string): number =>
      states.States[state].Retry.find(
        ({ ErrorEquals }: any) =>
          ErrorEquals.includes(error) || ErrorEquals.includes('States.TaskFailed'),
      ).MaxAttempts;
    for (const lost of [
      'Sandbox.Timedout',
      'Runtime.ExitError',
      'Runtime.OutOfMemory',
      'Lambda.Unknown',
    ]) {
      expect([lost, retried(FUNCTION, lost), retried(LOOK, lost)]).toEqual([lost, 0, 5]);
    }
    for (const state of [LOOK, FUNCTION]) {
      expect(retried(state, 'AutoDump.Configuration')).toBe(0);
      expect(retried(state, 'AutoDump.Destination')).toBe(5);
      expect(retried(state, 'Lambda.TooManyRequestsException')).toBe(6);
    }
  });
});

test('it is a standard one, and bears the name of the construct', () => {
  const { csv, stack } = makeConversion();
  expect(only(Template.fromStack(stack), 'AWS::StepFunctions::StateMachine')).toMatchObject({
    StateMachineName: csv.name,
    StateMachineType: 'STANDARD',
    LoggingConfiguration: { Level: 'ERROR', IncludeExecutionData: false },
  });
});

describe('a _SUCCESS', () => {
  test('is looked at as the contract says', () => {
    let asked: unknown;
    run({ look: (parameters) => ((asked = parameters), NOTHING) });
    expect(asked).toEqual(look.event);
  });

  test.each<[ParquetToCsvProps['layout'], Duration | undefined, number | undefined]>([
    [undefined, undefined, 300],
    [ParquetLayout.RDS_EXPORT, Duration.minutes(20), 1200],
    [ParquetLayout.RDS_EXPORT, Duration.seconds(0), undefined],
    [ParquetLayout.DIRECTORIES, undefined, undefined],
  ])('in the layout %s, settling for %s, waits for further batches', (layout, settle, seconds) => {
    const { States } = conversionStates(conversion({ layout, settle }));
    expect(States[SETTLE]?.Seconds).toBe(seconds);
  });

  test('of what is not to be converted ends well, saying why', () => {
    const outcome = run({ look: () => NOTHING });
    expect(outcome.path).toEqual([...BEGIN, 'Ended: nothing to convert']);
    expect(outcome.status).toBe('SUCCEEDED');
    expect(outcome.output.look.reason).toBe(NOTHING.reason);
  });

  test.each([
    ['converted', CONVERTED],
    ['there', THERE],
  ])('of a small table has it converted by the function: %s', (_, answer) => {
    let asked: unknown;
    const outcome = run({
      look: () => BY_FUNCTION,
      convert: (parameters) => ((asked = parameters), answer),
    });
    expect(asked).toEqual(convert.event);
    expect(outcome.path).toEqual([...BEGIN, FUNCTION, DONE, COMPLETE]);
    expect(outcome.output.convert).toEqual(answer);
  });

  test('of a table that grows meanwhile ends well: another one comes', () => {
    const outcome = run({ look: () => BY_FUNCTION, convert: () => GROWING });
    expect(outcome.path.at(-1)).toBe('Ended: more of the table is still to come');
    expect(outcome.status).toBe('SUCCEEDED');
  });

  test('of a large table has it converted by the job', () => {
    let asked: any;
    const outcome = run({
      look: () => BY_JOB,
      job: (parameters) => ((asked = parameters), good(parameters)),
    });
    expect(outcome.path).toEqual([...BEGIN, JOB, JOB_COMPLETE]);
    expect(outcome.output.job).toEqual({ jobId: '3d', status: 'SUCCEEDED' });
    expect(asked.JobName).toBe('run');
    expect(asked.JobDefinition).toBe(only(jobs, 'AWS::Batch::JobDefinition').JobDefinitionName);
    expect(asked.ContainerOverrides).not.toHaveProperty('ResourceRequirements');
    const { Environment } = asked.ContainerOverrides;
    expect(Environment.map(({ Name }: any) => Name)).toEqual(environment.job.execution);
    expect(JSON.parse(Environment[0].Value)).toEqual(table);
  });

  test.each<[string, Task]>([
    ['says so', () => TOO_SLOW],
    ['is out of time', fails('Sandbox.Timedout', 'Task timed out after 900.00 seconds')],
    ['is killed', fails('Runtime.ExitError', 'signal: killed')],
    ['is lost', fails('Lambda.Unknown', 'The cause could not be determined')],
  ])('for which the function is too slow, and %s, is for the job', (_, slow) => {
    const outcome = run({ look: () => BY_FUNCTION, convert: slow, job: good });
    expect(outcome.path).toContain(FUNCTION);
    expect(outcome.path.slice(-2)).toEqual([JOB, JOB_COMPLETE]);
  });
});

describe('without a job', () => {
  test.each<[string, Answers, string, string]>([
    [
      'a large table',
      { look: () => BY_JOB },
      'Failed: too large for the function',
      'AutoDump.TooLarge',
    ],
    [
      'a slow table',
      { look: () => BY_FUNCTION, convert: () => TOO_SLOW },
      'Failed: too slow for the function',
      'AutoDump.TooSlow',
    ],
  ])('%s fails, with what to do', (_, answers, state, error) => {
    const outcome = run(answers, alone);
    expect([outcome.path.at(-1), outcome.error]).toEqual([state, error]);
    const { bytes, files } = answers.look({}) as { bytes: number; files: number };
    expect(outcome.cause).toContain(`its ${files} files have ${bytes} bytes`);
    expect(outcome.cause).toContain(table.directory);
    expect(outcome.cause).toMatch(/give the ParquetToCsv a vpc/);
  });

  test('the limit is said', () => {
    const limited = conversionStates(conversion({ functionLimit: Size.mebibytes(3) }));
    expect(run({ look: () => BY_JOB }, limited).cause).toContain('the function takes 3145728 ');
  });

  test('a conversion that is lost fails', () => {
    const lost = fails('Sandbox.Timedout', 'Task timed out after 900.00 seconds');
    const outcome = run({ look: () => BY_FUNCTION, convert: lost }, alone);
    expect(outcome.path.at(-1)).toBe('Failed: csv function');
    expect(outcome.cause).toContain('Sandbox.Timedout: Task timed out after 900.00 seconds');
  });
});

describe('an input that is not whole', () => {
  test.each<[string, object]>([
    ['is empty', {}],
    ['has no key', { detail: { bucket: { name: 'x' } } }],
    ['has no bucket', { detail: { object: { key: 'x' } } }],
    ['has a bucket that is no text', { detail: { bucket: { name: 7 }, object: { key: 'x' } } }],
    ['has a key that is no text', { detail: { bucket: { name: 'x' }, object: { key: null } } }],
  ])('and %s does nothing', (_, input) => {
    const outcome = run({ look: never }, machine, input);
    expect(outcome.path).toEqual([CHECK, 'Failed: input']);
    expect(outcome.error).toBe('AutoDump.Input');
  });
});

/** No engine has a part in it. */
const classes = (exitCodes as { class: string; code: number }[]).filter(
  ({ class: name }) => name !== 'engine',
);
const capital = (name: string): string => `${name[0].toUpperCase()}${name.slice(1)}`;

describe.each([
  ['looks', (error: Task): Answers => ({ look: error })],
  ['converts', (error: Task): Answers => ({ look: () => BY_FUNCTION, convert: error })],
])('when the function that %s fails', (_, failing) => {
  test.each(classes)('as $class, the execution does', ({ class: name }) => {
    const outcome = run(failing(fails(`AutoDump.${capital(name)}`, 'its own words')));
    expect(outcome.path.at(-1)).toBe(`Failed: function (${name})`);
    expect(outcome.error).toBe(`AutoDump.${capital(name)}`);
    expect(outcome.cause).toContain('The table was not converted');
    expect(outcome.cause).toContain(`It said: AutoDump.${capital(name)}: its own words`);
    expect(outcome.cause).toMatch(/Log: log group <AutoDumpCsvLogs\w+>/);
  });

  test.each<[string, Task, string]>([
    ['with what is not known', fails('AutoDump.Engine', 'odd'), 'AutoDump.Engine: odd'],
    ['without a cause', fails('States.Timeout', undefined as never), 'no cause was given.'],
  ])('%s, that is said', (_name, error, said) => {
    const outcome = run(failing(error));
    expect(outcome.path.at(-1)).toBe('Failed: csv function');
    expect(outcome.error).toBe('AutoDump.CsvFunction');
    expect(outcome.cause).toContain(said);
  });
});

describe('a job that fails', () => {
  test.each(classes)('as $class ends the execution so', ({ class: name, code }) => {
    const outcome = run({ look: () => BY_JOB, job: jobFails(report(code)) });
    expect(outcome.path.at(-1)).toBe(`Failed: job (${name})`);
    expect(outcome.error).toBe(`AutoDump.${capital(name)}`);
    expect(outcome.cause).toContain(`${name} (exit code ${code})`);
    expect(outcome.cause).toContain('stream dumper/default/7a');
  });

  test.each(UNREPORTED)('and was %s says all that Batch said', (_, job, said) => {
    const outcome = run({ look: () => BY_JOB, job });
    expect(outcome.path.at(-1)).toBe('Failed: csv job');
    expect(outcome.error).toBe('AutoDump.CsvJob');
    expect(outcome.cause).toContain(said);
  });

  test('may wait a day longer than all its attempts', () => {
    expect(machine.States[JOB].TimeoutSeconds).toBe(4 * 24 * 60 * 60);
    expect(resolve(machine.States[JOB].Resource)).toContain('batch:submitJob.sync');
  });
});
