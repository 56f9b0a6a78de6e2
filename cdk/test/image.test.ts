import * as fs from 'fs';
import * as path from 'path';
import { Lazy } from 'aws-cdk-lib';
import { Annotations } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import {
  imageIsBuilt,
  jobDefinition,
  Made,
  make,
  Match,
  readJson,
  ROOT,
  Template,
} from './support/stacks';

const built = (architecture?: lambda.Architecture): Made =>
  make({ image: undefined, architecture });

const assets = (made: Made): { directory: string; images: any[] } => {
  const { directory } = made.app.synth();
  const manifest = JSON.parse(fs.readFileSync(path.join(directory, 'Test.assets.json'), 'utf8'));
  return { directory, images: Object.values<any>(manifest.dockerImages) };
};

const imagesOf = ({ stack }: Made): string[] =>
  (['dump', 'verify', 'restore'] as const).map((job) =>
    JSON.stringify(jobDefinition(Template.fromStack(stack), job).ContainerProperties.Image),
  );

const source = (images: any[], target: string): any =>
  images.map((image) => image.source).find((one) => one.dockerBuildTarget === target);

test.each([
  [lambda.Architecture.X86_64, 'linux/amd64'],
  [lambda.Architecture.ARM_64, 'linux/arm64'],
])('the default is two images of one Dockerfile, for the processor', (architecture, platform) => {
  imageIsBuilt(true);
  const made = built(architecture);
  const { images } = assets(made);
  expect(images).toHaveLength(2);
  for (const target of ['dumper', 'verifier']) {
    expect(source(images, target)).toMatchObject({
      platform,
      dockerBuildArgs: { POSTGRES_SOURCE: 'postgresql', POSTGRES_MAJORS: '14 15 16 17 18' },
    });
  }
  const [dump, verify, restore] = imagesOf(made);
  for (const image of [dump, verify]) expect(image).toContain('container-assets');
  expect(restore).toBe(dump);
  expect(verify).not.toBe(dump);
});

test('what does not go into the image does not change its hash', () => {
  imageIsBuilt(true);
  const { directory, images } = assets(built());
  const context = path.join(directory, source(images, 'dumper').directory);
  const entries = fs.readdirSync(context);
  expect(entries).toContain('Dockerfile');
  for (const excluded of ['src', 'tests', 'Cargo.toml']) expect(entries).not.toContain(excluded);
  expect(fs.existsSync(path.join(context, 'bin', 'arm64'))).toBe(false);
});

test('an image that cannot be built is an error that says what to run, once for a file', () => {
  imageIsBuilt(false);
  const { stack } = built();
  expect(Annotations.fromStack(stack).findError('*', Match.anyValue())).toHaveLength(2);
  Annotations.fromStack(stack).hasError(
    '/Test/AutoDump',
    Match.stringLikeRegexp('bin/x86_64/dumper is missing.* scripts/build-assets --arch x86_64'),
  );
});

test('with an image of a registry nothing is built', () => {
  imageIsBuilt(false);
  const { app, stack } = make();
  expect(assets({ app, stack } as Made).images).toEqual([]);
});

test('an image that is given is that of all jobs', () => {
  const [dump, verify, restore] = imagesOf(make());
  expect([verify, restore]).toEqual([dump, dump]);
  expect(dump).toBe('"registry.example.com/dumper:1"');
});

test('unless the verification is given one of its own', () => {
  const verifyImage = ecs.ContainerImage.fromRegistry('registry.example.com/verifier:1');
  const [dump, verify, restore] = imagesOf(make({ verifyImage }));
  expect(verify).toBe('"registry.example.com/verifier:1"');
  expect(restore).toBe(dump);

  imageIsBuilt(true);
  const made = make({ image: undefined, verifyImage });
  expect(assets(made).images.map((image) => image.source.dockerBuildTarget)).toEqual(['dumper']);
});

