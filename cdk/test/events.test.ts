import * as fs from 'fs';
import * as path from 'path';
import { matches } from './support/events';
import { readJson, ROOT, template } from './support/stacks';

interface Golden {
  readonly file: string;
  /** Which rule delivers the event: the contract's name for it; null if none does. */
  readonly rule: 'schedule' | 'tags' | 'cloudtrail' | null;
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

/** What the trail says of a call of RDS that may concern a target. */
const call = (eventName: string, source = 'rds'): object => ({
  source: `aws.${source}`,
  'detail-type': 'AWS API Call via CloudTrail',
  detail: { eventSource: `${source}.amazonaws.com`, eventName },
});

test.each(['CreateDBInstance', 'CreateDBCluster', 'AddTagsToResource', 'DeleteDBCluster'])(
  'a database of RDS: %s is delivered by: cloudtrail',
  (name) => {
    expect(deliveredBy(call(name))).toEqual(['cloudtrail']);
  },
);

test.each(['CreateDBSnapshot', 'DeleteDBSnapshot', 'StartExportTask', 'ModifyDBInstance'])(
  'what AutoDump calls itself, and what changes no tags, wakes nobody: %s',
  (name) => {
    expect(deliveredBy(call(name))).toEqual([]);
  },
);

test('a change of tags of a database of RDS is delivered by: tags', () => {
  const event = {
    source: 'aws.tag',
    'detail-type': 'Tag Change on Resource',
    detail: {
      service: 'rds',
      'resource-type': 'db',
      'changed-tag-keys': ['autodump:keep-snapshots'],
    },
  };
  expect(deliveredBy(event)).toEqual(['tags']);
});
