import { Node } from 'constructs';
import { AutoDumpSource, MongodbTools } from '../index';

/** What the app is told by context, on the command line (`-c name=value`) or in cdk.json. */
export interface Context {
  readonly vpcId: string;
  readonly privateSubnetIds: string[];
  readonly availabilityZones: string[];
  readonly bucketName?: string;
  readonly createReadOnlyUser: boolean;
  readonly image?: string;
  readonly verifyImage?: string;
  /** Where the images get MongoDB's tools from, and the SHA-256 of these. */
  readonly mongodbTools?: MongodbTools;
  readonly architecture?: string;
  readonly tagPrefix?: string;
  readonly scanIntervalMinutes?: number;
  /** Whether databases of RDS are backed up by snapshots, and the key that they are exported with. */
  readonly snapshots: boolean;
  readonly exportKeyArn?: string;
  /** The bucket that CSV of the exports is written to, if it is wanted. */
  readonly csvBucketName?: string;
  /** Up to how large a table is converted by a function. */
  readonly csvFunctionLimitMebibytes?: number;
  /** As they were given: the construct checks what they say. */
  readonly sources?: AutoDumpSource[];
}

const VPC_ID = /^vpc-[0-9a-f]{8,17}$/;
const SUBNET_ID = /^subnet-[0-9a-f]{8,17}$/;
const ZONE = /^[a-z]{2,4}(-[a-z0-9]+)+[a-z0-9]$/;
const BUCKET_NAME =
  /^(?!xn--|sthree-|amzn-s3-demo-)(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const KEY_ARN = /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[0-9A-Za-z-]+$/;
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/;

/** Reads the context, or throws an error that tells every value that is wrong, by name. */
export function readContext(node: Node): Context {
  const reader = new Reader(node);
  const privateSubnetIds = reader.list(
    'privateSubnetIds',
    SUBNET_ID,
    'like subnet-0123456789abcdef0',
  );
  const availabilityZones = reader.list('availabilityZones', ZONE, 'like eu-central-1a');
  if (privateSubnetIds.length !== availabilityZones.length) {
    reader.problem(
      'availabilityZones',
      `has ${availabilityZones.length} entries, but privateSubnetIds has ${privateSubnetIds.length}. Give the zone of each subnet, in the same order.`,
    );
  }
  const context = {
    vpcId: reader.text('vpcId', VPC_ID, 'a VPC id like vpc-0123456789abcdef0', true) ?? '',
    privateSubnetIds,
    availabilityZones,
    bucketName: reader.bucket('bucketName'),
    createReadOnlyUser: reader.truth('createReadOnlyUser'),
    image: reader.image('image'),
    verifyImage: reader.image('verifyImage'),
    mongodbTools: readTools(reader),
    architecture: reader.text('architecture', /^(x86_64|arm64)$/, 'x86_64 or arm64'),
    tagPrefix: reader.text('tagPrefix', /./, 'the start of the tags, like autodump'),
    scanIntervalMinutes: reader.count('scanIntervalMinutes'),
    snapshots: reader.truth('snapshots'),
    exportKeyArn: reader.key('exportKeyArn'),
    csvBucketName: reader.bucket('csvBucketName'),
    csvFunctionLimitMebibytes: reader.count('csvFunctionLimitMebibytes'),
    sources: reader.objects('sources') as AutoDumpSource[] | undefined,
  };
  checkSnapshots(context, reader);
  reader.finish();
  return context;
}

/** Both or none: the construct checks what they say. */
function readTools(reader: Reader): MongodbTools | undefined {
  const url = reader.text('mongodbToolsUrl', /./, 'the address of an archive');
  const sha256 = reader.text('mongodbToolsSha256', /./, 'the SHA-256 of that archive');
  if (url !== undefined && sha256 !== undefined) return { url, sha256 };
  if (url !== undefined) {
    reader.problem('mongodbToolsSha256', 'is missing, and goes with mongodbToolsUrl');
  }
  if (sha256 !== undefined) {
    reader.problem('mongodbToolsUrl', 'is missing, and goes with mongodbToolsSha256');
  }
  return undefined;
}

/** What is said of snapshots and of CSV goes with them alone. */
function checkSnapshots(context: Context, reader: Reader): void {
  for (const name of ['exportKeyArn', 'csvBucketName'] as const) {
    if (context[name] !== undefined && !context.snapshots) {
      reader.problem(name, 'is for snapshots, which are not enabled: -c snapshots=true');
    }
  }
  if (context.csvFunctionLimitMebibytes !== undefined && context.csvBucketName === undefined) {
    reader.problem('csvFunctionLimitMebibytes', 'is for CSV, which needs csvBucketName');
  }
}

class Reader {
  private readonly problems: string[] = [];

  constructor(private readonly node: Node) {}

  problem(name: string, what: string): void {
    this.problems.push(`context \`${name}\` ${what}`);
  }

  text(name: string, pattern: RegExp, form: string, required = false): string | undefined {
    const value: unknown = this.node.tryGetContext(name);
    if (value === undefined) {
      if (required) this.problem(name, `is missing. Give ${form}: -c ${name}=…`);
      return undefined;
    }
    if (typeof value !== 'string' || !pattern.test(value)) {
      this.problem(name, `is ${JSON.stringify(value)}. It must be ${form}.`);
      return undefined;
    }
    return value;
  }

  image(name: string): string | undefined {
    return this.text(name, IMAGE, 'a reference to an image, like registry.example.com/dumper:1');
  }

  bucket(name: string): string | undefined {
    return this.text(
      name,
      BUCKET_NAME,
      'a legal name of an S3 bucket (3 to 63 lower-case letters, digits, dots and hyphens)',
    );
  }

  key(name: string): string | undefined {
    return this.text(
      name,
      KEY_ARN,
      'the ARN of a KMS key, like arn:aws:kms:eu-central-1:111122223333:key/…',
    );
  }

  /** A JSON array, or its elements with commas between them. */
  list(name: string, pattern: RegExp, form: string): string[] {
    const value: unknown = this.node.tryGetContext(name);
    if (value === undefined) {
      this.problem(name, `is missing. Give one or more, ${form}: -c ${name}=a,b`);
      return [];
    }
    const items: unknown[] | undefined = Array.isArray(value) ? value : split(value);
    if (!items || items.length === 0) {
      this.problem(name, `is ${JSON.stringify(value)}. It must be a list, with commas between.`);
      return [];
    }
    for (const item of items) {
      if (typeof item !== 'string' || !pattern.test(item)) {
        this.problem(name, `has the entry ${JSON.stringify(item)}. Each must be ${form}.`);
      }
    }
    return items.map(String);
  }

  /** A JSON array of objects. */
  objects(name: string): object[] | undefined {
    const value: unknown = this.node.tryGetContext(name);
    if (value === undefined) return undefined;
    const items = Array.isArray(value) ? value : split(value);
    if (items?.every((item): item is object => typeof item === 'object' && item !== null)) {
      return items;
    }
    this.problem(
      name,
      `is ${JSON.stringify(value)}. It must be a JSON list of objects, like [{"region":"us-east-1"}].`,
    );
    return undefined;
  }

  truth(name: string): boolean {
    const value: unknown = this.node.tryGetContext(name);
    if (value === undefined || value === false || value === 'false') return false;
    if (value === true || value === 'true') return true;
    this.problem(name, `is ${JSON.stringify(value)}. It must be true or false.`);
    return false;
  }

  count(name: string): number | undefined {
    const value: unknown = this.node.tryGetContext(name);
    if (value === undefined) return undefined;
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text !== 'string' || !/^[1-9][0-9]{0,5}$/.test(text)) {
      this.problem(name, `is ${JSON.stringify(value)}. It must be a whole number, at least 1.`);
      return undefined;
    }
    return Number(text);
  }

  finish(): void {
    if (this.problems.length > 0) throw new Error(`AutoDump: ${this.problems.join('\n  ')}`);
  }
}

function split(value: unknown): unknown[] | undefined {
  if (typeof value !== 'string') return undefined;
  if (value.trim().startsWith('[')) {
    try {
      const parsed: unknown = JSON.parse(value);
      return Array.isArray(parsed) ? parsed : undefined;
    } catch {
      return undefined;
    }
  }
  return value.split(',').map((item) => item.trim());
}
