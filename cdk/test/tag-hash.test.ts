import { createHash } from 'crypto';
import { readJson } from './support/stacks';

interface Golden {
  readonly name: string;
  readonly prefix: string;
  readonly tags: { readonly [key: string]: string };
  readonly tagHash: string;
}

/**
 * The tag hash once more, after docs and contract alone: what the Rust code computes is then no
 * accident of its libraries. Canonical form v1: the tags under the prefix but those that AutoDump
 * writes, sorted by the bytes of the name; of each the name without prefix and the trimmed value,
 * both as `<length in bytes>:<bytes>,`.
 */
function tagHash(prefix: string, tags: { readonly [key: string]: string }): string {
  const hash = createHash('sha256');
  const names = Object.keys(tags)
    .filter((key) => key.startsWith(`${prefix}:`))
    .map((key) => key.slice(prefix.length + 1))
    .filter((name) => !/^(last|made)-/.test(name) && name !== 'next-run')
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    for (const text of [name, tags[`${prefix}:${name}`].trim()]) {
      hash.update(`${Buffer.byteLength(text)}:${text},`);
    }
  }
  return `v1:${hash.digest('hex')}`;
}

const goldens: Golden[] = readJson('contract', 'tag-hash.json');

test.each(goldens)('$name', (golden) => {
  expect(tagHash(golden.prefix, golden.tags)).toBe(golden.tagHash);
});

test('the golden vectors tell one form from another', () => {
  expect(goldens.length).toBeGreaterThan(4);
  expect(new Set(goldens.map((golden) => golden.tagHash)).size).toBeGreaterThan(3);
});
