import { Duration, Names, RemovalPolicy, Size, Stack } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { makeCsvFunction } from './csv-function';
import { CsvJob, CsvJobProps } from './csv-job';
import { CsvRule } from './csv-rule';
import { CsvStateMachine } from './csv-state-machine';
import { jobImages } from './image';
import { conversionMetric } from './metrics';
import {
  BadRows,
  CsvBinary,
  CsvLineEnd,
  ParquetLayout,
  ParquetToCsvProps,
} from './parquet-to-csv-props';
import { checkConversion, checkSettings } from './private/csv-checks';
import { ConversionAccess, grantReadPlace, Place } from './private/csv-statements';

/** The most characters that the name of a state machine has. */
const NAME_LENGTH = 80;
const ALARM_PERIOD = Duration.minutes(5);
const AT_LEAST_ONE = {
  threshold: 1,
  evaluationPeriods: 1,
  comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
  treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
};

/**
 * Converts tables of Parquet to CSV, one file for each table, when they are there whole: RDS's
 * exports of snapshots, or any directories of Parquet files that get a `_SUCCESS` at their end.
 *
 * It needs no AutoDump. Nothing runs between the conversions.
 *
 * What is there before it is deployed is converted by hand: start an execution of `stateMachine` with
 * `{"detail": {"bucket": {"name": "…"}, "object": {"key": "…/_SUCCESS"}}}`. A table whose result is
 * there is not converted again.
 */
export class ParquetToCsv extends Construct implements ec2.IConnectable {
  /** Its name: of its state machine, and in the dimension `Name` of its metrics. */
  public readonly name: string;
  /**
   * The state machine: one execution looks at the table of one `_SUCCESS`. The name of an execution
   * becomes the name of its job: one that is started by hand needs a name of letters, digits, `-` and
   * `_`, and the first must be a letter or a digit.
   */
  public readonly stateMachine: sfn.StateMachine;
  /** The function that looks at tables, and converts those that are not too large. */
  public readonly converterFunction: lambda.Function;
  /** The role of the job, if there is a `vpc`. That of the function is `converterFunction.role`. */
  public readonly jobRole?: iam.IRole;
  /** The queue of the jobs, if there is a `vpc`. */
  public readonly jobQueue?: batch.JobQueue;
  /** The definition of the job, if there is a `vpc`. */
  public readonly jobDefinition?: batch.EcsJobDefinition;
  /** What is kept of events that could start no execution in a day. */
  public readonly deadLetterQueue: sqs.Queue;
  /** Goes off when an execution has failed. */
  public readonly failedAlarm: cloudwatch.Alarm;
  /** Goes off when there is something in `deadLetterQueue`. */
  public readonly undeliveredAlarm: cloudwatch.Alarm;
  /** The log group of the function, the jobs and the failed executions. */
  public readonly logGroup: logs.LogGroup;

  private readonly access: ConversionAccess;
  private readonly jobs?: CsvJob;

  constructor(scope: Construct, id: string, props: ParquetToCsvProps) {
    super(scope, id);
    checkConversion(props);
    this.name = Names.uniqueResourceName(this, { maxLength: NAME_LENGTH, separator: '-' });
    this.logGroup = new logs.LogGroup(this, 'Logs', {
      retention: props.logRetention ?? logs.RetentionDays.THREE_MONTHS,
      removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
    });
    this.access = accessOf(this, props);
    const { access, logGroup, name } = this;
    const common = {
      access,
      architecture: props.architecture ?? lambda.Architecture.X86_64,
      logGroup,
      settings: settingsOf(this, name, access, props),
    };
    const functionBytes = (props.functionLimit ?? Size.gibibytes(1)).toBytes();
    this.converterFunction = makeCsvFunction(this, 'Function', { ...common, functionBytes });
    this.jobs = props.vpc && makeJob(this, { ...props, ...common, name, vpc: props.vpc });
    this.jobRole = this.jobs?.role;
    this.jobQueue = this.jobs?.queue;
    this.jobDefinition = this.jobs?.definition;
    this.stateMachine = this.makeStateMachine(functionBytes, settleOf(props));
    this.deadLetterQueue = this.listen(props);
    this.failedAlarm = this.makeFailedAlarm();
    this.undeliveredAlarm = this.makeUndeliveredAlarm();
    if (!props.alarmTopic) return;
    const tell = new SnsAction(props.alarmTopic);
    for (const alarm of [this.failedAlarm, this.undeliveredAlarm]) alarm.addAlarmAction(tell);
  }

  /** The network connections of the jobs. Without a `vpc` there are none, and this throws. */
  public get connections(): ec2.Connections {
    if (this.jobs) return this.jobs.connections;
    throw new Error(
      `AutoDump: ${this.node.path} has no \`vpc\`, so it has no jobs and no connections. Give it a \`vpc\`.`,
    );
  }

