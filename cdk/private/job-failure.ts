/** How a job can fail, as the exit code of its program says it. */
export interface JobFailure {
  /** The program's exit code, as in contract/exit-codes.json. */
  readonly exitCode: number;
  /** The name of the state in which the execution then ends. */
  readonly state: string;
  /** The error of that state. */
  readonly error: string;
  /** What it means, and what a person does now. No apostrophes and no braces: see `failState`. */
  readonly text: string;
}

/** What a state machine says of the failures of one kind of job. */
export interface JobFailures {
  /** Each that the program itself can tell. */
  readonly byExitCode: readonly JobFailure[];
  /** What is said of a job that ended without one of those codes. */
  readonly other: Omit<JobFailure, 'exitCode'>;
}

/** The exit code of each class, as in contract/exit-codes.json. */
const EXIT_CODES = {
  configuration: 10,
  credentials: 11,
  source: 12,
  destination: 13,
  engine: 14,
  internal: 15,
  verification: 16,
  interrupted: 143,
};
export type FailureClass = keyof typeof EXIT_CODES;

export const INTERNAL = 'This is a fault in AutoDump itself. Please report it with the log.';
export const NEVER_STARTED =
  'If the job never started, see that the image can be pulled and that the subnets reach AWS.';
export const TIMEOUT =
  'States.Timeout means that the job had not ended a day after the time of all its attempts; see in Batch that none of its name still waits, before you start another.';

export const capitalised = (text: string): string => `${text[0].toUpperCase()}${text.slice(1)}`;

/** In the order of the texts; each gets its state by `named`. */
export function each(
  texts: { readonly [name in FailureClass]?: string },
  named: (name: string) => Omit<JobFailure, 'exitCode'>,
): JobFailure[] {
  return (Object.entries(texts) as [FailureClass, string][]).map(([name, text]) => {
    const exitCode = EXIT_CODES[name];
    const { state, error, text: lead } = named(name);
    return { exitCode, state, error, text: `${lead} ${name} (exit code ${exitCode}). ${text}` };
  });
}

/** No dump ends with `verification`. */
export const DUMP_FAILURES: JobFailures = {
  byExitCode: each(
    {
      configuration:
        'What the secret or its tags say cannot work, or the server is newer than the programs in the image. A retry does not help. Read the log, and correct the secret, its tags or the image.',
      credentials:
        'The credentials were refused: the secret could not be read, or the database did not take the user and the password. A retry does not help. Read the log, and correct the secret or the grants.',
      source:
        'The database could not be reached, or broke off while it was dumped. All retries were used up. Read the log; see that the server runs, and that its security group lets AutoDump in.',
      destination:
        'The dump could not be written to the bucket. All retries were used up. Read the log; see that the bucket exists, and that AutoDump may write to it and use its key.',
      engine:
        'The dump program of the engine failed. A retry does not help. Its own words are in the log: most often a right is missing in the database.',
      internal: INTERNAL,
      interrupted:
        'The job was told to stop: by a person, by its time limit, or by Fargate. Start the dump again, or wait for the next run.',
    },
    (name) => ({
      state: `Failed: ${name}`,
      error: `AutoDump.${capitalised(name)}`,
      text: 'The dump failed:',
    }),
  ),
  other: {
    state: 'Failed: dump job',
    error: 'AutoDump.DumpJob',
    text: `The dump job did not end with an exit code of the dumper: it never started, or was killed from outside. Exit code 137 in what Batch says most often means too little memory: raise the size tag. ${NEVER_STARTED} ${TIMEOUT}`,
  },
};

/** All but `verification` leave a backup of which nothing bad is known. */
export const VERIFY_FAILURES: JobFailures = {
  byExitCode: [
    ...each(
      {
        verification:
          'Do not rely on this backup. What differs is in the log, and in the newest verification file beside the manifest, or there is no backup of this execution at all. Start a new dump, and keep the damaged one until the reason is known.',
      },
      (name) => ({
        state: `Failed: ${name}`,
        error: `AutoDump.${capitalised(name)}`,
        text: 'The backup is not as its manifest says:',
      }),
    ),
    ...each(
      {
        configuration:
          'The verification cannot work as it is set up. Read the log, and correct the tags; the level restore also needs an image with a PostgreSQL server of the version of the dump.',
        credentials:
          'AWS refused the verification job. Read the log; see that nothing denies its role the bucket and its key.',
        source: 'What was to be read broke off. All retries were used up. Read the log.',
        destination:
          'The bucket could not be read or written. All retries were used up. Read the log; see that AutoDump may read the bucket and use its key.',
        engine:
          'A program of the engine failed on its own account, not on the backup. Its own words are in the log.',
        internal: INTERNAL,
        interrupted: 'The job was told to stop: by a person, by its time limit, or by Fargate.',
      },
      (name) => ({
        state: `Failed: not verified (${name})`,
        error: 'AutoDump.NotVerified',
        text: 'The backup is complete, but was not verified:',
      }),
    ),
  ],
  other: {
    state: 'Failed: verification job',
    error: 'AutoDump.NotVerified',
    text: `The backup is complete, but was not verified: the verification job did not end with an exit code of its program. It never started, or was killed from outside. Exit code 137 in what Batch says most often means too little memory: raise the size tag. ${NEVER_STARTED} ${TIMEOUT}`,
  },
};

/** The database or the table is left as the restore had it when it failed: no restore is retried. */
export const RESTORE_FAILURES: JobFailures = {
  byExitCode: each(
    {
      configuration:
        'What the input, the secret or the tags say cannot work, such as a database or a table that is not empty. Read the log, and correct them.',
      credentials:
        'The credentials were refused: the secret or the table bears no tag that makes it a target of restores, or could not be read, or the database did not take the user and the password. Read the log, and correct the secret, the tags or the grants.',
      source:
        'The database or the table could not be reached, or broke off while it was restored. Read the log; see that the server runs, and that its security group lets AutoDump in. Then empty it and start again.',
      destination:
        'The backup could not be read. Read the log; see that the manifest exists, and that AutoDump may read the bucket and use its key. If rows or items are there already, empty the database or the table before the next start.',
      engine:
        'The database or DynamoDB refused what was restored, or a program of the engine failed. Its own words are in the log: most often a role, an extension or a right is missing.',
      internal: INTERNAL,
      verification:
        'The backup is not as its manifest says. What differs is in the log. Take another backup, into an empty database or table.',
      interrupted:
        'The job was told to stop: by a person, by its time limit, or by Fargate. Empty the database or the table and start again.',
    },
    (name) => ({
      state: `Failed: ${name}`,
      error: `AutoDump.${capitalised(name)}`,
      text: 'The restore failed:',
    }),
  ),
  other: {
    state: 'Failed: restore job',
    error: 'AutoDump.RestoreJob',
    text: `The restore job did not end with an exit code of its program: it never started, or was killed from outside. Exit code 137 in what Batch says most often means too little memory: give more in the field job of the input. ${NEVER_STARTED} ${TIMEOUT}`,
  },
};
