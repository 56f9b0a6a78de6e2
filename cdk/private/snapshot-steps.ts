import { Duration } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { beginToLook, LONG_WAIT, lookAgain, looksIn, SHORT_LOOKS } from './looks';
import { SNAPSHOT_FAILURES, SNAPSHOT_FINAL, SNAPSHOT_SLOW } from './snapshot-failure';
import { failState, invoke, withCause } from './states';

export interface SnapshotStepsProps {
  /** The function that takes the steps: contract/snapshots.json. */
  readonly snapshots: lambda.IFunction;
  /** The path of a sentence that the cause of every failure says too. */
  readonly note: string;
  /** What follows the backup. */
  readonly next: sfn.IChainable;
}

/**
 * The longest from the plan to the end of the export. For as long, other runs leave the snapshot of a run
 * without a manifest alone (crates/core/src/snapshot/prune.rs).
 */
const LIMIT = Duration.days(7);

/** The error of a run that took longer. */
const NOT_COMPLETE = 'AutoDump.SnapshotNotComplete';

/** What RDS is asked of the run. */
const RUN = {
  'resourceArn.$': '$.resourceArn',
  'start.$': '$.when',
  'executionArn.$': '$$.Execution.Id',
};

/** Where it is said what became of what a failed run had made. */
const UNDONE = '$.undo.note';

/**
 * Backs up a database of RDS: a snapshot, unless an automated one is taken, its export, the manifest. Then
 * snapshots that are too many are deleted. What a run that fails has made is removed first.
 */
export class SnapshotSteps extends Construct {
  readonly start: sfn.CustomState;
  private readonly props: SnapshotStepsProps;
  /** What follows a failed step. */
  private readonly undo: sfn.IChainable;

  constructor(scope: Construct, id: string, props: SnapshotStepsProps) {
    super(scope, id);
    this.props = props;
    const failed = withCause(this, 'the function of snapshots', '$.snapshotError', this.failed());
    this.undo = this.undoThen(failed);
    const nothingMade = new sfn.Pass(this, 'Note: nothing was made', {
      parameters: { note: 'Nothing was made in RDS.' },
      resultPath: '$.undo',
    });
    nothingMade.next(failed);
    this.start = this.call('Plan the snapshot', 'plan', 'plan', { 'tagHash.$': '$.tagHash' });
    this.start.addCatch(nothingMade, { resultPath: '$.snapshotError' });
    const begin = beginToLook(this, 'Begin to make the snapshot');
    this.start.next(begin).next(this.afterPlan());
  }

  private afterPlan(): sfn.Choice {
    const { next } = this.props;
    const follow = this.follow(
      this.step('Write the manifest', 'finish', 'backup', this.prune(next)),
    );
    const exported = this.exported(follow);
    return new sfn.Choice(this, 'Make a snapshot?')
      .when(sfn.Condition.booleanEquals('$.plan.make', true), this.make(exported))
      .otherwise(exported);
  }

  /** What was waited for until the limit, and what was said of it last. */
  private tooLong(of: string, said: string): sfn.Pass {
    const pass = new sfn.Pass(this, `Note: too long a wait for ${of}`, {
      parameters: { Error: NOT_COMPLETE, Cause: said },
      resultPath: '$.snapshotError',
    });
    pass.next(this.undo);
    return pass;
  }

  /** A database that is being changed or backed up has a snapshot made later. */
  private make(next: sfn.IChainable): sfn.CustomState {
    const look = this.step('Look at the snapshot', 'look', 'snapshot');
    lookAgain(this, {
      ...this.waits('the snapshot', 'the snapshot was still being made.'),
      count: 'Count the looks at the snapshot',
      question: 'Snapshot available?',
      look,
      done: sfn.Condition.stringEquals('$.snapshot.status', 'available'),
      next,
    });
    const make = this.step('Make the snapshot', 'make', 'snapshot');
    lookAgain(this, {
      ...this.waits('the database', sfn.JsonPath.stringAt('$.snapshot.reason')),
      count: 'Count the tries to make the snapshot',
      question: 'Snapshot begun?',
      look: make,
      done: sfn.Condition.or(
        ...['creating', 'available'].map((status) =>
          sfn.Condition.stringEquals('$.snapshot.status', status),
        ),
      ),
      next: look,
    });
    return make;
  }

  /**
   * Five exports run at once in an account: one over it waits its turn. Whoever waits for long asks as often as
   * whoever has only come, or would never have a turn.
   */
  private exported(next: sfn.IChainable): sfn.CustomState {
    const look = this.step('Start the export', 'export', 'export');
    lookAgain(this, {
      ...this.waits('other exports', sfn.JsonPath.stringAt('$.export.reason')),
      most: Math.ceil(LIMIT.toMinutes() / LONG_WAIT.toMinutes()),
      shortWait: LONG_WAIT,
      longWait: undefined,
      count: 'Count the tries to export',
      question: 'Export started?',
      look,
      done: sfn.Condition.stringEquals('$.export.status', 'starting'),
      next,
    });
    return look;
  }