  /**
   * Allows the grantee to list the results, to read them, and to decrypt them.
   *
   * @param grantee who shall get the CSV files
   */
  public grantReadResults(grantee: iam.IGrantable): iam.Grant {
    const { destination, encryptionKey } = this.access;
    return grantReadPlace(destination, encryptionKey, grantee);
  }

  /**
   * The number of executions that failed: a table that is there whole has no CSV. There is an alarm on
   * it, `failedAlarm`.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricFailed(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.stateMachine.metricFailed(options);
  }

  /**
   * The number of rows that broke a rule and are in a reject file, not in a CSV. There are none with
   * `BadRows.STOP`.
   *
   * @param options how the metric shall differ from a sum
   */
  public metricRejectedRows(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return conversionMetric(this, this.name, 'RowsRejected', options);
  }

  private makeStateMachine(functionBytes: number, settle: Duration): CsvStateMachine {
    const stateMachine = new CsvStateMachine(this, 'StateMachine', {
      stateMachineName: this.name,
      converter: this.converterFunction,
      functionBytes,
      settle,
      job: this.jobs?.toRun,
      logGroup: this.logGroup,
    });
    // It knows the definition by its name alone.
    if (this.jobs) stateMachine.node.addDependency(this.jobs.definition);
    return stateMachine;
  }

  private listen(props: ParquetToCsvProps): sqs.Queue {
    const rule = new CsvRule(this, 'Rule', {
      source: props.source,
      enableEvents: props.enableEvents ?? true,
      sourcePrefix: this.access.source.prefix,
      stateMachine: this.stateMachine,
    });
    return rule.deadLetterQueue;
  }

  private makeFailedAlarm(): cloudwatch.Alarm {
    return this.metricFailed({ period: ALARM_PERIOD }).createAlarm(this, 'FailedAlarm', {
      ...AT_LEAST_ONE,
      alarmDescription:
        'AutoDump: a table of Parquet was not converted to CSV. The cause is in the failed execution.',
    });
  }

  private makeUndeliveredAlarm(): cloudwatch.Alarm {
    const waiting = this.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
      period: ALARM_PERIOD,
    });
    return waiting.createAlarm(this, 'UndeliveredAlarm', {
      ...AT_LEAST_ONE,
      alarmDescription:
        'AutoDump: an event of S3 could start no conversion. Start an execution with it, and remove it from the queue.',
    });
  }
}

function accessOf(scope: Construct, props: ParquetToCsvProps): ConversionAccess {
  const { destination, destinationPrefix, encryptionKey, schemas, source, sourcePrefix } = props;
  return {
    source: { bucket: source, prefix: sourcePrefix ?? '' },
    sourceKeys: props.sourceKeys ?? [],
    destination: { bucket: destination, prefix: destinationPrefix ?? '' },
    encryptionKey,
    schemas: schemas?.bind(scope),
  };
}

/** What the function and the job are told, as in contract/csv.json. */
function settingsOf(
  scope: Construct,
  name: string,
  access: ConversionAccess,
  props: ParquetToCsvProps,
): string {
  const { destination, encryptionKey, schemas, source } = access;
  const place = ({ bucket, prefix }: Place) => ({ bucket: bucket.bucketName, prefix });
  const settings = {
    name,
    source: place(source),
    layout: layoutOf(props),
    destination: place(destination),
    compression: props.compression ?? 'none',
    format: {
      lineEnd: props.lineEnd ?? CsvLineEnd.LF,
      header: props.header ?? true,
      null: props.nullText ?? '',
    },
    binary: props.binary ?? CsvBinary.HEX,
    onBad: props.badRows ?? BadRows.STOP,
    ...(schemas ? { schemas: { ...schemas, bucket: schemas.bucket.bucketName } } : {}),
    ...(encryptionKey ? { kmsKeyArn: encryptionKey.keyArn } : {}),
    ...(props.pageMemory ? { pageMebibytes: props.pageMemory.toMebibytes() } : {}),
  };
  checkSettings(settings);
  return Stack.of(scope).toJsonString(settings);
}

function makeJob(
  scope: Construct,
  props: Omit<CsvJobProps, 'image' | 'jobTimeout' | 'maxvCpus'> &
    Pick<ParquetToCsvProps, 'image' | 'jobTimeout' | 'maxvCpus'>,
): CsvJob {
  return new CsvJob(scope, 'Job', {
    ...props,
    image: jobImages(scope, props.architecture, { image: props.image }).dumper,
    jobTimeout: props.jobTimeout ?? Duration.hours(24),
    maxvCpus: props.maxvCpus ?? 16,
  });
}

function layoutOf(props: ParquetToCsvProps): ParquetLayout {
  return props.layout ?? ParquetLayout.RDS_EXPORT;
}

function settleOf(props: ParquetToCsvProps): Duration {
  const batches = layoutOf(props) === ParquetLayout.RDS_EXPORT;
  return props.settle ?? Duration.minutes(batches ? 5 : 0);
}
