import * as fs from 'fs';
import * as path from 'path';
import { readJson, ROOT, template } from './support/stacks';

interface Golden {
  readonly file: string;
  /** Which rule delivers the event: the contract's name for it; null if none does. */
  readonly rule: 'schedule' | 'tags' | 'cloudtrail' | null;
}

/** As EventBridge matches: every key of the pattern must be there, and one of its values fit. */
function matches(pattern: any, event: any): boolean {
  return Object.entries<any>(pattern).every(([key, expected]) => {
    const value = event?.[key];
    if (!Array.isArray(expected)) return value !== undefined && matches(expected, value);
    const values = [value].flat();
    return expected.some((one) => values.some((actual) => fits(one, actual)));
  });
}

function fits(expected: any, actual: unknown): boolean {
  if (typeof expected === 'string') return actual === expected;
  if (Object.keys(expected).join() !== 'prefix') {
    throw new Error('a matcher that is not known here');
  }
  return typeof actual === 'string' && actual.startsWith(expected.prefix);
}

const RULES: { [logicalId: string]: Golden['rule'] } = {
  Scan: 'schedule',
  TagChange: 'tags',
  SecretCall: 'cloudtrail',
  TableCall: 'cloudtrail',
  DatabaseCall: 'cloudtrail',
};

const deliveredBy = (event: any): Golden['rule'][] =>
  Object.entries(template().findResources('AWS::Events::Rule'))
    .filter(([, { Properties }]) =>
      Properties.EventPattern
        ? matches(Properties.EventPattern, event)
        : event.source === 'aws.events' && event['detail-type'] === 'Scheduled Event',
    )
    .map(([id]) => RULES[/^AutoDumpRules(\w+)[0-9A-F]{8}$/.exec(id)![1]]!);

test.each(readJson('contract', 'events.json').events as Golden[])(
  '$file is delivered by: $rule',
  ({ file, rule }) => {
    expect(deliveredBy(readJson('contract', 'events', file))).toEqual(rule === null ? [] : [rule]);
  },
);

test('the contract knows every event of its folder', () => {
  const listed = (readJson('contract', 'events.json').events as Golden[]).map(({ file }) => file);
  expect(listed.sort()).toEqual(fs.readdirSync(path.join(ROOT, 'contract', 'events')).sort());
});
