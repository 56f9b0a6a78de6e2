import { Duration } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import {
  FUNCTION_FAILURES,
  FUNCTION_FINAL,
  FUNCTION_LOST,
  JOB_FAILURES,
} from './private/csv-failure';
import { JobStep, JobToRun, NOT_SUBMITTED, runJobs } from './private/job-step';
import { allow } from './private/role';
import { failState, invoke, OwnStateMachine } from './private/states';

export interface CsvStateMachineProps {
  readonly stateMachineName: string;
  readonly converter: lambda.IFunction;
  /** The most bytes of Parquet of a table that the function takes. */
  readonly functionBytes: number;
  /** How long after a `_SUCCESS` its table is looked at. */
  readonly settle: Duration;
  /** What converts all else, if it is there. */
  readonly job?: JobToRun;
  readonly logGroup: logs.ILogGroup;
}

/** Looks at the table of one `_SUCCESS`, and converts it if it is there whole. */
export class CsvStateMachine extends OwnStateMachine {
  constructor(scope: Construct, id: string, props: CsvStateMachineProps) {
    const { converter, job, logGroup, stateMachineName } = props;
    super(scope, id, {
      stateMachineName,
      comment:
        'One table of Parquet to CSV, when one of its directories has its _SUCCESS. By hand, with the input of an event of S3: detail with bucket.name and object.key. The name of an execution is that of its job: letters, digits, - and _, the first a letter or a digit.',
      start: new States(scope, `${id}States`, props).start,
      roleDescription: 'AutoDump: runs the function and the job that convert Parquet to CSV',
      statements: [
        allow(['lambda:InvokeFunction'], [converter.functionArn]),
        ...(job ? runJobs(scope, [job]) : []),
      ],
      logGroup,
      untraced: 'An execution runs some steps, which its history shows with their times.',
    });
  }
}

/** The states. Their names are what an operator reads in the console. */
class States extends Construct {
  readonly start: sfn.IChainable;
  private readonly props: CsvStateMachineProps;
  private readonly failed: sfn.Choice;
  private readonly complete: sfn.Succeed;

  constructor(scope: Construct, id: string, props: CsvStateMachineProps) {
    super(scope, id);
    this.props = props;
    this.failed = this.functionFailed();
    this.complete = new sfn.Succeed(this, 'CSV complete', {
      comment: 'Where its manifest is, is in the output.',
    });
    const job = props.job ? this.job(props.job) : undefined;
    const convert = this.convert(job ?? this.tooSlow(), job);
    const nothing = new sfn.Succeed(this, 'Ended: nothing to convert', {
      comment: 'The reason is in the output, under look.',
    });
    const how = new sfn.Choice(this, 'How is the table converted?')
      .when(sfn.Condition.stringEquals('$.look.do', 'nothing'), nothing)
      .when(sfn.Condition.stringEquals('$.look.do', 'job'), job ?? this.tooLarge())
      .otherwise(convert);
    this.start = this.check(this.settled(this.look(how)));
  }

  private settled(next: sfn.IChainable): sfn.IChainable {
    const { settle } = this.props;
    if (settle.toSeconds() === 0) return next;
    return new sfn.Wait(this, 'Wait for further batches', {
      time: sfn.WaitTime.duration(settle),
    }).next(next);
  }

  private check(next: sfn.IChainable): sfn.Choice {
    const wrong = new sfn.Fail(this, 'Failed: input', {
      error: 'AutoDump.Input',
      cause:
        'The input must be an object with detail.bucket.name and detail.object.key, both texts: the bucket of the files, and the key of a _SUCCESS. Nothing was converted.',
    });
    const check = new sfn.Choice(this, 'Is the input whole?');
    for (const path of ['$.detail.bucket.name', '$.detail.object.key']) {
      check
        .when(sfn.Condition.isNotPresent(path), wrong)
        .when(sfn.Condition.isNotString(path), wrong);
    }
    return check.otherwise(next);
  }

  private look(next: sfn.IChainable): sfn.CustomState {
    const look = this.call('Look at the table', 'look', {
      action: 'look',
      'bucket.$': '$.detail.bucket.name',
      'key.$': '$.detail.object.key',
    });
    look.addCatch(this.failed, { resultPath: '$.csvError' });
    look.next(next);
    return look;
  }

