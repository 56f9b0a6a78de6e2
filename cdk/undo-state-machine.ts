import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { beginToLook, LONG_WAIT, lookAgain, looksIn } from './private/looks';
import { allow } from './private/role';
import { SNAPSHOT_FINAL, SNAPSHOT_SLOW } from './private/snapshot-failure';
import { failState, invoke, OwnStateMachine, withCause } from './private/states';

export interface UndoStateMachineProps {
  readonly stateMachineName: string;
  readonly snapshots: lambda.Function;
  /** The state machine whose executions leave something. */
  readonly runs: sfn.IStateMachine;
  readonly logGroup: logs.ILogGroup;
}

/** RDS may take days to make a snapshot, and deletes none that is being made. */
const LIMIT = Duration.days(7);
/** What a call of the function may last after the execution that made it was stopped. */
const LAST_CALL = Duration.minutes(16);

/**
 * Removes what a run of a database of RDS has left: one that was stopped, which could not do it by itself, or
 * one that failed, and perhaps could not either. A run with a manifest keeps what it made.
 */
export class UndoStateMachine extends OwnStateMachine {
  constructor(scope: Construct, id: string, props: UndoStateMachineProps) {
    const { logGroup, runs, snapshots, stateMachineName } = props;
    super(scope, id, {
      stateMachineName,
      comment:
        'Removes what a stopped or failed run of a database of RDS has left there. Its input is the event of the end of that execution.',
      start: makeStates(new Construct(scope, `${id}States`), snapshots),
      roleDescription: 'AutoDump: runs the function of snapshots, to undo',
      statements: [allow(['lambda:InvokeFunction'], [snapshots.functionArn])],
      logGroup,
      untraced: 'An execution waits, and repeats one call that its history shows with its times.',
    });
    new events.Rule(this, 'Stopped', {
      description: 'AutoDump: a run of a database of RDS was stopped, or failed',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          stateMachineArn: [runs.stateMachineArn],
          status: ['ABORTED', 'TIMED_OUT', 'FAILED'],
          // It is a text. The function ignores what is of no database after all.
          input: [{ wildcard: '*:rds:*' }],
        },
      },
      targets: [new targets.SfnStateMachine(this)],
    });
  }
}

/** The states. Their names are what an operator reads in the console. */
function makeStates(scope: Construct, snapshots: lambda.IFunction): sfn.IChainable {
  const undo = invoke(
    scope,
    'Undo what is left',
    snapshots,
    { Parameters: { 'source.$': '$.source', 'detail.$': '$.detail' }, ResultPath: '$.undo' },
    SNAPSHOT_FINAL,
    SNAPSHOT_SLOW,
  );
  const { notLetGo, notUndone } = failures(scope);
  undo.addCatch(withCause(scope, 'the function', '$.undoError', notUndone), {
    resultPath: '$.undoError',
  });
  lookAgain(scope, {
    of: 'RDS to let go',
    count: 'Count the tries',
    question: 'All undone?',
    look: undo,
    done: sfn.Condition.booleanEquals('$.undo.undone', true),
    next: new sfn.Succeed(scope, 'Undone'),
    most: looksIn(LIMIT),
    tooMany: notLetGo,
    longWait: LONG_WAIT,
  });
  return new sfn.Wait(scope, 'Wait until no call can still run', {
    time: sfn.WaitTime.duration(LAST_CALL),
  })
    .next(beginToLook(scope, 'Begin to undo'))
    .next(undo);
}

function failures(scope: Construct): { readonly [name in 'notLetGo' | 'notUndone']: sfn.Fail } {
  const fail = (name: string, error: string, text: string, ...paths: string[]) =>
    failState(scope, name, {
      error,
      text: `What the execution {} made in RDS is NOT removed. ${text} In RDS, cancel the export task of that run, whose name begins with autodump-, and delete the snapshot whose tag made-in names the start of that run. The input was: {}`,
      paths: ['$.detail.executionArn', ...paths, '$.detail.input'],
    });
  return {
    notUndone: fail(
      'Failed: not undone',
      'AutoDump.NotUndone',
      'The function of snapshots failed: see its log. It said: {}: {}',
      '$.undoError.Error',
      '$.undoError.Cause',
    ),
    notLetGo: fail(
      'Failed: not let go',
      'AutoDump.NotLetGo',
      `RDS has not let go of it in ${LIMIT.toDays()} days.`,
    ),
  };
}
