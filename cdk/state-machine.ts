import { Arn, Duration, Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { DUMP_FAILURES, DumpFailure, NO_EXIT_CODE } from './private/dump-failure';
import { allow, OwnRole } from './private/role';

export interface DumpStateMachineProps {
  readonly stateMachineName: string;
  readonly scanner: lambda.IFunction;
  readonly hash: lambda.IFunction;
  readonly jobQueueArn: string;
  /** Without a revision: an execution may wait for months, and an update retires revisions. */
  readonly jobDefinitionName: string;
  /** After this long, a dump job that has not ended is stopped. */
  readonly dumpTimeLimit: Duration;
  readonly logGroup: logs.ILogGroup;
}

/** What can pass by itself: too many calls, or a service that is not well. */
const LAMBDA_SERVICE_ERRORS = [
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.TooManyRequestsException',
];
/** Of the call that submits the job. A job that ran and failed is `States.TaskFailed`. */
const BATCH_SERVICE_ERRORS = [
  'Batch.BatchException',
  'Batch.AWSBatchException',
  'Batch.ServerException',
  'Batch.SdkClientException',
  'Batch.TooManyRequestsException',
];

/** Waits for the start of one run, starts the next one, and dumps. */
export class DumpStateMachine extends sfn.StateMachine {
  constructor(scope: Construct, id: string, props: DumpStateMachineProps) {
    const role = new OwnRole(scope, `${id}Role`, {
      service: 'states.amazonaws.com',
      description: 'AutoDump: runs its two functions and the dump job',
      statements: taskStatements(scope, props),
      wildcards:
        'Batch makes up the ids of jobs and the numbers of revisions, and Step Functions asks for all log deliveries.',
    });
    super(scope, id, {
      stateMachineName: props.stateMachineName,
      stateMachineType: sfn.StateMachineType.STANDARD,
      comment:
        'One run of one target: wait, check its tags, schedule the next run, dump. The name of an execution is that of its job: letters, digits, - and _, the first a letter or a digit.',
      definitionBody: sfn.DefinitionBody.fromChainable(
        new States(scope, `${id}States`, props).start,
      ),
      role,
      logs: {
        destination: props.logGroup,
        level: sfn.LogLevel.ERROR,
        includeExecutionData: false,
      },
    });
    Validations.of(this).acknowledge(
      {
        id: 'AwsSolutions-SF1',
        reason:
          'Failures are logged. Step Functions itself keeps every event of an execution for 90 days after its end; a second copy would only cost.',
      },
      {
        id: 'AwsSolutions-SF2',
        reason:
          'An execution waits for hours or months, longer than X-Ray keeps a trace, and then runs three steps that its history shows with their times.',
      },
    );
  }
}

function taskStatements(scope: Construct, props: DumpStateMachineProps): iam.PolicyStatement[] {
  const arn = (service: string, resource: string, resourceName: string) =>
    Arn.format({ service, resource, resourceName }, Stack.of(scope));
  const definition = arn('batch', 'job-definition', props.jobDefinitionName);
  return [
    allow(['lambda:InvokeFunction'], [props.scanner.functionArn, props.hash.functionArn]),
    allow(['batch:SubmitJob'], [definition, `${definition}:*`, props.jobQueueArn]),
    allow(['batch:TerminateJob'], [arn('batch', 'job', '*')]),
    allow(['batch:DescribeJobs'], ['*']),
    // The rule that Step Functions itself keeps in the account to hear of the end of jobs.
    allow(
      ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'],
      [arn('events', 'rule', 'StepFunctionsGetEventsForBatchJobsRule')],
    ),
  ];
}

/** The states. Their names are what an operator reads in the console. */
class States extends Construct {
  readonly start: sfn.IChainable;
  private readonly props: DumpStateMachineProps;

  constructor(scope: Construct, id: string, props: DumpStateMachineProps) {
    super(scope, id);
    this.props = props;

    const dump = this.dump();
    const schedule = this.schedule(this.afterScheduling(dump));
    this.start = new sfn.Wait(this, 'Wait until the start', {
      time: sfn.WaitTime.timestampPath('$.when'),
    }).next(this.check(schedule));
  }

  private check(schedule: sfn.CustomState): sfn.CustomState {
    const changed = new sfn.Succeed(this, 'Ended: tags changed or target gone', {
      comment: 'The reason is in the output, under check.',
    });
    const unchanged = new sfn.Choice(this, 'Tags unchanged?')
      .when(sfn.Condition.booleanEquals('$.check.execute', true), schedule)
      .otherwise(changed);
    const check = this.invoke('Check the tags', this.props.hash, {
      Parameters: { 'resourceArn.$': '$.resourceArn', 'tagHash.$': '$.tagHash' },
      ResultPath: '$.check',
    });
    check.addCatch(schedule, { resultPath: '$.checkError' });
    check.next(unchanged);
    return check;
  }

  private schedule(next: sfn.IChainable): sfn.CustomState {
    const failed = new sfn.Pass(this, 'Note: the next run is not scheduled', {
      parameters: {
        scheduled: false,
        note: sfn.JsonPath.format(
          'The next run is NOT scheduled by this execution ({}); the periodic scan tries again.',
          sfn.JsonPath.stringAt('$.scheduleError.Error'),
        ),
      },
      resultPath: '$.next',
    });
    failed.next(next);
    const schedule = this.invoke('Schedule the next run', this.props.scanner, {
      Parameters: { 'resourceArn.$': '$.resourceArn', 'after.$': '$.when' },
      ResultSelector: {
        scheduled: true,
        // The scanner's own words: it may also have found that there is no next run.
        'note.$': '$.note',
        'scan.$': '$',
      },
      ResultPath: '$.next',
    });
    schedule.addCatch(failed, { resultPath: '$.scheduleError' });
    schedule.next(next);
    return schedule;
  }

  private afterScheduling(dump: sfn.IChainable): sfn.Choice {
    const notChecked = this.fail('Failed: tags could not be checked', {
      error: 'AutoDump.TagsNotChecked',
      text: 'The tags of the target could not be read, so nothing was dumped. The function that reads them failed: see its log. {} It said: {}: {}',
      paths: ['$.next.note', '$.checkError.Error', '$.checkError.Cause'],
    });
    return new sfn.Choice(this, 'Could the tags be checked?')
      .when(sfn.Condition.isPresent('$.checkError'), notChecked)
      .otherwise(dump);
  }

  private dump(): sfn.CustomState {
    const dump = new sfn.CustomState(this, 'Dump the database', {
      stateJson: {
        Type: 'Task',
        Resource: `arn:${Stack.of(this).partition}:states:::batch:submitJob.sync`,
        TimeoutSeconds: this.props.dumpTimeLimit.toSeconds(),
        Parameters: dumpParameters(this.props),
        ResultSelector: { 'jobId.$': '$.JobId', 'status.$': '$.Status' },
        ResultPath: '$.dump',
        Retry: [retry(BATCH_SERVICE_ERRORS, 5)],
      },
    });
    dump.addCatch(this.dumpFailed(), { resultPath: '$.dumpError' });
    dump.next(
      new sfn.Choice(this, 'Next run scheduled?')
        .when(
          sfn.Condition.booleanEquals('$.next.scheduled', true),
          new sfn.Succeed(this, 'Backup complete'),
        )
        .otherwise(
          this.fail('Failed: dumped, but the next run is not scheduled', {
            error: 'AutoDump.NextRunNotScheduled',
            text: 'The backup is complete. {} The function that schedules failed: see its log. It said: {}',
            paths: ['$.next.note', '$.scheduleError.Cause'],
          }),
        ),
    );
    return dump;
  }

  private dumpFailed(): sfn.Choice {
    const unknown = this.fail('Failed: dump job', {
      error: 'AutoDump.DumpJob',
      text: `${NO_EXIT_CODE} {} Batch says: {}: {}`,
      paths: ['$.next.note', '$.dumpError.Error', '$.dumpError.Cause'],
    });
    const exitCode = new sfn.Choice(this, 'Which exit code?');
    // Batch leaves these out for a job that never started, and a state may not name what is missing.
    for (const path of ['Container.ExitCode', 'Container.LogStreamName', 'StatusReason']) {
      exitCode.when(sfn.Condition.isNotPresent(`$.dumpError.job.${path}`), unknown);
    }
    for (const failure of DUMP_FAILURES) {
      exitCode.when(
        sfn.Condition.numberEquals('$.dumpError.job.Container.ExitCode', failure.exitCode),
        this.dumpFailure(failure),
      );
    }
    exitCode.otherwise(unknown);

    const read = new sfn.Pass(this, "Read Batch's report", {
      parameters: {
        Error: sfn.JsonPath.stringAt('$.dumpError.Error'),
        Cause: sfn.JsonPath.stringAt('$.dumpError.Cause'),
        job: sfn.JsonPath.stringToJson(sfn.JsonPath.stringAt('$.dumpError.Cause')),
      },
      resultPath: '$.dumpError',
    });
    read.next(exitCode);
    return (
      new sfn.Choice(this, 'Did Batch report on the job?')
        // So it may be after a timeout, and a state may not name what is missing.
        .when(sfn.Condition.isNotPresent('$.dumpError.Cause'), this.noCause(unknown))
        .when(sfn.Condition.stringMatches('$.dumpError.Cause', '{*"Container"*}'), read)
        .otherwise(unknown)
    );
  }

  private noCause(next: sfn.IChainable): sfn.Pass {
    const noCause = new sfn.Pass(this, 'Note: no cause was given', {
      parameters: {
        Error: sfn.JsonPath.stringAt('$.dumpError.Error'),
        Cause: 'no cause was given.',
      },
      resultPath: '$.dumpError',
    });
    noCause.next(next);
    return noCause;
  }

  private dumpFailure(failure: DumpFailure): sfn.Fail {
    const name = failure.failureClass;
    return this.fail(`Failed: ${name}`, {
      error: `AutoDump.${name[0].toUpperCase()}${name.slice(1)}`,
      text: `The dump failed: ${name} (exit code ${failure.exitCode}). ${failure.text} {} Log: log group ${this.props.logGroup.logGroupName}, stream {}. Batch says: {}`,
      paths: [
        '$.next.note',
        '$.dumpError.job.Container.LogStreamName',
        '$.dumpError.job.StatusReason',
      ],
    });
  }

  /** `text` is a template of States.Format: each pair of braces takes the next path. */
  private fail(
    name: string,
    how: { readonly error: string; readonly text: string; readonly paths: string[] },
  ): sfn.Fail {
    return new sfn.Fail(this, name, {
      error: how.error,
      causePath: sfn.JsonPath.format(
        how.text,
        ...how.paths.map((path) => sfn.JsonPath.stringAt(path)),
      ),
    });
  }

  /**
   * A call of one of our functions, whose answer is the state's result as it is.
   * The step that the CDK has for this would also allow every version of the function.
   */
  private invoke(name: string, fn: lambda.IFunction, state: object): sfn.CustomState {
    return new sfn.CustomState(this, name, {
      stateJson: {
        Type: 'Task',
        Resource: fn.functionArn,
        ...state,
        // Both functions may be called twice, and fail only when a service does not answer them.
        Retry: [retry(LAMBDA_SERVICE_ERRORS, 6), retry(['States.TaskFailed'], 5)],
      },
    });
  }
}

function retry(errors: string[], maxAttempts: number): object {
  return {
    ErrorEquals: errors,
    IntervalSeconds: 2,
    BackoffRate: 2,
    MaxAttempts: maxAttempts,
    MaxDelaySeconds: 60,
    JitterStrategy: 'FULL',
  };
}

function dumpParameters(props: DumpStateMachineProps): object {
  return {
    // Batch takes less than Step Functions does. The scanner's names please both.
    'JobName.$': '$$.Execution.Name',
    JobQueue: props.jobQueueArn,
    JobDefinition: props.jobDefinitionName,
    ContainerOverrides: {
      ResourceRequirements: [
        { Type: 'VCPU', 'Value.$': '$.job.vcpu' },
        { Type: 'MEMORY', 'Value.$': '$.job.memory' },
      ],
      Environment: [
        { Name: 'AUTODUMP_RESOURCE_ARN', 'Value.$': '$.resourceArn' },
        { Name: 'AUTODUMP_TAG_HASH', 'Value.$': '$.tagHash' },
        { Name: 'AUTODUMP_START', 'Value.$': '$.when' },
        { Name: 'AUTODUMP_EXECUTION_ARN', 'Value.$': '$$.Execution.Id' },
      ],
    },
  };
}
