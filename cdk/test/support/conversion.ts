import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { ParquetToCsv, ParquetToCsvProps } from '../../index';
import { resolve } from './resolve';
import { IMAGE, only, testApp, testVpc } from './stacks';

export type ConversionProps =
  Partial<ParquetToCsvProps> | ((stack: Stack) => Partial<ParquetToCsvProps>);

export interface MadeConversion {
  readonly app: App;
  readonly stack: Stack;
  readonly csv: ParquetToCsv;
}

/** A stack with one ParquetToCsv between two imported buckets, whose events are on. */
export function makeConversion(props: ConversionProps = {}, app: App = testApp()): MadeConversion {
  const stack = new Stack(app, 'Test');
  const given = typeof props === 'function' ? props(stack) : props;
  const csv = new ParquetToCsv(stack, 'AutoDumpCsv', {
    source: s3.Bucket.fromBucketName(stack, 'Source', 'example-exports'),
    destination: s3.Bucket.fromBucketName(stack, 'Destination', 'example-results'),
    enableEvents: false,
    ...given,
  });
  return { app, stack, csv };
}

/** The same, with jobs. */
export function withJobs(
  props: Partial<ParquetToCsvProps> = {},
): (stack: Stack) => Partial<ParquetToCsvProps> {
  return (stack) => ({ vpc: testVpc(stack), image: IMAGE, ...props });
}

export function conversion(props: ConversionProps = {}): Template {
  return Template.fromStack(makeConversion(props).stack);
}

/** The definition of its state machine, with every intrinsic function resolved to text. */
export function conversionStates(from: Template): any {
  return JSON.parse(resolve(only(from, 'AWS::StepFunctions::StateMachine').DefinitionString));
}

/** What its function is told. */
export function functionEnvironment(from: Template): { [name: string]: string } {
  const { Variables } = only(from, 'AWS::Lambda::Function').Environment;
  return Object.fromEntries(
    Object.entries(Variables as object).map(([name, value]) => [name, resolve(value)]),
  );
}

/** The settings that its function is told. */
export function settings(from: Template): any {
  return JSON.parse(functionEnvironment(from).AUTODUMP_CSV);
}
