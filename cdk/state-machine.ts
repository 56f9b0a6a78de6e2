import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { DUMP_FAILURES, VERIFY_FAILURES } from './private/job-failure';
import { JobStep, JobToRun, runJobs } from './private/job-step';
import { replicate } from './private/replica-step';
import { allow } from './private/role';
import { SnapshotSteps } from './private/snapshot-steps';
import { failState, invoke, OwnStateMachine } from './private/states';
import { TableSteps } from './private/table-steps';

export interface DumpStateMachineProps {
  readonly stateMachineName: string;
  readonly scanner: lambda.IFunction;
  readonly hash: lambda.IFunction;
  readonly planner: lambda.IFunction;
  /** Databases of RDS are backed up if it is there. */
  readonly snapshots?: lambda.IFunction;
  readonly dump: JobToRun;
  readonly verify: JobToRun;
  /** Also what makes the copy of a table. */
  readonly restore: JobToRun;
  readonly logGroup: logs.ILogGroup;
}

/** Of the call that submits the job. A job that ran and failed is `States.TaskFailed`. */
const BATCH_SERVICE_ERRORS = [
  'Batch.BatchException',
  'Batch.AWSBatchException',
  'Batch.ServerException',
  'Batch.SdkClientException',
  'Batch.TooManyRequestsException',
];

/** Where it is said whether the next run is scheduled. */
const NOTE = '$.next.note';

/**
 * Waits for the start of one run, starts the next one, makes the backup, verifies it, and copies a table
 * whose tags ask for it.
 */
export class DumpStateMachine extends OwnStateMachine {
  constructor(scope: Construct, id: string, props: DumpStateMachineProps) {
    const { dump, logGroup, restore, stateMachineName, verify } = props;
    const functions = [props.scanner, props.hash, props.planner, props.snapshots ?? []].flat();
    super(scope, id, {
      stateMachineName,
      comment:
        'One run of one target: wait, check its tags, schedule the next run, back it up, verify, replicate. The name of an execution is that of its job: letters, digits, - and _, the first a letter or a digit.',
      start: new States(scope, `${id}States`, props).start,
      roleDescription: 'AutoDump: runs its functions, and the jobs that dump, verify and replicate',
      statements: [
        allow(
          ['lambda:InvokeFunction'],
          functions.map(({ functionArn }) => functionArn),
        ),
        ...runJobs(scope, [dump, verify, restore]),
      ],
      logGroup,
      untraced:
        'An execution waits for hours or months, longer than X-Ray keeps a trace, and then runs some steps that its history shows with their times.',
    });
  }
}

/** The states. Their names are what an operator reads in the console. */
class States extends Construct {
  readonly start: sfn.IChainable;
  private readonly props: DumpStateMachineProps;

