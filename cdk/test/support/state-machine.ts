import { Template } from 'aws-cdk-lib/assertions';
import { resolve } from './resolve';
import { stateMachine } from './stacks';

/** The definition of a state machine, with every intrinsic function resolved to text. */
export function definition(template: Template, machine: 'run' | 'restore' | 'undo' = 'run'): any {
  return JSON.parse(resolve(stateMachine(template, machine).DefinitionString));
}

/** With real ARNs where the template has references. */
export function deployed(machine: object): any {
  return JSON.parse(
    JSON.stringify(machine)
      .replaceAll('<partition>', 'aws')
      .replace(/<AutoDump(\w+)\.\w+>/g, 'arn:aws:lambda:eu-central-1:111122223333:function:$1'),
  );
}

/** The failures of a job that Batch runs: what it says of one that ended with the exit code. */
export const report = (exitCode: number) => ({
  JobId: '1f',
  StatusReason: 'Essential container in task exited',
  Container: { ExitCode: exitCode, LogStreamName: 'dumper/default/7a' },
});

export const fails =
  (error: string, cause: string): Task =>
  () => {
    throw new TaskError(error, cause);
  };

/** A job that ran and failed. */
export const jobFails = (said: object): Task => fails('States.TaskFailed', JSON.stringify(said));

/** What a task does when it is called: it answers, or fails with an error and a cause. */
export type Task = (parameters: any) => unknown;

export class TaskError extends Error {
  constructor(
    readonly error: string,
    readonly cause: string,
  ) {
    super(error);
  }
}

export interface Outcome {
  /** The states in their order. */
  readonly path: string[];
  readonly status: 'SUCCEEDED' | 'FAILED';
  readonly output?: any;
  readonly error?: string;
  readonly cause?: string;
}

const EXECUTION = {
  Execution: { Id: 'arn:aws:states:eu-central-1:111122223333:execution:x:run', Name: 'run' },
};

/**
 * Walks a definition as Step Functions would, for what ours uses of the language. It throws on
 * anything else, and on a path that leads nowhere: there, an execution would break.
 */
export function walk(
  machine: any,
  input: any,
  tasks: { [state: string]: Task },
  mostStates = 50,
): Outcome {
  const path: string[] = [];
  let name: string = machine.StartAt;
  let data = structuredClone(input);
  for (;;) {
    const state = machine.States[name];
    if (!state) throw new Error(`there is no state ${name}`);
    path.push(name);
    switch (state.Type) {
      case 'Succeed':
        return { path, status: 'SUCCEEDED', output: data };
      case 'Fail':
        return {
          path,
          status: 'FAILED',
          error: state.Error,
          cause: state.Cause ?? evaluate(state.CausePath, data),
        };
      case 'Choice':
        name = choose(state, data);
        break;
      case 'Wait':
        if (state.Seconds === undefined) {
          new Date(evaluate(state.TimestampPath, data)).toISOString();
        }
        name = state.Next;
        break;
      case 'Pass':
        data = assign(data, state.ResultPath ?? '$', fill(state.Parameters, data));
        name = state.Next;
        break;
      case 'Task':
        [data, name] = runTask(state, data, tasks[name]);
        break;
      default:
        throw new Error(`unknown type of state ${state.Type}`);
    }
    if (path.length > mostStates) throw new Error(`endless: ${path.join(' → ')}`);
  }
}

function runTask(state: any, data: any, task?: Task): [unknown, string] {
  if (!task) throw new Error(`no task for ${state.Resource}`);
  try {
    const result = task(fill(state.Parameters, data));
    const selected = state.ResultSelector ? fill(state.ResultSelector, result) : result;
    return [assign(data, state.ResultPath, selected), state.Next];
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    const handler = (state.Catch ?? []).find((one: any) =>
      one.ErrorEquals.some((name: string) => name === 'States.ALL' || name === error.error),
    );
    if (!handler) throw error;
    return [
      assign(data, handler.ResultPath, { Error: error.error, Cause: error.cause }),
      handler.Next,
    ];
  }
}

function choose(state: any, data: any): string {
  for (const rule of state.Choices) if (matches(rule, data)) return rule.Next;
  if (!state.Default) throw new Error('no choice matches, and there is no default');
  return state.Default;
}

