import { Arn, Duration, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { JobFailure, JobFailures } from './job-failure';
import { allow } from './role';
import { failState, retry } from './states';

/** Which job a step runs. */
export interface JobToRun {
  readonly jobQueueArn: string;
  /** Without a revision: an execution may wait for months, and an update retires revisions. */
  readonly jobDefinitionName: string;
  /** After this long, a job that has not ended is stopped. */
  readonly timeLimit: Duration;
}

/** Of a call that Batch has not taken. After any other error a job may be there already. */
export const NOT_SUBMITTED = ['Batch.TooManyRequestsException'];

export interface JobStepProps extends JobToRun {
  /** What the names of the states that look at a failure end with, if the machine has two steps. */
  readonly suffix?: string;
  /** The field of the state's data that the result becomes; with `Error`, what a failure becomes. */
  readonly field: string;
  /** Expressions. A job's name has letters, digits, `-` and `_`; the sizes are texts. */
  readonly jobName: string;
  /** Those of the job's definition if they are not given. */
  readonly vcpu?: string;
  readonly memory?: string;
  readonly environment: { readonly [name: string]: string };
  /** The path of the number of its children, if it is an array job. */
  readonly arraySize?: string;
  /** Errors of the call that submits the job, after which it is called again. */
  readonly retried: string[];
  readonly failures: JobFailures;
  /** The path of a sentence that the cause of every failure says too. */
  readonly note?: string;
  readonly logGroup: logs.ILogGroup;
}

/** Runs a job of Batch to its end. A failure ends in a state that says what it means. */
export class JobStep extends Construct {
  readonly task: sfn.CustomState;
  private readonly props: JobStepProps;
  private readonly error: string;
  private readonly suffix: string;

  constructor(scope: Construct, id: string, props: JobStepProps) {
    super(scope, `${id} step`);
    this.props = props;
    this.error = `$.${props.field}Error`;
    this.suffix = props.suffix ?? '';
    this.task = new sfn.CustomState(this, id, {
      stateJson: {
        Type: 'Task',
        Resource: `arn:${Stack.of(this).partition}:states:::batch:submitJob.sync`,
        TimeoutSeconds: props.timeLimit.toSeconds(),
        Parameters: parameters(props),
        ResultSelector: { 'jobId.$': '$.JobId', 'status.$': '$.Status' },
        ResultPath: `$.${props.field}`,
        Retry: [retry(props.retried, 5)],
      },
    });
    this.task.addCatch(this.failed(), { resultPath: this.error });
  }

  private failed(): sfn.Choice {
    const { failures } = this.props;
    const other = this.fail(failures.other, 'Batch says: {}: {}', ['Error', 'Cause']);
    const noCause = this.pass(`Note: no cause was given${this.suffix}`, {
      Cause: 'no cause was given.',
    });
    noCause.next(other);
    // So it may be after a timeout, and a state may not name what is missing.
    const reported = new sfn.Choice(this, `Did Batch report on the job${this.suffix}?`).when(
      sfn.Condition.isNotPresent(`${this.error}.Cause`),
      noCause,
    );
    if (failures.byExitCode.length > 0) {
      const isReport = sfn.Condition.stringMatches(`${this.error}.Cause`, '{*"Container"*}');
      reported.when(isReport, this.byExitCode(other));
    }
    return reported.otherwise(other);
  }

  private byExitCode(other: sfn.Fail): sfn.Pass {
    const { failures, logGroup } = this.props;
    const exitCode = new sfn.Choice(this, `Which exit code${this.suffix}?`);
    // Batch leaves these out for a job that never started, and a state may not name what is missing.
    for (const path of ['Container.ExitCode', 'Container.LogStreamName', 'StatusReason']) {
      exitCode.when(sfn.Condition.isNotPresent(`${this.error}.job.${path}`), other);
    }
    for (const failure of failures.byExitCode) {
      exitCode.when(
        sfn.Condition.numberEquals(`${this.error}.job.Container.ExitCode`, failure.exitCode),
        this.fail(failure, `Log: log group ${logGroup.logGroupName}, stream {}. Batch says: {}`, [
          'job.Container.LogStreamName',
          'job.StatusReason',
        ]),
      );
    }
    exitCode.otherwise(other);

    const read = this.pass(`Read Batch's report${this.suffix}`, {
      Cause: sfn.JsonPath.stringAt(`${this.error}.Cause`),
      job: sfn.JsonPath.stringToJson(sfn.JsonPath.stringAt(`${this.error}.Cause`)),
    });
    read.next(exitCode);
    return read;
  }

  private pass(name: string, fields: object): sfn.Pass {
    return new sfn.Pass(this, name, {
      parameters: { Error: sfn.JsonPath.stringAt(`${this.error}.Error`), ...fields },
      resultPath: this.error,
    });
  }

  /** `says` is a template for the fields of the error. */
  private fail(failure: Omit<JobFailure, 'exitCode'>, says: string, fields: string[]): sfn.Fail {
    const { note } = this.props;
    return failState(this, failure.state, {
      error: failure.error,
      text: `${failure.text}${note ? ' {}' : ''} ${says}`,
      paths: [...(note ? [note] : []), ...fields.map((field) => `${this.error}.${field}`)],
    });
  }
}

function parameters(props: JobStepProps): object {
  return {
    // Batch takes less in a name than Step Functions does. The scanner's names please both.
    'JobName.$': props.jobName,
    JobQueue: props.jobQueueArn,
    JobDefinition: props.jobDefinitionName,
    ...(props.arraySize ? { ArrayProperties: { 'Size.$': props.arraySize } } : {}),
    ContainerOverrides: {
      ...resources(props),
      Environment: Object.entries(props.environment).map(([Name, value]) => ({
        Name,
        'Value.$': value,
      })),
    },
  };
}

function resources({ memory, vcpu }: JobStepProps): object {
  const given = Object.entries({ VCPU: vcpu, MEMORY: memory }).filter(([, value]) => value);
  if (given.length === 0) return {};
  return { ResourceRequirements: given.map(([Type, value]) => ({ Type, 'Value.$': value })) };
}

/** What Step Functions needs to run the jobs to their ends, and to stop them. */
export function runJobs(scope: Construct, jobs: readonly JobToRun[]): iam.PolicyStatement[] {
  const arn = (service: string, resource: string, resourceName: string) =>
    Arn.format({ service, resource, resourceName }, Stack.of(scope));
  const definitions = jobs.map(({ jobDefinitionName }) =>
    arn('batch', 'job-definition', jobDefinitionName),
  );
  const queues = new Set(jobs.map(({ jobQueueArn }) => jobQueueArn));
  return [
    allow(
      ['batch:SubmitJob'],
      [...definitions.flatMap((definition) => [definition, `${definition}:*`]), ...queues],
    ),
    allow(['batch:TerminateJob'], [arn('batch', 'job', '*')]),
    allow(['batch:DescribeJobs'], ['*']),
    // The rule that Step Functions itself keeps in the account to hear of the end of jobs.
    allow(
      ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'],
      [arn('events', 'rule', 'StepFunctionsGetEventsForBatchJobsRule')],
    ),
  ];
}
