import * as fs from 'fs';
import * as path from 'path';
import { ROOT } from './support/stacks';

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