describe('the tools of MongoDB', () => {
  const url = 'https://downloads.example/mongodb-tools-x86_64.tgz';
  const sha256 = '0123456789abcdef'.repeat(4);
  const withTools = (mongodbTools: { url: string; sha256: string }): Made =>
    make({ image: undefined, mongodbTools });

  test('are fetched for the image of the dumps alone, if they are named', () => {
    imageIsBuilt(true);
    const { images } = assets(withTools({ url, sha256 }));
    expect(images).toHaveLength(2);
    expect(source(images, 'dumper').dockerBuildArgs).toMatchObject({
      MONGODB_TOOLS_URL: url,
      MONGODB_TOOLS_SHA256: sha256,
    });
    expect(JSON.stringify(source(images, 'verifier'))).not.toContain('MONGODB_TOOLS');
  });

  test('are in no image otherwise', () => {
    imageIsBuilt(true);
    for (const { source: built } of assets(make({ image: undefined })).images) {
      expect(JSON.stringify(built)).not.toContain('MONGODB_TOOLS');
    }
  });

  test.each([
    ['url', 'http://downloads.example/tools.tgz', 'begin with `https://`'],
    ['url', 'https://downloads.example', 'begin with `https://`'],
    ['url', 'https://downloads.example/a b', 'begin with `https://`'],
    ['url', '', 'begin with `https://`'],
    ['url', 'https://bob:geheim@downloads.example/tools.tgz', 'has a user or a password'],
    ['url', 'https://token@downloads.example/tools.tgz', 'has a user or a password'],
    ['sha256', sha256.slice(1), '64 hexadecimal digits'],
    ['sha256', `${sha256}0`, '64 hexadecimal digits'],
    ['sha256', sha256.replace('f', 'g'), '64 hexadecimal digits'],
    ['sha256', `sha256:${sha256}`, '64 hexadecimal digits'],
    ['sha256', Lazy.string({ produce: () => sha256 }), 'only known at deployment'],
  ])('%s %j is rejected by name', (name, value, rule) => {
    const attempt = (): unknown => withTools({ url, sha256, [name]: value });
    expect(attempt).toThrow(`\`mongodbTools.${name}\``);
    expect(attempt).toThrow(rule);
  });

  test('a password in the address is not repeated', () => {
    const password = 'geheim';
    const attempt = (): unknown => withTools({ url: `http://bob:${password}@h/t.tgz`, sha256 });
    expect(attempt).toThrow(/^(?!.*geheim).*`mongodbTools.url`/);
  });

  test('may have an @ in the path of the address', () => {
    imageIsBuilt(true);
    const scoped = 'https://downloads.example/@scope/tools.tgz';
    const { images } = assets(withTools({ url: scoped, sha256 }));
    expect(source(images, 'dumper').dockerBuildArgs.MONGODB_TOOLS_URL).toBe(scoped);
  });

  test('do not get into an image that is given', () => {
    expect(() => make({ mongodbTools: { url, sha256 } })).toThrow('`image` and `mongodbTools`');
  });
});

const DOCKERFILE = fs.readFileSync(path.join(ROOT, 'batch-image', 'Dockerfile'), 'utf8');

test('the Dockerfile has the stages that are built, and the dumper is its default', () => {
  const stages = [...DOCKERFILE.matchAll(/^FROM (\S+)(?: AS ([\w-]+))?$/gm)];
  const names = stages.map(([, from, name]) => [from, name]);
  expect(names).toContainEqual(['common', 'dumper']);
  expect(names).toContainEqual(['common', 'verifier']);
  expect(names).toContainEqual(['${BASE}', 'mongodb-tools']);
  expect(names.at(-1)).toEqual(['dumper', undefined]);
});

test('the Dockerfile sets what the contract says that images set', () => {
  const { dumper } = readJson('contract', 'environment.json');
  expect(dumper.image).toContain('AUTODUMP_MONGODB_BIN');
  const [, directory] = /^ENV AUTODUMP_MONGODB_BIN=(\S+)$/m.exec(DOCKERFILE) ?? [];
  expect(directory).toMatch(/^\//);
  expect(DOCKERFILE).toContain(`COPY --from=mongodb-tools /out/ ${directory}/\n`);
});

test('the address of the tools is in no stage that is kept', () => {
  const stages = DOCKERFILE.split(/^(?=FROM )/m);
  const [knowing, ...others] = stages.filter((stage) => stage.includes('MONGODB_TOOLS_'));
  expect(knowing).toMatch(/^FROM \S+ AS mongodb-tools$/m);
  expect(others).toEqual([]);
});

test('the Dockerfile knows the arguments that it is built with', () => {
  expect(DOCKERFILE).toMatch(/^ARG POSTGRES_SOURCE=/m);
  expect(DOCKERFILE).toMatch(/^ARG POSTGRES_MAJORS=/m);
  expect(DOCKERFILE).toMatch(/^ARG MONGODB_TOOLS_URL=$/m);
  expect(DOCKERFILE).toMatch(/^ARG MONGODB_TOOLS_SHA256=$/m);
});
