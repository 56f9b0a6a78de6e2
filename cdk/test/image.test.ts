import * as fs from 'fs';
import * as path from 'path';
import { Annotations } from 'aws-cdk-lib/assertions';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { imageIsBuilt, Made, make, Match, only, ROOT, Template } from './support/stacks';

const built = (architecture?: lambda.Architecture): Made =>
  make({ image: undefined, architecture });

const assets = (made: Made): { directory: string; images: any[] } => {
  const { directory } = made.app.synth();
  const manifest = JSON.parse(fs.readFileSync(path.join(directory, 'Test.assets.json'), 'utf8'));
  return { directory, images: Object.values<any>(manifest.dockerImages) };
};

test.each([
  [lambda.Architecture.X86_64, 'linux/amd64'],
  [lambda.Architecture.ARM_64, 'linux/arm64'],
])('the default is one image, built for the processor', (architecture, platform) => {
  imageIsBuilt(true);
  const made = built(architecture);
  const { images } = assets(made);
  expect(images).toHaveLength(1);
  expect(images[0].source).toMatchObject({
    platform,
    dockerBuildArgs: { POSTGRES_SOURCE: 'postgresql', POSTGRES_MAJORS: '14 15 16 17 18' },
  });
  const { Image } = only(
    Template.fromStack(made.stack),
    'AWS::Batch::JobDefinition',
  ).ContainerProperties;
  expect(JSON.stringify(Image)).toContain('container-assets');
});

test('what does not go into the image does not change its hash', () => {
  imageIsBuilt(true);
  const { directory, images } = assets(built());
  const context = path.join(directory, images[0].source.directory);
  const entries = fs.readdirSync(context);
  expect(entries).toContain('Dockerfile');
  for (const excluded of ['src', 'tests', 'Cargo.toml']) expect(entries).not.toContain(excluded);
  expect(fs.existsSync(path.join(context, 'bin', 'arm64'))).toBe(false);
});

test('an image that cannot be built is an error that says what to run', () => {
  imageIsBuilt(false);
  const { stack } = built();
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

test('the Dockerfile knows the arguments that it is built with', () => {
  const dockerfile = fs.readFileSync(path.join(ROOT, 'batch-image', 'Dockerfile'), 'utf8');
  expect(dockerfile).toMatch(/^ARG POSTGRES_SOURCE=/m);
  expect(dockerfile).toMatch(/^ARG POSTGRES_MAJORS=/m);
});