  constructor(scope: Construct, id: string, props: DumpStateMachineProps) {
    super(scope, id);
    this.props = props;

    const end = this.end();
    const backUp = this.backUp(this.verify(this.replicate(end)), end);
    const schedule = this.schedule(this.afterScheduling(backUp));
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
    const check = invoke(this, 'Check the tags', this.props.hash, {
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
    const schedule = invoke(this, 'Schedule the next run', this.props.scanner, {
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

  private afterScheduling(backUp: sfn.IChainable): sfn.Choice {
    const notChecked = failState(this, 'Failed: tags could not be checked', {
      error: 'AutoDump.TagsNotChecked',
      text: 'The tags of the target could not be read, so nothing was dumped. The function that reads them failed: see its log. {} It said: {}: {}',
      paths: ['$.next.note', '$.checkError.Error', '$.checkError.Cause'],
    });
    return new sfn.Choice(this, 'Could the tags be checked?')
      .when(sfn.Condition.isPresent('$.checkError'), notChecked)
      .otherwise(backUp);
  }

  /** The backup of a database of RDS is never verified: RDS says itself what it wrote. */
  private backUp(next: sfn.IChainable, end: sfn.IChainable): sfn.Choice {
    const table = new TableSteps(this, 'Table', {
      planner: this.props.planner,
      job: this.dumpJob,
      note: NOTE,
      next,
    });
    return new sfn.Choice(this, 'Is it a table?')
      .when(sfn.Condition.stringMatches('$.resourceArn', 'arn:*:dynamodb:*'), table.start)
      .when(sfn.Condition.stringMatches('$.resourceArn', 'arn:*:rds:*'), this.snapshot(end))
      .otherwise(this.dump(next));
  }

  private snapshot(next: sfn.IChainable): sfn.IChainable {
    const { snapshots } = this.props;
    if (snapshots) {
      return new SnapshotSteps(this, 'Snapshot', { snapshots, note: NOTE, next }).start;
    }
    return failState(this, 'Failed: snapshots are not enabled', {
      error: 'AutoDump.SnapshotsNotEnabled',
      text: 'The target is a database of RDS, and this AutoDump is not set up to make snapshots, so there is no backup. Give the construct the prop snapshots, or the app the context snapshots=true, and deploy it; or remove the schedule tag of the database. {}',
      paths: [NOTE],
    });
  }

  private dump(next: sfn.IChainable): sfn.IChainable {
    const { task } = new JobStep(this, 'Dump the database', {
      ...this.dumpJob,
      field: 'dump',
      jobName: '$$.Execution.Name',
      failures: DUMP_FAILURES,
    });
    return task.next(next);
  }

  /** An execution that began to wait before there were verifications says nothing of them. */
  private verify(next: sfn.IChainable): sfn.Choice {
    const { task } = new JobStep(this, 'Verify the backup', {
      ...this.props.verify,
      ...this.run,
      suffix: ' of the verification',
      field: 'verification',
      jobName: sfn.JsonPath.format('{}-verify', sfn.JsonPath.stringAt('$$.Execution.Name')),
      environment: {
        AUTODUMP_RESOURCE_ARN: '$.resourceArn',
        AUTODUMP_START: '$.when',
        AUTODUMP_EXECUTION_ARN: '$$.Execution.Id',
        AUTODUMP_VERIFY: '$.verify',
      },
      failures: VERIFY_FAILURES,
    });
    return new sfn.Choice(this, 'Verify this backup?')
      .when(sfn.Condition.isNotPresent('$.verify'), next)
      .when(sfn.Condition.stringEquals('$.verify', 'none'), next)
      .otherwise(task.next(next));
  }

  private replicate(next: sfn.IChainable): sfn.Choice {
    const { logGroup, memory, note, vcpu } = this.run;
    return replicate(this, { ...this.props.restore, logGroup, memory, note, vcpu, next });
  }

  /** What the jobs that dump, be it a database or a table, have in common. */
  private get dumpJob() {
    return {
      ...this.props.dump,
      ...this.run,
      environment: {
        AUTODUMP_RESOURCE_ARN: '$.resourceArn',
        AUTODUMP_TAG_HASH: '$.tagHash',
        AUTODUMP_START: '$.when',
        AUTODUMP_EXECUTION_ARN: '$$.Execution.Id',
      },
    };
  }

  /** What all jobs of a run have in common. */
  private get run() {
    return {
      vcpu: '$.job.vcpu',
      memory: '$.job.memory',
      retried: BATCH_SERVICE_ERRORS,
      note: NOTE,
      logGroup: this.props.logGroup,
    };
  }

  private end(): sfn.Choice {
    const is = sfn.Condition;
    const scheduled = is.booleanEquals('$.next.scheduled', true);
    return new sfn.Choice(this, 'Next run scheduled?')
      .when(
        is.and(scheduled, is.isPresent('$.backup.warnings[0]')),
        new sfn.Succeed(this, 'Backup complete, with warnings', {
          comment:
            'RDS left out what is named in the output, under backup, or said something of it.',
        }),
      )
      .when(scheduled, new sfn.Succeed(this, 'Backup complete'))
      .otherwise(
        failState(this, 'Failed: dumped, but the next run is not scheduled', {
          error: 'AutoDump.NextRunNotScheduled',
          text: 'The backup is complete. {} The function that schedules failed: see its log. It said: {}',
          paths: ['$.next.note', '$.scheduleError.Cause'],
        }),
      );
  }
}
