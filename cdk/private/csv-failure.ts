import {
  capitalised,
  each,
  FailureClass,
  INTERNAL,
  JobFailures,
  NEVER_STARTED,
  TIMEOUT,
} from './job-failure';

/** What a conversion can end with. No apostrophes and no braces: see `failState`. */
const TEXTS: { readonly [name in FailureClass]?: string } = {
  configuration:
    'A setting or the schema of the table is wrong; or a file needs more memory than there is, or a codec that is not known; or under the name of the result there is that of other files. A retry does not help. Correct what is named.',
  credentials:
    'AWS refused access. A retry does not help. See that nothing denies the role the buckets and their keys, and that sourceKeys has each key that files are encrypted with.',
  source: 'What was to be read broke off. All retries were used up.',
  destination:
    'A bucket could not be read or written. All retries were used up. See that both buckets exist, and that AutoDump may use them and their keys.',
  internal: INTERNAL,
  verification:
    'A file is damaged, was replaced or removed while it was read, or has other columns than the first one or the schema; or a row breaks a rule. A retry does not help. Correct the files or the schema; with the prop badRows, such rows go to a file of their own.',
  interrupted: 'It was told to stop: by a person, by a time limit, or by AWS. Start it again.',
};

/** A failure of the function, by the class that it gives its error. */
export interface FunctionFailure {
  /** The error, as the function names it. */
  readonly error: string;
  readonly state: string;
  readonly text: string;
}

const LEAD = 'The table was not converted, and no result of it is there that was not there before:';

export const FUNCTION_FAILURES: readonly FunctionFailure[] = Object.entries(TEXTS).map(
  ([name, text]) => ({
    error: `AutoDump.${capitalised(name)}`,
    state: `Failed: function (${name})`,
    text: `${LEAD} ${name}. ${text}`,
  }),
);

/** What the function says of itself and what another call does not change. */
export const FUNCTION_FINAL = ['configuration', 'credentials', 'internal', 'verification'].map(
  (name) => `AutoDump.${capitalised(name)}`,
);

/** How Lambda says that a call ended before its function did: out of time, or killed. */
export const FUNCTION_LOST = [
  'Lambda.Unknown',
  'Sandbox.Timedout',
  'Runtime.ExitError',
  'Runtime.OutOfMemory',
];

export const JOB_FAILURES: JobFailures = {
  byExitCode: each(TEXTS, (name) => ({
    state: `Failed: job (${name})`,
    error: `AutoDump.${capitalised(name)}`,
    text: LEAD,
  })),
  other: {
    state: 'Failed: csv job',
    error: 'AutoDump.CsvJob',
    text: `The table was not converted: the job did not end with an exit code of its program. It never started, or was killed from outside. ${NEVER_STARTED} ${TIMEOUT}`,
  },
};
