/** How a dump can fail, as the exit code of the dumper says it. */
export interface DumpFailure {
  /** The dumper's exit code, as in contract/exit-codes.json. */
  readonly exitCode: number;
  /** The class, as in contract/exit-codes.json. */
  readonly failureClass: string;
  /** What it means, and what a person does now. No apostrophes and no braces: see `format`. */
  readonly text: string;
}

/** Every class of failure that the dumper itself can tell. */
export const DUMP_FAILURES: readonly DumpFailure[] = [
  {
    exitCode: 10,
    failureClass: 'configuration',
    text: 'What the secret or its tags say cannot work. A retry does not help. Read the log, and correct the secret or its tags.',
  },
  {
    exitCode: 11,
    failureClass: 'credentials',
    text: 'The credentials were refused: the secret could not be read, or the database did not take the user and the password. A retry does not help. Read the log, and correct the secret or the grants.',
  },
  {
    exitCode: 12,
    failureClass: 'source',
    text: 'The database could not be reached, or broke off while it was dumped. All retries were used up. Read the log; see that the server runs, and that its security group lets AutoDump in.',
  },
  {
    exitCode: 13,
    failureClass: 'destination',
    text: 'The dump could not be written to the bucket. All retries were used up. Read the log; see that the bucket exists, and that AutoDump may write to it and use its key.',
  },
  {
    exitCode: 14,
    failureClass: 'engine',
    text: 'The dump program of the engine failed. A retry does not help. Its own words are in the log: most often a right is missing in the database, or the server is newer than the programs in the image.',
  },
  {
    exitCode: 15,
    failureClass: 'internal',
    text: 'This is a fault in AutoDump itself. Please report it with the log.',
  },
  {
    exitCode: 143,
    failureClass: 'interrupted',
    text: 'The job was told to stop: by a person, by its time limit, or by Fargate. Start the dump again, or wait for the next run.',
  },
];

/** What is said of a job that ended without one of the codes above. */
export const NO_EXIT_CODE =
  'The dump job did not end with an exit code of the dumper: it never started, or was killed from outside. Exit code 137 in what Batch says most often means too little memory: raise the size tag. If the job never started, see that the image can be pulled and that the subnets reach AWS. States.Timeout means that the job had not ended a day after the time of all its attempts.';
