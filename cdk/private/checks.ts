import { Duration, Size, SizeRoundingBehavior, Token } from 'aws-cdk-lib';

/** No more than the handlers take (crates/core/src/tags/prefix.rs). */
const TAG_PREFIX = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$/;
/** A tag key has at most 128 characters; the longest that AutoDump knows needs 40 of them. */
const TAG_PREFIX_LENGTH = 80;

/** Says what is wrong with a prop, and what is allowed. */
export function reject(prop: string, value: unknown, rule: string): never {
  throw new Error(`AutoDump: \`${prop}\` is ${JSON.stringify(value)}. ${rule}`);
}

/** Throws unless every tag `<prefix>:…` is one that AWS lets a user write. */
export function checkTagPrefix(prefix: string): void {
  if (Token.isUnresolved(prefix)) {
    throw new Error(
      'AutoDump: `tagPrefix` is a value that is only known at deployment. It is part of IAM condition keys: give a literal string.',
    );
  }
  if (prefix.length === 0 || prefix.length > TAG_PREFIX_LENGTH) {
    reject('tagPrefix', prefix, `It must have 1 to ${TAG_PREFIX_LENGTH} characters.`);
  }
  if (!TAG_PREFIX.test(prefix) || prefix.endsWith(':')) {
    reject(
      'tagPrefix',
      prefix,
      'It must start with a letter or a digit, hold only letters, digits and `. _ : / @ + -`, and not end with a colon (AutoDump adds that).',
    );
  }
  if (/^aws/i.test(prefix)) {
    reject('tagPrefix', prefix, 'What starts with `aws` is reserved by AWS: choose another.');
  }
}

/** Throws unless the duration is a whole number of minutes, at least one. */
export function checkScanInterval(interval: Duration): void {
  if (interval.isUnresolved()) return;
  const minutes = interval.toMinutes({ integral: false });
  if (minutes < 1 || !Number.isInteger(minutes)) {
    reject(
      'scanInterval',
      interval.toHumanString(),
      'It must be a whole number of minutes, at least 1.',
    );
  }
}

/** Throws unless the duration is a whole number of days, at least one: S3 counts in days. */
export function checkRetention(retention: Duration): void {
  if (retention.isUnresolved()) return;
  const days = retention.toDays({ integral: false });
  if (days < 1 || !Number.isInteger(days)) {
    reject(
      'retention',
      retention.toHumanString(),
      'It must be a whole number of days, at least 1: S3 expires objects by days.',
    );
  }
}

/** Throws unless AWS Batch takes the duration as the time limit of a job on Fargate. */
export function checkTimeout(prop: string, timeout: Duration): void {
  if (timeout.isUnresolved()) {
    throw new Error(
      `AutoDump: \`${prop}\` is a value that is only known at deployment. Other times are reckoned from it: give a literal number.`,
    );
  }
  const minutes = timeout.toMinutes({ integral: false });
  if (minutes < 1 || minutes > 14 * 24 * 60) {
    reject(
      prop,
      timeout.toHumanString(),
      'It must be at least 1 minute and at most 14 days, the longest that Fargate lets a job run.',
    );
  }
}

/** Throws unless Fargate takes the size as that of a task's disk. */
export function checkScratchSize(size: Size): void {
  if (size.isUnresolved()) return;
  const gibibytes = size.toGibibytes({ rounding: SizeRoundingBehavior.NONE });
  if (!Number.isInteger(gibibytes) || gibibytes < 21 || gibibytes > 200) {
    reject('scratchSize', `${gibibytes} GiB`, 'It must be a whole number of GiB, 21 to 200.');
  }
}

/** Throws unless AWS Batch takes the number. */
export function checkMaxvCpus(maxvCpus: number): void {
  if (Token.isUnresolved(maxvCpus)) return;
  if (!Number.isInteger(maxvCpus) || maxvCpus < 1) {
    reject('maxvCpus', maxvCpus, 'It must be a whole number, at least 1.');
  }
}

/** Where a package is fetched from, and what it has to be. */
export interface ToolsPackage {
  readonly url: string;
  readonly sha256: string;
}

