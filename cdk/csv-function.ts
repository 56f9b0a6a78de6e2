import { Duration } from 'aws-cdk-lib';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { ConversionAccess, convertObjects } from './private/csv-statements';
import { makeFunction } from './private/function';
import { OwnRole, writeLogs } from './private/role';

export interface CsvFunctionProps {
  readonly access: ConversionAccess;
  readonly architecture: lambda.Architecture;
  readonly logGroup: logs.ILogGroup;
  /** The settings, as in contract/csv.json. */
  readonly settings: string;
  /** The most bytes of Parquet of a table that it takes. */
  readonly functionBytes: number;
}

/** One vCPU, by which Lambda gives memory: the conversion itself stays within 256 MiB. */
const MEMORY_MIB = 1769;

/** Looks whether a table is there whole, and converts it where it is not too large. */
export function makeCsvFunction(
  scope: Construct,
  id: string,
  props: CsvFunctionProps,
): lambda.Function {
  const { architecture, functionBytes, logGroup, settings } = props;
  const description = 'AutoDump: converts tables of Parquet to CSV';
  const role = new OwnRole(scope, `${id}Role`, {
    assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    description,
    statements: [writeLogs(logGroup.logGroupArn), ...convertObjects(props.access)],
    wildcards: 'The names of tables and of their files are not known.',
  });
  return makeFunction(scope, id, 'csv', {
    architecture,
    description,
    environment: {
      AUTODUMP_CSV: settings,
      AUTODUMP_CSV_FUNCTION_BYTES: `${functionBytes}`,
    },
    logGroup,
    memorySize: MEMORY_MIB,
    role,
    timeout: Duration.minutes(15),
  });
}