  /** A call that is lost is not made again: the job has the time, or the memory, that it lacked. */
  private convert(tooSlow: sfn.IChainable, job?: sfn.CustomState): sfn.CustomState {
    const convert = this.call(
      'Convert in the function',
      'convert',
      { action: 'convert', 'table.$': '$.look.table' },
      FUNCTION_LOST,
    );
    if (job) convert.addCatch(job, { errors: FUNCTION_LOST, resultPath: '$.lost' });
    convert.addCatch(this.failed, { resultPath: '$.csvError' });
    const growing = new sfn.Succeed(this, 'Ended: more of the table is still to come', {
      comment: 'The reason is in the output, under convert. Its last _SUCCESS starts this again.',
    });
    convert.next(
      new sfn.Choice(this, 'Converted?')
        .when(sfn.Condition.stringEquals('$.convert.status', 'too-slow'), tooSlow)
        .when(sfn.Condition.stringEquals('$.convert.status', 'growing'), growing)
        .otherwise(this.complete),
    );
    return convert;
  }

  private job(job: JobToRun): sfn.CustomState {
    const { task } = new JobStep(this, 'Convert in a job', {
      ...job,
      field: 'job',
      jobName: '$$.Execution.Name',
      environment: {
        AUTODUMP_CSV_TABLE: sfn.JsonPath.jsonToString(sfn.JsonPath.objectAt('$.look.table')),
      },
      retried: NOT_SUBMITTED,
      failures: JOB_FAILURES,
      logGroup: this.props.logGroup,
    });
    // A job has no answer: it succeeds, too, where more of the table has come meanwhile.
    const complete = new sfn.Succeed(this, 'Job complete', {
      comment:
        'Its log says where the manifest is, or that more of the table is still to come: its last _SUCCESS starts this again.',
    });
    task.next(complete);
    return task;
  }

  private tooLarge(): sfn.Fail {
    const { functionBytes } = this.props;
    return failState(this, 'Failed: too large for the function', {
      error: 'AutoDump.TooLarge',
      text: `The table was not converted: its {} files have {} bytes, and the function takes ${functionBytes} (functionLimit). What is larger needs a job: give the ParquetToCsv a vpc. Or raise functionLimit, where 15 minutes are enough. Then start an execution with the same input. The table: {}`,
      paths: ['$.look.files', '$.look.bytes', '$.look.table.directory'],
    });
  }

  private tooSlow(): sfn.Fail {
    return failState(this, 'Failed: too slow for the function', {
      error: 'AutoDump.TooSlow',
      text: 'The table was not converted: its {} files have {} bytes, and the 15 minutes of the function were not enough. It needs a job: give the ParquetToCsv a vpc, and start an execution with the same input. The table: {}',
      paths: ['$.look.files', '$.look.bytes', '$.look.table.directory'],
    });
  }

  private call(name: string, field: string, parameters: object, lost: string[] = []) {
    return invoke(
      this,
      name,
      this.props.converter,
      { Parameters: parameters, ResultPath: `$.${field}` },
      [...FUNCTION_FINAL, ...lost],
    );
  }

  private functionFailed(): sfn.Choice {
    const { logGroupName } = this.props.logGroup;
    const fail = (state: string, error: string, text: string) =>
      failState(this, state, {
        error,
        text: `${text} Log: log group ${logGroupName}. It said: {}: {}`,
        paths: ['$.csvError.Error', '$.csvError.Cause'],
      });
    const why = new sfn.Choice(this, 'Why did the function fail?');
    for (const { error, state, text } of FUNCTION_FAILURES) {
      const is = sfn.Condition.stringEquals('$.csvError.Error', error);
      why.when(is, fail(state, error, text));
    }
    why.otherwise(
      fail(
        'Failed: csv function',
        'AutoDump.CsvFunction',
        'The table was not converted: the function did not answer, or not in its 15 minutes. What takes longer needs a job, and so a vpc.',
      ),
    );
    const noCause = new sfn.Pass(this, 'Note: the function gave no cause', {
      parameters: {
        Error: sfn.JsonPath.stringAt('$.csvError.Error'),
        Cause: 'no cause was given.',
      },
      resultPath: '$.csvError',
    });
    noCause.next(why);
    return new sfn.Choice(this, 'Did the function give a cause?')
      .when(sfn.Condition.isNotPresent('$.csvError.Cause'), noCause)
      .otherwise(why);
  }
}
