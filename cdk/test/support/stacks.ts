import * as fs from 'fs';
import * as path from 'path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { AutoDump, AutoDumpProps } from '../../index';
import * as files from '../../private/package-files';
import { resolve } from './resolve';

export { Match, Template };

/** The checkout: what lies beside cdk/. */
export const ROOT = path.resolve(__dirname, '..', '..', '..');

export const IMAGE = ecs.ContainerImage.fromRegistry('registry.example.com/dumper:1');

/** The feature flags of cdk.json: what the deployable app is synthesised with. */
export const FLAGS: { [name: string]: unknown } = readJson('cdk.json').context;

export function readJson(...segments: string[]): any {
  return JSON.parse(fs.readFileSync(path.join(ROOT, ...segments), 'utf8'));
}

/** An app that bundles nothing: a test needs neither cargo nor Docker. */
export function testApp(context: { [name: string]: unknown } = {}): App {
  const app = new App({
    analyticsReporting: false,
    context: {
      'aws:cdk:bundling-stacks': [],
      '@aws-cdk/core:validateAgainstDefaultRules': true,
      ...context,
    },
  });
  Validations.of(app).acknowledge({
    id: 'Annotation::cdk-autodump:oldAssets',
    reason: 'No test of a template depends on how old the zips of this checkout are.',
  });
  return app;
}

export function testVpc(stack: Stack): ec2.IVpc {
  return ec2.Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['eu-central-1a', 'eu-central-1b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    privateSubnetRouteTableIds: ['rtb-0123456789abcdef0', 'rtb-0123456789abcdef1'],
  });
}

export type TestProps = Partial<AutoDumpProps> | ((stack: Stack) => Partial<AutoDumpProps>);

export interface Made {
  readonly app: App;
  readonly stack: Stack;
  readonly autoDump: AutoDump;
}

/** A stack with one AutoDump, with a registry's image unless the props say otherwise. */
export function make(props: TestProps = {}, app: App = testApp()): Made {
  const stack = new Stack(app, 'Test');
  const given = typeof props === 'function' ? props(stack) : props;
  const autoDump = new AutoDump(stack, 'AutoDump', { vpc: testVpc(stack), image: IMAGE, ...given });
  return { app, stack, autoDump };
}

export function template(props: TestProps = {}): Template {
  return Template.fromStack(make(props).stack);
}

/** The properties of the only resource of that type. */
export function only(from: Template, type: string): any {
  const found = Object.values(from.findResources(type));
  if (found.length !== 1) throw new Error(`${found.length} resources of type ${type}, not one`);
  return found[0].Properties;
}

const JOBS = { dump: /^AutoDumpJobDefinition/, verify: /JobVerify/, restore: /JobRestore/ };

/** The definition of one of the jobs. */
export function jobDefinition(from: Template, job: keyof typeof JOBS = 'dump'): any {
  return oneOf(from, 'AWS::Batch::JobDefinition', JOBS[job]);
}

/** What the definition of a job gives its program. */
export function jobEnvironment(
  from: Template,
  job: keyof typeof JOBS = 'dump',
): { [name: string]: string } {
  const { Environment } = jobDefinition(from, job).ContainerProperties;
  return Object.fromEntries(Environment.map(({ Name, Value }: any) => [Name, resolve(Value)]));
}

const MACHINES = {
  run: /^AutoDumpStateMachine/,
  restore: /^AutoDumpRestoreStateMachine/,
  undo: /^AutoDumpUndoStateMachine/,
};

/** The state machine of runs, of restores, or of undoing. */
export function stateMachine(from: Template, machine: keyof typeof MACHINES = 'run'): any {
  return oneOf(from, 'AWS::StepFunctions::StateMachine', MACHINES[machine]);
}

function oneOf(from: Template, type: string, logicalId: RegExp): any {
  const found = Object.entries(from.findResources(type)).filter(([id]) => logicalId.test(id));
  if (found.length !== 1) throw new Error(`${found.length} of ${type} fit ${logicalId.source}`);
  return found[0][1].Properties;
}

const hasPackageFile = files.hasPackageFile;

/** Makes the package look as if the dumper and its certificates were built, or were not. */
export function imageIsBuilt(built: boolean): void {
  jest
    .spyOn(files, 'hasPackageFile')
    .mockImplementation((...segments) =>
      segments[0] === 'batch-image' ? built : hasPackageFile(...segments),
    );
}
