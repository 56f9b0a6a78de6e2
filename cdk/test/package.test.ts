import { execFileSync } from 'child_process';
import * as fs from 'fs';
import * as path from 'path';
import { readJson, ROOT } from './support/stacks';

const manifest = readJson('package.json');

/** Every version of a package that is installed is pinned, and the lock file knows no address. */
test('development dependencies are pinned', () => {
  for (const version of Object.values<string>(manifest.devDependencies)) {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  }
  const lock = fs.readFileSync(path.join(ROOT, 'pnpm-lock.yaml'), 'utf8');
  expect(lock).toContain('integrity:');
  expect(lock).not.toMatch(/https?:|tarball:/);
});

test('the library has no dependencies but its peers, and is tried with the oldest of them', () => {
  expect(manifest.dependencies).toBeUndefined();
  for (const [name, range] of Object.entries<string>(manifest.peerDependencies)) {
    expect(range).toBe(`^${manifest.devDependencies[name]}`);
  }
});

test('the package holds what it needs to be synthesised and deployed, and no sources', () => {
  const made = [
    'assets/x86_64/hash.zip',
    'assets/arm64/planner.zip',
    'assets/x86_64/snapshots.zip',
    'assets/arm64/csv.zip',
    'batch-image/bin/arm64/dumper',
    'dist/index.js',
  ];
  const wanted = (file: string): boolean =>
    manifest.files.some((entry: string) => file === entry || file.startsWith(`${entry}/`));
  for (const file of [...made, 'batch-image/Dockerfile', 'batch-image/rds-ca-bundle.pem']) {
    expect([file, wanted(file)]).toEqual([file, true]);
  }
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }];
  const packed = files.map((file) => file.path);
  expect(packed).toContain('package.json');
  expect(
    packed.filter((file) => /^(cdk|crates|handlers|examples|target|contract)\//.test(file)),
  ).toEqual([]);
  expect(packed.filter((file) => /\.rs$|Cargo\.|\.env|(^|\/)test\//.test(file))).toEqual([]);
});

test('the version is that of the Rust workspace', () => {
  const cargo = fs.readFileSync(path.join(ROOT, 'Cargo.toml'), 'utf8');
  expect(/^version = "([^"]+)"$/m.exec(cargo)![1]).toBe(manifest.version);
});
