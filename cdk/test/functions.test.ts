import * as fs from 'fs';
import * as os from 'os';
import * as path from 'path';
import { App, Stack } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { RustFunction } from 'cargo-lambda-cdk';
import { makeHash } from '../functions';
import * as files from '../private/package-files';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { Template, testApp } from './support/stacks';

/** Makes the package look as if it held these files and no others, all of them this one. */
function packageHolds(...present: string[]): void {
  jest
    .spyOn(files, 'hasPackageFile')
    .mockImplementation((...segments) => present.includes(segments.join('/')));
}

function hash(architecture: lambda.Architecture): { fn: lambda.Function; stack: Stack } {
  const stack = new Stack(testApp(), 'Test');
  const logGroup = new logs.LogGroup(stack, 'Logs');
  const props = {
    architecture,
    logGroup,
    tagPrefix: 'autodump',
    sources: [],
    secretsArn: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:*',
  };
  return { fn: makeHash(stack, 'Hash', props), stack };
}

afterEach(() => jest.restoreAllMocks());

test.each([
  ['x86_64', lambda.Architecture.X86_64],
  ['arm64', lambda.Architecture.ARM_64],
])('a prebuilt zip for %s is taken, and cargo is not asked', (name, architecture) => {
  const zip = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'autodump-')), 'hash.zip');
  fs.writeFileSync(zip, `a zip for ${name}`);
  packageHolds(`assets/${name}/hash.zip`, 'handlers/Cargo.toml');
  const packageFile = jest.spyOn(files, 'packageFile').mockReturnValue(zip);

  const { fn, stack } = hash(architecture);
  expect(packageFile).toHaveBeenCalledWith('assets', name, 'hash.zip');
  expect(fn).not.toBeInstanceOf(RustFunction);
  const assembly = App.of(stack)!.synth();
  const staged = fs.readdirSync(assembly.directory).filter((file) => file.endsWith('.zip'));
  expect(
    staged.map((file) => fs.readFileSync(path.join(assembly.directory, file), 'utf8')),
  ).toEqual([`a zip for ${name}`]);
  Template.fromStack(stack).hasResourceProperties('AWS::Lambda::Function', {
    Runtime: 'provided.al2023',
    Handler: 'bootstrap',
    Architectures: [name],
  });
});

test.each([
  ['older', new Date(0), 1],
  ['newer', new Date(Date.now() + 60_000), 0],
])('of a zip that is %s than the sources: %#', (_, changed, warnings) => {
  const zip = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'autodump-')), 'hash.zip');
  fs.writeFileSync(zip, 'a zip');
  fs.utimesSync(zip, changed, changed);
  packageHolds('assets/arm64/hash.zip', 'handlers/Cargo.toml');
  jest.spyOn(files, 'packageFile').mockReturnValue(zip);
  const { stack } = hash(lambda.Architecture.ARM_64);
  expect(
    Annotations.fromStack(stack).findWarning(
      '/Test/Hash',
      Match.stringLikeRegexp('assets/arm64/hash.zip is older .* scripts/build-assets --arch arm64'),
    ),
  ).toHaveLength(warnings);
});

describe('the sources of the functions', () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'autodump-'));
  const zip = path.join(root, 'hash.zip');
  const write = (name: string, seconds: number): void => {
    const file = path.join(root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, '');
    fs.utimesSync(file, seconds, seconds);
  };
  const isOld = (): boolean => files.isOlderThanSources(zip, root);

  test.each([
    ['nothing', 'hash.zip', 1000, false],
    ['an old source', 'crates/core/src/deep/scan.rs', 999, false],
    ['a new file of another kind', 'crates/aws/README.md', 1001, false],
    ['a new source of what is not in the functions', 'crates/dump/src/lib.rs', 1001, false],
    ['a new source', 'handlers/src/bin/hash.rs', 1001, true],
    ['a new Cargo.toml', 'crates/aws/Cargo.toml', 1001, true],
  ])('with %s', (_, name, seconds, expected) => {
    write('hash.zip', 1000);
    write(name, seconds);
    expect(isOld()).toBe(expected);
    if (name !== 'hash.zip') fs.rmSync(path.join(root, name));
  });
});

test('the function of CSV is built from more sources', () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'autodump-'));
  const write = (name: string, seconds: number): string => {
    const file = path.join(root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, '');
    fs.utimesSync(file, seconds, seconds);
    return file;
  };
  const [csv, hash] = ['csv.zip', 'hash.zip'].map((name) => write(name, 1000));
  expect([csv, hash].map((zip) => files.isOlderThanSources(zip, root))).toEqual([false, false]);
  write('crates/parquet/src/csv.rs', 1001);
  expect([csv, hash].map((zip) => files.isOlderThanSources(zip, root))).toEqual([true, false]);
});

test('in a source checkout without zips, cargo-lambda-cdk builds', () => {
  packageHolds('handlers/Cargo.toml');
  const { fn, stack } = hash(lambda.Architecture.ARM_64);
  expect(fn).toBeInstanceOf(RustFunction);
  Template.fromStack(stack).hasResourceProperties('AWS::Lambda::Function', {
    Runtime: 'provided.al2023',
    Handler: 'bootstrap',
    Architectures: ['arm64'],
  });
});

test('a zip of the other architecture does not help', () => {
  packageHolds('assets/arm64/hash.zip');
  expect(() => hash(lambda.Architecture.X86_64)).toThrow(/assets\/x86_64\/hash\.zip is missing/);
});

test('with neither, the error says what to do', () => {
  packageHolds();
  expect(() => hash(lambda.Architecture.X86_64)).toThrow(/Install the package again/);
});
