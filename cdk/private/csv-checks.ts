import { Duration, Size, SizeRoundingBehavior, Token } from 'aws-cdk-lib';
import { checkMaxvCpus, checkText, checkTimeout, reject } from './checks';

/** What a conversion reads from or writes to. */
interface Place {
  readonly bucketName: string;
}

interface ConversionProps {
  readonly source: Place;
  readonly sourcePrefix?: string;
  readonly destination: Place;
  readonly destinationPrefix?: string;
  readonly compression?: string;
  readonly nullText?: string;
  readonly functionLimit?: Size;
  readonly pageMemory?: Size;
  readonly settle?: Duration;
  readonly vpc?: unknown;
  readonly maxvCpus?: number;
  readonly jobTimeout?: Duration;
}

/** A key has 1024 bytes, and the name of the table and what follows it need some of them. */
const PREFIX_LENGTH = 512;
/** As the parser of the settings (crates/core/src/compression.rs); what it takes for dumps alone is left out. */
const COMPRESSION = /^(none|gzip(:[1-9])?|zstd(:([1-9]|1[0-9]))?)$/;
/** Lambda takes 4 KB of environment for a function; this leaves room for what else is in it. */
const SETTINGS_LENGTH = 3_400;
/** What is said of the jobs, and nothing of the function. */
const OF_JOBS = [
  'vpcSubnets',
  'assignPublicIp',
  'securityGroups',
  'image',
  'maxvCpus',
  'jobTimeout',
];

/** Throws unless a ParquetToCsv can be what its props say. */
export function checkConversion(props: ConversionProps): void {
  const { compression, functionLimit, jobTimeout, maxvCpus, nullText, pageMemory, settle } = props;
  checkPrefixes(props);
  if (compression !== undefined) {
    checkText(
      'compression',
      compression,
      COMPRESSION,
      'It must be `none`, `gzip`, `gzip:1` to `gzip:9`, `zstd`, or `zstd:1` to `zstd:19`.',
    );
  }
  if (nullText !== undefined) {
    const rule =
      'It can hold no commas, quotes and line ends: it could not be told from other text.';
    checkText('nullText', nullText, /^[^,"\r\n]*$/, rule);
  }
  if (functionLimit) checkFunctionLimit(functionLimit);
  if (pageMemory) checkPageMemory(pageMemory);
  if (settle) checkSettle(settle);
  checkJob({ ...props });
  if (maxvCpus !== undefined) checkMaxvCpus(maxvCpus);
  if (jobTimeout) checkTimeout('jobTimeout', jobTimeout);
}

/** Throws unless the text can begin keys, and be in a policy and in a pattern of events as it is. */
export function checkPrefix(prop: string, prefix: string): void {
  if (Token.isUnresolved(prefix)) {
    throw new Error(
      `AutoDump: \`${prop}\` is a value that is only known at deployment. It is part of policies and of the pattern of a rule: give a literal string.`,
    );
  }
  if (Buffer.byteLength(prefix) > PREFIX_LENGTH) {
    reject(prop, prefix, `It must have at most ${PREFIX_LENGTH} bytes.`);
  }
  if (/[*?$\\"]/.test(prefix)) {
    reject(
      prop,
      prefix,
      'It can hold none of `* ? $ " \\`: these mean more in policies and rules.',
    );
  }
}

function checkPrefixes(props: ConversionProps): void {
  const { destination, destinationPrefix = '', source, sourcePrefix = '' } = props;
  checkPrefix('sourcePrefix', sourcePrefix);
  checkPrefix('destinationPrefix', destinationPrefix);
  if (source.bucketName !== destination.bucketName) return;
  if (sourcePrefix.startsWith(destinationPrefix) || destinationPrefix.startsWith(sourcePrefix)) {
    reject(
      'destinationPrefix',
      destinationPrefix,
      `\`destination\` is \`source\`, and \`sourcePrefix\` is ${JSON.stringify(sourcePrefix)}: results would lie among what is converted. Give another bucket, or prefixes of which neither begins with the other.`,
    );
  }
}

function checkFunctionLimit(limit: Size): void {
  if (limit.isUnresolved()) {
    throw new Error(
      'AutoDump: `functionLimit` is a value that is only known at deployment. The states say it: give a literal size.',
    );
  }
  if (limit.toBytes() < Size.mebibytes(1).toBytes()) {
    reject('functionLimit', `${limit.toBytes()} bytes`, 'It must be at least 1 MiB.');
  }
}

function checkSettle(time: Duration): void {
  if (time.isUnresolved()) {
    throw new Error(
      'AutoDump: `settle` is a value that is only known at deployment. Give a literal time.',
    );
  }
  const seconds = time.toSeconds({ integral: false });
  if (!Number.isInteger(seconds) || seconds > 24 * 60 * 60) {
    reject('settle', time.toHumanString(), 'It must be whole seconds, at most a day.');
  }
}

/** As the parser of the settings (crates/parquet/src/settings.rs). */
function checkPageMemory(memory: Size): void {
  if (memory.isUnresolved()) {
    throw new Error(
      'AutoDump: `pageMemory` is a value that is only known at deployment. Give a literal size.',
    );
  }
  const mebibytes = memory.toMebibytes({ rounding: SizeRoundingBehavior.NONE });
  if (!Number.isInteger(mebibytes) || mebibytes < 32 || mebibytes > 1024) {
    reject('pageMemory', `${memory.toBytes()} bytes`, 'It must be whole MiB, 32 to 1024.');
  }
}

function checkJob(props: { readonly [name: string]: unknown }): void {
  if (props.vpc !== undefined) return;
  for (const name of OF_JOBS) {
    if (props[name] !== undefined) {
      throw new Error(
        `AutoDump: \`${name}\` is given, but no \`vpc\`. \`${name}\` is for the jobs, which need a network: give \`vpc\` too, or leave \`${name}\` out.`,
      );
    }
  }
}

/** Throws unless the settings fit into the environment of the function. */
export function checkSettings(settings: object): void {
  const length = Buffer.byteLength(JSON.stringify(settings));
  if (length > SETTINGS_LENGTH) {
    throw new Error(
      `AutoDump: the settings have ${length} bytes as JSON, and ${SETTINGS_LENGTH} fit into the environment of a function. Give a shorter \`sourcePrefix\`, \`destinationPrefix\` or \`nullText\`, or a shorter prefix of \`schemas\`.`,
    );
  }
}

/** Throws unless each table has an object, which is whole. */
export function checkSchemas(schemas: { readonly [table: string]: unknown }): void {
  const tables = Object.entries(schemas);
  if (tables.length === 0) {
    reject('schemas', schemas, 'It must have a table: leave it out where there are no rules.');
  }
  for (const [table, schema] of tables) {
    const prop = `schemas[${JSON.stringify(table)}]`;
    if (table === '') reject(prop, schema, 'It must have the name of a table.');
    if (schema === null || typeof schema !== 'object' || Array.isArray(schema)) {
      reject(prop, schema, 'It must be a JSON Schema: an object.');
    }
    if (Token.isUnresolved(schema) || Token.isUnresolved(JSON.stringify(schema))) {
      throw new Error(
        `AutoDump: \`${prop}\` holds a value that is only known at deployment. It becomes a file before that: give literal values.`,
      );
    }
  }
}
