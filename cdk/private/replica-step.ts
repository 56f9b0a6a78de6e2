import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { JobStep, JobToRun, NOT_SUBMITTED } from './job-step';
import { REPLICA_FAILURES } from './table-failure';

export interface ReplicaProps extends JobToRun {
  /** Expressions. */
  readonly vcpu: string;
  readonly memory: string;
  /** The path of a sentence that the cause of every failure says too. */
  readonly note: string;
  readonly logGroup: logs.ILogGroup;
  /** What follows, be there a copy or not. */
  readonly next: sfn.IChainable;
}

/**
 * Restores the backup of a table into the copy that its plan names, if it names one: that of a
 * database has no plan. A job that failed is not submitted again: a table that it had made would be
 * taken for whole, and the rest of its definition would be missing unsaid.
 */
export function replicate(scope: Construct, { next, ...job }: ReplicaProps): sfn.Choice {
  const { task } = new JobStep(scope, 'Replicate the table', {
    ...job,
    suffix: ' of the replica',
    field: 'replica',
    jobName: sfn.JsonPath.format('{}-replica', sfn.JsonPath.stringAt('$$.Execution.Name')),
    environment: {
      AUTODUMP_RESTORE: sfn.JsonPath.jsonToString(sfn.JsonPath.objectAt('$.plan.replica')),
    },
    retried: NOT_SUBMITTED,
    failures: REPLICA_FAILURES,
  });
  task.next(next);
  return new sfn.Choice(scope, 'Replicate the table?')
    .when(sfn.Condition.isPresent('$.plan.replica'), task)
    .otherwise(next);
}