/** Throws unless the tools of MongoDB can be fetched and compared, and go into an image that is built. */
export function checkMongodbTools(tools: ToolsPackage, imageIsGiven: boolean): void {
  if (imageIsGiven) {
    throw new Error(
      'AutoDump: `image` and `mongodbTools` are both given. `mongodbTools` is for the image that AutoDump builds: put the tools into your own image, or leave `image` out.',
    );
  }
  for (const [name, value] of Object.entries(tools)) {
    if (Token.isUnresolved(value)) {
      throw new Error(
        `AutoDump: \`mongodbTools.${name}\` is a value that is only known at deployment. The images are built before that: give a literal string.`,
      );
    }
  }
  // Its value is left out of the message: it holds a password.
  if (/^\w+:\/\/[^/?#]*@/.test(tools.url)) {
    throw new Error(
      'AutoDump: `mongodbTools.url` has a user or a password. Build arguments are kept with the app and in build logs: give an address that needs none.',
    );
  }
  checkText(
    'mongodbTools.url',
    tools.url,
    /^https:\/\/[^\s/@]+\/\S+$/,
    'It must be the address of an archive, and begin with `https://`.',
  );
  checkText(
    'mongodbTools.sha256',
    tools.sha256,
    /^[0-9a-f]{64}$/i,
    'It must be the SHA-256 of the archive: 64 hexadecimal digits.',
  );
}

/** Throws when a prop is given that speaks of the made bucket, although an own bucket is given. */
export function checkOwnBucket(props: { readonly [name: string]: unknown }): void {
  if (props.bucket === undefined) return;
  for (const name of ['bucketName', 'retention']) {
    if (props[name] !== undefined) {
      throw new Error(
        `AutoDump: \`bucket\` and \`${name}\` are both given. \`${name}\` is for the bucket that AutoDump makes: set it on your own bucket, or leave \`bucket\` out.`,
      );
    }
  }
}

/** Throws unless the two can be the end of an ARN of a database's user. */
export function checkDatabaseLogin(resourceId: string, username: string): void {
  for (const [name, value] of Object.entries({ resourceId, username })) {
    if (!Token.isUnresolved(value) && (value.length === 0 || /[/:\s]/.test(value))) {
      reject(
        name,
        value,
        'It must be one part of an ARN: not empty, and without `/`, `:` and space.',
      );
    }
  }
}

/** Lambda takes 4 KB of environment for a function; this leaves room for what else is in it. */
const SOURCES_LENGTH = 3_400;
const REGION = /^[a-z]{2,5}(-[a-z]+)+-\d{1,2}$/;
const ROLE_ARN = /^arn:aws[a-z-]*:iam::(\d{12}):role\/[\w+=,.@/-]+$/;
const EXTERNAL_ID = /^[\w+=,.@:/-]{2,1224}$/;
/** What a source can say, as in contract/sources.json. */
const SOURCE_FIELDS: { readonly [name: string]: readonly [RegExp, string] } = {
  region: [REGION, 'It must be the name of a region, like `eu-central-1`.'],
  roleArn: [ROLE_ARN, 'It must be the ARN of a role, like `arn:aws:iam::111122223333:role/Name`.'],
  externalId: [
    EXTERNAL_ID,
    'It must have 2 to 1224 characters: letters, digits and `_ + = , . @ : / -`.',
  ],
};

/**
 * Throws unless each source is a region, or a region and a role, and none is there twice: a table
 * belongs to one source. Tables of the own region are looked for anyway.
 */
export function checkSources(sources: readonly object[], ownRegion: string): void {
  const seen = new Set<string>();
  sources.forEach((source, index) => {
    const prop = `sources[${index}]`;
    checkSource(prop, { ...source });
    const { region, roleArn } = source as { region: string; roleArn?: string };
    if (region === ownRegion && roleArn === undefined) {
      reject(prop, source, 'It is the region of the stack, which is always one: leave it out.');
    }
    const place = `${region} ${accountOf(roleArn)}`;
    if (seen.has(place)) {
      reject(prop, source, 'Its region and account are there twice: leave one out.');
    }
    seen.add(place);
  });
  const { length } = JSON.stringify(sources);
  if (length > SOURCES_LENGTH) {
    throw new Error(
      `AutoDump: \`sources\` has ${sources.length} entries, ${length} characters as JSON, and ${SOURCES_LENGTH} fit into the environment of a function. Give the roles shorter names, or divide the sources among two AutoDumps.`,
    );
  }
}

/** The account of a role; of one that is not known yet, the role itself. */
function accountOf(roleArn: string | undefined): string {
  return (roleArn && ROLE_ARN.exec(roleArn)?.[1]) ?? roleArn ?? '';
}

function checkSource(prop: string, source: { readonly [name: string]: unknown }): void {
  for (const [name, value] of Object.entries(source)) {
    if (!(name in SOURCE_FIELDS)) {
      reject(prop, source, 'It can have only `region`, `roleArn` and `externalId`.');
    }
    const [pattern, rule] = SOURCE_FIELDS[name];
    if (value !== undefined) checkText(`${prop}.${name}`, value, pattern, rule);
  }
  if (source.region === undefined) reject(prop, source, 'It must have a `region`.');
  if (source.externalId !== undefined && source.roleArn === undefined) {
    reject(prop, source, 'An `externalId` is told to a role: give `roleArn` too.');
  }
}

/** Throws unless the role of a source can be what its props say. */
export function checkSourceRole(props: {
  readonly trustedAccount: string;
  readonly trustedRoleArns?: string[];
  readonly bucketName: string;
  readonly externalId?: string;
  readonly regions?: string[];
}): void {
  const { bucketName, externalId, regions, trustedAccount, trustedRoleArns } = props;
  checkText('trustedAccount', trustedAccount, /^\d{12}$/, 'It must be an account id: 12 digits.');
  checkText(
    'bucketName',
    bucketName,
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    'It must be the name of the bucket of the backups.',
  );
  if (externalId !== undefined) checkText('externalId', externalId, ...SOURCE_FIELDS.externalId);
  for (const [name, list] of Object.entries({ regions, trustedRoleArns })) {
    if (list?.length === 0) reject(name, list, 'It must have an entry, or be left out.');
  }
  for (const region of regions ?? []) checkText('regions', region, ...SOURCE_FIELDS.region);
  for (const arn of trustedRoleArns ?? []) {
    // Names that CloudFormation makes up are known by their beginning alone.
    const rule = 'Each must be the ARN of a role; `*` stands for any characters of its name.';
    checkText('trustedRoleArns', arn, /^arn:[a-z-]+:iam::\d{12}:role\/[\w+=,.@/*-]+$/, rule);
  }
}

/** Throws unless the value is a text that fits, or one that is only known at deployment. */
export function checkText(prop: string, value: unknown, pattern: RegExp, rule: string): void {
  if (Token.isUnresolved(value)) return;
  if (typeof value !== 'string' || !pattern.test(value)) reject(prop, value, rule);
}
