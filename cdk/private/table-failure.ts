import {
  capitalised,
  each,
  FailureClass,
  INTERNAL,
  JobFailures,
  NEVER_STARTED,
  TIMEOUT,
} from './job-failure';

export const DESTINATION =
  'The bucket could not be written or read. All retries were used up. Read the log; see that the bucket exists, and that AutoDump may use it and its key.';

/** Of the job that makes the backup of a table, be it read by this job or by others before it. */
export const TABLE_FAILURES: JobFailures = {
  byExitCode: each(
    {
      configuration:
        'What the tags of the table say cannot work, or the table is gone. A retry does not help. Read the log, and correct the tags.',
      credentials:
        'AWS refused the job. A retry does not help. Read the log; see that the table is still there and bears the schedule tag, that nothing denies the role of the job the table and its key, and that the role of a source trusts AutoDump.',
      source:
        'The table could not be read, or broke off while it was read. All retries were used up. Read the log; see that the table has capacity left for reads.',
      destination: DESTINATION,
      engine:
        'DynamoDB answered what cannot become a backup. A retry does not help. Its own words are in the log.',
      internal: INTERNAL,
      verification:
        'What this run had written is missing or is other than it was written, so there is no backup of it. Read the log; see that nobody else writes or deletes there, and start a new run.',
      interrupted:
        'The job was told to stop: by a person, by its time limit, or by Fargate. Wait for the next run, or start a new one.',
    },
    (name) => ({
      state: `Failed: table (${name})`,
      error: `AutoDump.${capitalised(name)}`,
      text: 'The backup of the table failed:',
    }),
  ),
  other: {
    state: 'Failed: table job',
    error: 'AutoDump.TableJob',
    text: `The job that backs up the table did not end with an exit code of its program: it never started, or was killed from outside. Exit code 137 in what Batch says most often means too little memory: raise the size tag. ${NEVER_STARTED} ${TIMEOUT}`,
  },
};

const COPY_AGAIN =
  'The copy may be partly new; the next run copies anew. If this one made the table, delete it before: it may lack a part of its definition.';

/** Of the job that restores the backup of a table into its copy. But for `verification`, the backup is good. */
export const REPLICA_FAILURES: JobFailures = {
  byExitCode: [
    ...each(
      {
        verification: `Do not rely on this backup: take an older one. What differs is in the log. ${COPY_AGAIN}`,
      },
      (name) => ({
        state: `Failed: replica (${name})`,
        error: `AutoDump.${capitalised(name)}`,
        text: 'The copy of the table is not complete, as the backup is not as its manifest says:',
      }),
    ),
    ...each(
      {
        configuration: `What the tag replicate says cannot work, such as a copy with another key or in a region without the KMS key. Read the log, and correct the tag or the copy. ${COPY_AGAIN}`,
        credentials: `AWS refused the job: the copy does not bear the tag restore-target with the value yes, or something denies the role of restores the copy, the bucket or their keys. Read the log, and correct the tag or the grants. ${COPY_AGAIN}`,
        source: `The copy could not be reached, or broke off while it was written. Read the log; see that the copy has capacity left for writes. ${COPY_AGAIN}`,
        destination: `The backup could not be read. Read the log; see that AutoDump may read the bucket and use its key. ${COPY_AGAIN}`,
        engine: `DynamoDB refused what was restored. Its own words are in the log. ${COPY_AGAIN}`,
        internal: `${INTERNAL} ${COPY_AGAIN}`,
        interrupted: `The job was told to stop: by a person, by its time limit, or by Fargate. If it was the limit, raise restoreTimeout. ${COPY_AGAIN}`,
      },
      (name) => ({
        state: `Failed: replica (${name})`,
        error: 'AutoDump.NotReplicated',
        text: 'The backup is complete, but the copy of the table is not:',
      }),
    ),
  ],
  other: {
    state: 'Failed: replica job',
    error: 'AutoDump.NotReplicated',
    text: `The backup is complete, but the copy of the table is not: the job that copies did not end with an exit code of its program. It never started, or was killed from outside. Exit code 137 in what Batch says most often means too little memory: raise the size tag. ${NEVER_STARTED} ${TIMEOUT} ${COPY_AGAIN}`,
  },
};

/** Of the array job. Batch says of it only that a child failed. */
export function parallelFailures(logGroupName: string): JobFailures {
  return {
    byExitCode: [],
    other: {
      state: 'Failed: parallel read',
      error: 'AutoDump.ParallelRead',
      text: `The table was to be read by several jobs, and not all of them succeeded, so there is no backup. Their logs tell why: in Batch, the array job lists its children, and each names its log stream in log group ${logGroupName}. The exit code of a child is one of the table of exit codes. ${NEVER_STARTED} States.Timeout means that they had not all ended in ten times the time that one job has.`,
    },
  };
}

/** A failure of the planner, by the class that it gives its error. */
export interface PlannerFailure {
  /** The error, as the function names it. */
  readonly error: string;
  readonly state: string;
  /** No apostrophes and no braces: see `failState`. */
  readonly text: string;
}

const PLANNER_TEXTS: { readonly [name in FailureClass]?: string } = {
  configuration:
    'What the tags of the table say cannot work, or the table is gone. A retry does not help. Correct the tags.',
  credentials:
    'AWS refused the planner. A retry does not help. See that the table bears the schedule tag, that nothing denies the role of the planner the table, the bucket and their keys, and that the role of a source trusts AutoDump.',
  source: 'DynamoDB could not be asked. All retries were used up.',
  destination: DESTINATION,
  engine: 'DynamoDB refused the export, or failed it. A retry does not help. Its own words follow.',
  internal: INTERNAL,
  verification:
    'The plan that this run made before is gone or is other than it was written. A retry does not help. See that nobody else writes or deletes in the bucket, and start a new run.',
};

export const PLANNER_FAILURES: readonly PlannerFailure[] = Object.entries(PLANNER_TEXTS).map(
  ([name, text]) => ({
    error: `AutoDump.${capitalised(name)}`,
    state: `Failed: plan (${name})`,
    text: `Nothing was backed up, the planner failed: ${name}. ${text}`,
  }),
);

/** What the planner says of itself and what another call does not change. */
export const PLANNER_FINAL = [
  'configuration',
  'credentials',
  'engine',
  'internal',
  'verification',
].map((name) => `AutoDump.${capitalised(name)}`);
