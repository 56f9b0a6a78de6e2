import * as fs from 'fs';
import * as path from 'path';
import { conversion, conversionStates, withJobs } from './support/conversion';
import { definition } from './support/state-machine';
import { ROOT, template } from './support/stacks';

const readme = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');

test('the example in the README is the one that is synthesised', () => {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(code).toBe(fs.readFileSync(path.join(ROOT, 'examples', 'bare', 'app.ts'), 'utf8'));
});

test('every file that the documents link to is there', () => {
  const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'examples/README.md'].concat(
    fs.readdirSync(path.join(ROOT, 'docs')).flatMap((name) => {
      return name.endsWith('.md') ? [`docs/${name}`] : [];
    }),
  );
  const broken = documents.flatMap((document) => {
    const text = fs.readFileSync(path.join(ROOT, document), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, link]) => link);
    const from = path.dirname(path.join(ROOT, document));
    return links
      .filter((link) => !fs.existsSync(path.join(from, link)))
      .map((link) => `${document}: ${link}`);
  });
  expect(broken).toEqual([]);
});

test('every state in which an execution fails stands in the document on errors', () => {
  const text = fs.readFileSync(path.join(ROOT, 'docs', 'errors.md'), 'utf8');
  const documented = new Map(
    [...text.matchAll(/^\| `(Failed: [^`]+)` \| `([^`]+)` \|/gm)].map(([, state, error]) => [
      state,
      error,
    ]),
  );
  const classes = [...text.matchAll(/^\| (\w+) \| \d+ \|/gm)].map(([, name]) => name);
  const [made, snapshots] = [template(), template({ snapshots: {} })];
  const machines = [
    ...(['run', 'restore'] as const).map((machine) => definition(made, machine)),
    ...(['run', 'undo'] as const).map((machine) => definition(snapshots, machine)),
    ...[{}, withJobs()].map((props) => conversionStates(conversion(props))),
  ];
  const fails = machines
    .flatMap(({ States }) => Object.entries<any>(States))
    .filter(([, { Type }]) => Type === 'Fail');
  const general = (state: string): string =>
    classes.reduce((name, one) => name.replace(new RegExp(`\\b${one}\\b`), '<class>'), state);
  const seen = fails.map(([state, { Error: error }]) => {
    const entry = documented.has(state) ? state : general(state);
    const expected = documented.get(entry)?.replace('<Class>', error.replace('AutoDump.', ''));
    expect([state, expected]).toEqual([state, error]);
    return entry;
  });
  expect([...new Set(seen)].sort()).toEqual([...documented.keys()].sort());
});
