import { capitalised, FailureClass, INTERNAL } from './job-failure';
import { DESTINATION } from './table-failure';

/** A failure of the function of snapshots, by the class that it gives its error. */
export interface SnapshotFailure {
  /** The error, as the function names it. */
  readonly error: string;
  readonly state: string;
  /** No apostrophes and no braces: see `failState`. */
  readonly text: string;
}

const TEXTS: { readonly [name in FailureClass]?: string } = {
  configuration:
    'What the tags of the database say cannot work, or RDS cannot do it: the database is gone, or is of another region or account, or the account has no room for another snapshot. A retry does not help. Do what the error says.',
  credentials:
    'AWS refused the function. A retry does not help. See that the database bears the schedule tag, that nothing denies the role of the function the database, the snapshots whose names begin with autodump-, the bucket and the keys, and that the key for exports lets that role make grants.',
  source:
    'RDS could not be asked, or the database or its snapshot was busy. All retries, of half an hour together, were used up. See that the database is available.',
  destination: DESTINATION,
  engine:
    'RDS failed the snapshot or the export, or somebody deleted the one or cancelled the other. A retry does not help. Its own words follow.',
  internal: INTERNAL,
  verification:
    'What lies in the bucket is not what RDS says that it wrote there, or the plan of this run is gone. A retry does not help. See that nobody else writes or deletes there, and start a new run.',
};

export const SNAPSHOT_FAILURES: readonly SnapshotFailure[] = Object.entries(TEXTS).map(
  ([name, text]) => ({
    error: `AutoDump.${capitalised(name)}`,
    state: `Failed: snapshot (${name})`,
    text: `There is no backup, the function of snapshots failed: ${name}. ${text}`,
  }),
);

/** What the function says of itself and what another call does not change. */
export const SNAPSHOT_FINAL = [
  'configuration',
  'credentials',
  'engine',
  'internal',
  'verification',
].map((name) => `AutoDump.${capitalised(name)}`);

/** What passes: a snapshot that is busy, and a bucket that is not well, which must not cost a whole export. */
export const SNAPSHOT_SLOW = ['AutoDump.Source', 'AutoDump.Destination'];
