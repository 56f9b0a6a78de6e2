import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { RESTORE_FAILURES } from './private/job-failure';
import { JobStep, JobToRun, NOT_SUBMITTED, runJobs } from './private/job-step';
import { OwnStateMachine } from './private/states';

export interface RestoreStateMachineProps {
  readonly stateMachineName: string;
  readonly restore: JobToRun;
  readonly logGroup: logs.ILogGroup;
}

/** Of `job` in contract/restore-input.json, which may leave out either field or be left out. */
const DEFAULT_SIZE = { vcpu: '2', memory: '4096' };

/** Restores one backup into one database or table. It is started by a person, never by AutoDump. */
export class RestoreStateMachine extends OwnStateMachine {
  constructor(scope: Construct, id: string, props: RestoreStateMachineProps) {
    const { logGroup, restore, stateMachineName } = props;
    super(scope, id, {
      stateMachineName,
      comment:
        'One restore of one backup into one database or table. The name of an execution is that of its job: letters, digits, - and _, the first a letter or a digit.',
      start: makeStates(new Construct(scope, `${id}States`), props),
      roleDescription: 'AutoDump: runs the restore job',
      statements: runJobs(scope, [restore]),
      logGroup,
      untraced: 'An execution runs one step, which its history shows with its times.',
    });
  }
}

/** The states. Their names are what an operator reads in the console. */
function makeStates(
  scope: Construct,
  { logGroup, restore }: RestoreStateMachineProps,
): sfn.IChainable {
  const { task } = new JobStep(scope, 'Restore the backup', {
    ...restore,
    field: 'restore',
    jobName: '$$.Execution.Name',
    vcpu: asText('$.job.vcpu'),
    memory: asText('$.job.memory'),
    // As it was given: the job refuses what it does not know. The overrides of a job have 8192
    // characters at most.
    environment: {
      AUTODUMP_RESTORE: sfn.JsonPath.jsonToString(sfn.JsonPath.objectAt('$.given')),
    },
    retried: NOT_SUBMITTED,
    failures: RESTORE_FAILURES,
    logGroup,
  });
  const wrong = new sfn.Fail(scope, 'Failed: input', {
    error: 'AutoDump.Input',
    cause:
      'The input must be an object with manifest (the S3 URL of a manifest.json) and to (the ARN or the name of the secret of the database, or of the table, to restore into), both texts. It may have options and job, both objects. Nothing was restored.',
  });
  const check = new sfn.Choice(scope, 'Is the input whole?');
  for (const path of ['$.manifest', '$.to']) {
    check
      .when(sfn.Condition.isNotPresent(path), wrong)
      .when(sfn.Condition.isNotString(path), wrong);
  }
  check.when(isPresentButNoObject('$.job'), wrong);
  const complete = new sfn.Succeed(scope, 'Restore complete');
  return check.otherwise(fillIn(scope).next(task).next(complete));
}

/** There is no operator for objects, and none for arrays: the merge of one fails. */
function isPresentButNoObject(path: string): sfn.Condition {
  const is = sfn.Condition;
  return is.and(
    is.isPresent(path),
    is.or(is.isString(path), is.isNumeric(path), is.isBoolean(path), is.isNull(path)),
  );
}

/** A number is taken as well as its text. */
function asText(path: string): string {
  return sfn.JsonPath.format('{}', sfn.JsonPath.stringAt(path));
}

/** Each field of `job` that is missing gets its default. The input stays as it is, in `given`. */
function fillIn(scope: Construct): sfn.Chain {
  const merge = (defaults: string, given: string) =>
    sfn.JsonPath.jsonMerge(sfn.JsonPath.objectAt(defaults), sfn.JsonPath.objectAt(given));
  const take = new sfn.Pass(scope, 'Take the defaults', {
    parameters: {
      defaults: { job: {} },
      size: DEFAULT_SIZE,
      given: sfn.JsonPath.entirePayload,
    },
  });
  const fields = new sfn.Pass(scope, 'Fill in the fields', {
    parameters: {
      size: sfn.JsonPath.objectAt('$.size'),
      given: sfn.JsonPath.objectAt('$.given'),
      input: merge('$.defaults', '$.given'),
    },
  });
  const size = new sfn.Pass(scope, 'Fill in the size', {
    parameters: {
      given: sfn.JsonPath.objectAt('$.given'),
      job: merge('$.size', '$.input.job'),
    },
  });
  return take.next(fields).next(size);
}