function matches(rule: any, data: any): boolean {
  if ('And' in rule) return rule.And.every((one: any) => matches(one, data));
  if ('Or' in rule) return rule.Or.some((one: any) => matches(one, data));
  if ('IsPresent' in rule) return (find(rule.Variable, data) !== undefined) === rule.IsPresent;
  const value = evaluate(rule.Variable, data);
  if ('IsString' in rule) return (typeof value === 'string') === rule.IsString;
  if ('IsNumeric' in rule) return (typeof value === 'number') === rule.IsNumeric;
  if ('IsBoolean' in rule) return (typeof value === 'boolean') === rule.IsBoolean;
  if ('IsNull' in rule) return (value === null) === rule.IsNull;
  if ('StringEquals' in rule) return value === rule.StringEquals;
  if ('BooleanEquals' in rule) return value === rule.BooleanEquals;
  if ('NumericEquals' in rule) return value === rule.NumericEquals;
  if ('NumericGreaterThan' in rule) return numeric(value) > rule.NumericGreaterThan;
  if ('NumericGreaterThanEquals' in rule) return numeric(value) >= rule.NumericGreaterThanEquals;
  if ('StringMatches' in rule) {
    const parts = (rule.StringMatches as string).split('*');
    const pattern = parts.map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*');
    return new RegExp(`^${pattern}$`, 's').test(value);
  }
  throw new Error(`unknown comparison ${JSON.stringify(rule)}`);
}

/** A comparison of what is no number matches nothing, and hides a fault. */
function numeric(value: unknown): number {
  if (typeof value !== 'number') throw new Error(`${JSON.stringify(value)} is no number`);
  return value;
}

function fill(template: any, data: any): any {
  if (Array.isArray(template)) return template.map((item) => fill(item, data));
  if (template === null || typeof template !== 'object') return template;
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) =>
      key.endsWith('.$')
        ? [key.slice(0, -2), evaluate(value as string, data)]
        : [key, fill(value, data)],
    ),
  );
}

function assign(data: any, path: string, value: unknown): unknown {
  if (path === '$') return value;
  const match = /^\$\.(\w+)$/.exec(path);
  if (!match) throw new Error(`cannot put a result at ${path}`);
  return { ...data, [match[1]]: value };
}

function find(path: string, data: any): any {
  const [root, ...keys] = path.split('.');
  const start = root === '$$' ? EXECUTION : root === '$' ? data : undefined;
  if (start === undefined) throw new Error(`not a path: ${path}`);
  const steps = keys.flatMap((key) => key.split(/[[\]]/).filter((step) => step !== ''));
  return steps.reduce((value, key) => value?.[key], start);
}

function evaluate(expression: string, data: any): any {
  const json = /^States\.StringToJson\((\S+)\)$/.exec(expression);
  if (json) return JSON.parse(evaluate(json[1], data));
  const format = /^States\.Format\('((?:[^'\\]|\\.)*)', ([^']+)\)$/s.exec(expression);
  if (format) return formatted(format[1], format[2].split(', '), data);
  const sum = /^States\.MathAdd\((\S+), (\d+)\)$/.exec(expression);
  if (sum) return numeric(evaluate(sum[1], data)) + Number(sum[2]);
  const text = /^States\.JsonToString\((\S+)\)$/.exec(expression);
  if (text) return JSON.stringify(evaluate(text[1], data));
  const merge = /^States\.JsonMerge\((\S+), (\S+), false\)$/.exec(expression);
  if (merge) return merged(evaluate(merge[1], data), evaluate(merge[2], data));
  const value = find(expression, data);
  if (value === undefined) throw new Error(`the path ${expression} is not in the input`);
  return value;
}

function merged(one: any, other: any): any {
  for (const value of [one, other]) {
    if (value === null || typeof value !== 'object') throw new Error('only objects can be merged');
  }
  return { ...one, ...other };
}

function formatted(text: string, paths: string[], data: any): string {
  const values = paths.map((path) => String(evaluate(path, data)));
  if (text.split('{}').length - 1 !== values.length) throw new Error(`wrong number of {}: ${text}`);
  return text.replace(/\{\}/g, () => values.shift()!);
}

/** Jobs that left no exit code to go by: what they are, how they end, and what is said of them. */
export const UNREPORTED: [string, Task, string][] = [
  ['killed for want of memory', jobFails(report(137)), '"ExitCode":137'],
  ['not submitted', fails('Batch.ClientException', 'no such size'), 'no such size'],
  ['out of time', fails('States.Timeout', undefined as never), 'no cause was given.'],
];
