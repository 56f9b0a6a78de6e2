import { Duration } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { JobStep, JobStepProps } from './job-step';
import { beginToLook, LONG_WAIT, lookAgain, looksIn } from './looks';
import { failState, invoke, withCause } from './states';
import { parallelFailures, PLANNER_FAILURES, PLANNER_FINAL, TABLE_FAILURES } from './table-failure';

export interface TableStepsProps {
  readonly planner: lambda.IFunction;
  /** What the jobs have in common with that of a database. */
  readonly job: Omit<JobStepProps, 'failures' | 'field' | 'jobName'>;
  /** The path of a sentence that the cause of every failure says too. */
  readonly note: string;
  /** What follows the backup. */
  readonly next: sfn.IChainable;
}

/** The most looks after the first ones: each is eleven events, and an execution has 25,000. */
const LONG_LOOKS = 1500;
/** How often the children of an array job may have to wait for the time of one whole job. */
const TURNS = 10;

/** Backs up a table: plans it, has it exported or read by several jobs if need be, and makes the backup. */
export class TableSteps extends Construct {
  readonly start: sfn.CustomState;
  private readonly props: TableStepsProps;
  private readonly failed: sfn.Choice;

  constructor(scope: Construct, id: string, props: TableStepsProps) {
    super(scope, id);
    this.props = props;
    this.failed = this.plannerFailed();
    const backUp = this.backUp();
    const how = new sfn.Choice(this, 'How is the table read?')
      .when(sfn.Condition.stringEquals('$.plan.method', 'export'), this.follow(backUp))
      .when(sfn.Condition.numberGreaterThan('$.plan.ranges', 1), this.readInParallel(backUp))
      .otherwise(backUp);
    this.start = this.call('Plan the backup', 'plan', {
      action: 'plan',
      'resourceArn.$': '$.resourceArn',
      'tagHash.$': '$.tagHash',
      'start.$': '$.when',
      'executionArn.$': '$$.Execution.Id',
    });
    this.start.next(how);
  }

  private backUp(): sfn.CustomState {
    const { job, next } = this.props;
    const { task } = new JobStep(this, 'Back up the table', {
      ...job,
      suffix: ' of the table',
      field: 'dump',
      jobName: '$$.Execution.Name',
      failures: TABLE_FAILURES,
    });
    task.next(next);
    return task;
  }

  private readInParallel(next: sfn.IChainable): sfn.CustomState {
    const { job } = this.props;
    const { task } = new JobStep(this, 'Read the table in parallel', {
      ...job,
      timeLimit: Duration.seconds(TURNS * job.timeLimit.toSeconds()),
      suffix: ' of the parallel read',
      field: 'read',
      jobName: sfn.JsonPath.format('{}-read', sfn.JsonPath.stringAt('$$.Execution.Name')),
      arraySize: '$.plan.ranges',
      failures: parallelFailures(job.logGroup.logGroupName),
    });
    task.next(next);
    return task;
  }

  /** Looks at the export until it is complete. */
  private follow(next: sfn.IChainable): sfn.Pass {
    const limit = this.props.job.timeLimit;
    const minutes = Math.ceil(limit.toMinutes({ integral: false }));
    const longWait = Duration.minutes(
      Math.max(LONG_WAIT.toMinutes(), Math.ceil(minutes / LONG_LOOKS)),
    );
    const look = this.call('Look at the export', 'export', {
      action: 'follow',
      'resourceArn.$': '$.resourceArn',
      'exportArn.$': '$.plan.exportArn',
    });
    const wait = lookAgain(this, {
      of: 'the export',
      count: 'Count the looks',
      question: 'Export complete?',
      look,
      done: sfn.Condition.stringEquals('$.export.status', 'COMPLETED'),
      next,
      most: looksIn(limit, longWait),
      tooMany: this.endless(minutes),
      longWait,
    });
    const begin = beginToLook(this, 'Begin to look');
    begin.next(wait);
    return begin;
  }

  private endless(minutes: number): sfn.Fail {
    const hours = Math.round(minutes / 60);
    return failState(this, 'Failed: export not complete', {
      error: 'AutoDump.ExportNotComplete',
      text: `DynamoDB had not completed the export after ${hours} hours, so there is no backup. An export cannot be stopped: what it still writes is none either. If tables of this size need longer, raise dumpTimeout; or choose the method scan by the tag of the table. {} The export: {}`,
      paths: [this.props.note, '$.plan.exportArn'],
    });
  }

  private call(name: string, field: string, parameters: object): sfn.CustomState {
    const task = invoke(
      this,
      name,
      this.props.planner,
      { Parameters: parameters, ResultPath: `$.${field}` },
      PLANNER_FINAL,
    );
    task.addCatch(this.failed, { resultPath: '$.plannerError' });
    return task;
  }

  private plannerFailed(): sfn.Choice {
    const fail = (state: string, error: string, text: string) =>
      failState(this, state, {
        error,
        text: `${text} {} It said: {}: {}`,
        paths: [this.props.note, '$.plannerError.Error', '$.plannerError.Cause'],
      });
    const why = new sfn.Choice(this, 'Why did the planner fail?');
    for (const { error, state, text } of PLANNER_FAILURES) {
      const is = sfn.Condition.stringEquals('$.plannerError.Error', error);
      why.when(is, fail(state, error, text));
    }
    why.otherwise(
      fail(
        'Failed: planner function',
        'AutoDump.Planner',
        'Nothing was backed up: the function that plans the backups of tables did not answer. See its log.',
      ),
    );
    return withCause(this, 'the planner', '$.plannerError', why);
  }
}