  private follow(next: sfn.IChainable): sfn.IChainable {
    return lookAgain(this, {
      ...this.waits('the export of the snapshot', 'the export was still in progress.'),
      count: 'Count the looks at the export',
      question: 'Snapshot exported?',
      look: this.step('Look at the export of the snapshot', 'follow', 'export'),
      done: sfn.Condition.stringEquals('$.export.status', 'complete'),
      next,
    });
  }

  private waits(of: string, said: string) {
    return { of, most: looksIn(LIMIT), tooMany: this.tooLong(of, said), longWait: LONG_WAIT };
  }

  /** The backup is there, but too many snapshots make the next ones fail: that is not passed over. */
  private prune(next: sfn.IChainable): sfn.CustomState {
    const failed = failState(this, 'Failed: snapshots not pruned', {
      error: 'AutoDump.NotPruned',
      text: 'The backup is complete: {} But snapshots of the database that are too many could not be deleted. The next run tries again. See that nobody uses them, and that nothing denies the role of the function to delete them. {} It said: {}: {}',
      paths: ['$.backup.manifest', this.props.note, '$.pruneError.Error', '$.pruneError.Cause'],
    });
    const prune = this.call('Prune the snapshots', 'prune', 'pruned');
    prune.addCatch(withCause(this, 'the pruning', '$.pruneError', failed), {
      resultPath: '$.pruneError',
    });
    prune.next(next);
    return prune;
  }

  /** For two hours; from then on, and if it fails, the state machine of undoing goes on. */
  private undoThen(next: sfn.IChainable): sfn.Pass {
    const noted = (name: string, parameters: object) => {
      const pass = new sfn.Pass(this, name, {
        parameters: { ...parameters },
        resultPath: '$.undo',
      });
      pass.next(next);
      return pass;
    };
    const left = (why: string, ...paths: string[]) => ({
      note: sfn.JsonPath.format(
        `What this run made in RDS is NOT removed: ${why} The state machine of undoing goes on trying. If it fails too, cancel the export task of {} in RDS, and then delete that snapshot, but only if its name begins with autodump-.`,
        ...[...paths, '$.plan.snapshotArn'].map((path) => sfn.JsonPath.stringAt(path)),
      ),
    });
    const undo = this.call('Undo what was made', 'undo', 'undo');
    undo.addCatch(
      noted('Note: not undone', left('the function failed ({}).', '$.undoError.Error')),
      { resultPath: '$.undoError' },
    );
    lookAgain(this, {
      of: 'RDS to let go',
      count: 'Count the tries to undo',
      question: 'All undone?',
      look: undo,
      done: sfn.Condition.booleanEquals('$.undo.undone', true),
      next: noted('Note: undone', { note: 'Nothing that this run made is left in RDS.' }),
      most: SHORT_LOOKS,
      tooMany: noted('Note: not undone yet', left('RDS does not let go of it yet.')),
    });
    const begin = beginToLook(this, 'Begin to undo');
    begin.next(undo);
    return begin;
  }

  private failed(): sfn.Choice {
    const fail = (state: string, error: string, text: string) =>
      failState(this, state, {
        error,
        text: `${text} {} {} It said: {}: {}`,
        paths: [this.props.note, UNDONE, '$.snapshotError.Error', '$.snapshotError.Cause'],
      });
    const why = new sfn.Choice(this, 'Why did the snapshot fail?');
    const tooLong = `There is no backup: snapshot and export had not ended after ${LIMIT.toDays()} days. An export waits while five others of the account run: see in RDS what they are, and give their databases other schedules; or export less of a database, by the tag export-only.`;
    const failures = [
      ...SNAPSHOT_FAILURES,
      { error: NOT_COMPLETE, state: 'Failed: snapshot not complete', text: tooLong },
    ];
    for (const { error, state, text } of failures) {
      const is = sfn.Condition.stringEquals('$.snapshotError.Error', error);
      why.when(is, fail(state, error, text));
    }
    return why.otherwise(
      fail(
        'Failed: snapshot function',
        'AutoDump.Snapshots',
        'There is no backup: the function of snapshots did not answer. See its log.',
      ),
    );
  }

  /** A step whose failure undoes the run. */
  private step(
    name: string,
    action: string,
    field: string,
    next?: sfn.IChainable,
  ): sfn.CustomState {
    const task = this.call(name, action, field);
    task.addCatch(this.undo, { resultPath: '$.snapshotError' });
    if (next) task.next(next);
    return task;
  }

  private call(name: string, action: string, field: string, more: object = {}): sfn.CustomState {
    return invoke(
      this,
      name,
      this.props.snapshots,
      { Parameters: { action, ...RUN, ...more }, ResultPath: `$.${field}` },
      SNAPSHOT_FINAL,
      SNAPSHOT_SLOW,
    );
  }
}
