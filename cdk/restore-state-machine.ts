import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { RESTORE_FAILURES } from './private/job-failure';
import { JobStep, JobToRun, runJobs } from './private/job-step';
import { OwnStateMachine } from './private/states';

export interface RestoreStateMachineProps {
  readonly stateMachineName: string;
  readonly restore: JobToRun;
  readonly logGroup: logs.ILogGroup;
}

/** What the input may leave out, as in contract/restore-input.json. */
const DEFAULTS = { options: {}, job: {} };
const DEFAULT_SIZE = { vcpu: '2', memory: '4096' };
/** What belongs into `options`: left beside it, it would be overlooked, and more be restored. */
const OPTIONS = [
  'jobs',
  'tables',
  'schemas',
  'schemaOnly',
  'dataOnly',
  'noOwner',
  'noPrivileges',
  'create',
  'clean',
  'allowNonEmpty',
  'dryRun',
];
/** Of a call that Batch has not taken. After any other error a job may be there already. */
const NOT_SUBMITTED = ['Batch.TooManyRequestsException'];

/** Restores one backup into one database. It is started by a person, never by AutoDump. */
export class RestoreStateMachine extends OwnStateMachine {
  constructor(scope: Construct, id: string, props: RestoreStateMachineProps) {
    const { logGroup, restore, stateMachineName } = props;
    super(scope, id, {
      stateMachineName,
      comment:
        'One restore of one backup into one database. The name of an execution is that of its job: letters, digits, - and _, the first a letter or a digit.',
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
    environment: {
      AUTODUMP_MANIFEST: '$.manifest',
      AUTODUMP_TO: '$.to',
      AUTODUMP_RESTORE: sfn.JsonPath.jsonToString(sfn.JsonPath.objectAt('$.options')),
    },
    retried: NOT_SUBMITTED,
    failures: RESTORE_FAILURES,
    logGroup,
  });
  const wrong = new sfn.Fail(scope, 'Failed: input', {
    error: 'AutoDump.Input',
    cause:
      'The input must be an object with manifest (the S3 URL of a manifest.json) and to (the ARN or the name of the secret of the database to restore into), both texts. It may have options and job, both objects; what is known as an option must be within options. Nothing was restored.',
  });
  const check = new sfn.Choice(scope, 'Is the input whole?');
  for (const path of ['$.manifest', '$.to']) {
    check
      .when(sfn.Condition.isNotPresent(path), wrong)
      .when(sfn.Condition.isNotString(path), wrong);
  }
  for (const option of OPTIONS) check.when(sfn.Condition.isPresent(`$.${option}`), wrong);
  const complete = new sfn.Succeed(scope, 'Restore complete');
  return check.otherwise(fillIn(scope).next(task).next(complete));
}

/** A number is taken as well as its text. */
function asText(path: string): string {
  return sfn.JsonPath.format('{}', sfn.JsonPath.stringAt(path));
}

/** Each field of the input that is missing gets its default, and so does each of `job`. */
function fillIn(scope: Construct): sfn.Chain {
  const merge = (defaults: string, given: string) =>
    sfn.JsonPath.jsonMerge(sfn.JsonPath.objectAt(defaults), sfn.JsonPath.objectAt(given));
  const take = new sfn.Pass(scope, 'Take the defaults', {
    parameters: { defaults: DEFAULTS, size: DEFAULT_SIZE, input: sfn.JsonPath.entirePayload },
  });
  const fields = new sfn.Pass(scope, 'Fill in the fields', {
    parameters: {
      size: sfn.JsonPath.objectAt('$.size'),
      input: merge('$.defaults', '$.input'),
    },
  });
  const size = new sfn.Pass(scope, 'Fill in the size', {
    parameters: {
      manifest: sfn.JsonPath.stringAt('$.input.manifest'),
      to: sfn.JsonPath.stringAt('$.input.to'),
      options: sfn.JsonPath.objectAt('$.input.options'),
      job: merge('$.size', '$.input.job'),
    },
  });
  return take.next(fields).next(size);
}
