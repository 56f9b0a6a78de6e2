import * as fs from 'fs';
import * as path from 'path';
import { Duration, FileSystem, RemovalPolicy, Size } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as assets from 'aws-cdk-lib/aws-s3-assets';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { checkPrefix, checkSchemas } from './private/csv-checks';

/** How tables lie in a bucket. */
export enum ParquetLayout {
  /**
   * As RDS exports a snapshot: `…/<export>/<database>/<schema>.<table>/<batch>/part-….parquet`, with a
   * `_SUCCESS` in each batch. A table is converted when each of its batches has its `_SUCCESS`.
   */
  RDS_EXPORT = 'rds',
  /** Each directory with files `*.parquet` is a table. It is converted when it has a `_SUCCESS`. */
  DIRECTORIES = 'plain',
}

/** How the lines of a CSV end. */
export enum CsvLineEnd {
  /** With a line feed, as PostgreSQL and DuckDB write it. */
  LF = 'lf',
  /** With a carriage return and a line feed, as RFC 4180 has it. */
  CRLF = 'crlf',
}

/** How bytes are written that are no text. */
export enum CsvBinary {
  /** `\x` and two hexadecimal digits for each byte, as PostgreSQL takes `bytea`. */
  HEX = 'hex',
  /** Base64 with padding. */
  BASE64 = 'base64',
}

/** What becomes of rows that break a rule of their table's schema, or that no CSV can hold. */
export enum BadRows {
  /** The first one ends the conversion, and there is no CSV. */
  STOP = 'stop',
  /** They go to a file beside the CSV, `<table>.rejects.csv`, each with the reason. */
  REJECT = 'reject',
}

/** Where the schemas of tables lie: either one file for each table, or one for all of them. */
export interface TableSchemasConfig {
  /** The bucket that holds them. */
  readonly bucket: s3.IBucket;
  /**
   * What the keys begin with; the name of the table and `.json` follow.
   *
   * @default - they are all in the object `key`
   */
  readonly prefix?: string;
  /**
   * The key of the one object that holds all: `{"tables": {"<table>": {…}}}`.
   *
   * @default - each is an object of its own
   */
  readonly key?: string;
}

/**
 * What the rows of tables have to be: JSON Schema, by the name of the table. With
 * `ParquetLayout.RDS_EXPORT` that is `<database>/<schema>.<table>`, without the export's own name; with
 * `ParquetLayout.DIRECTORIES` it is the last name of the table's directory.
 */
export abstract class TableSchemas {
  /**
   * Schemas that lie in a bucket, as `<prefix><table>.json`. They are read when a table is converted, so one
   * that is changed there holds from the next conversion on.
   *
   * @param bucket the bucket; one that is imported and encrypted with a KMS key must be imported
   * with its `encryptionKey`
   * @param prefix what the keys begin with, with a closing slash if it is a directory; nothing if it is
   * not given
   */
  public static fromBucket(bucket: s3.IBucket, prefix: string = ''): TableSchemas {
    checkPrefix('prefix', prefix);
    return new SchemasInBucket({ bucket, prefix });
  }

  /**
   * Schemas that are deployed with the stack.
   *
   * @param schemas the JSON Schema of each table, by the name of the table
   */
  public static fromObjects(schemas: { readonly [table: string]: unknown }): TableSchemas {
    checkSchemas(schemas);
    return new SchemasInAsset(schemas);
  }

  /**
   * Says where the schemas lie. The construct that needs them calls it.
   *
   * @param scope where an asset is made, if there has to be one
   */
  public abstract bind(scope: Construct): TableSchemasConfig;
}

class SchemasInBucket extends TableSchemas {
  constructor(private readonly config: TableSchemasConfig) {
    super();
  }

  public override bind(): TableSchemasConfig {
    return this.config;
  }
}

class SchemasInAsset extends TableSchemas {
  private readonly json: string;

  constructor(schemas: { readonly [table: string]: unknown }) {
    super();
    this.json = JSON.stringify({ tables: schemas });
  }

  public override bind(scope: Construct): TableSchemasConfig {
    const file = path.join(FileSystem.mkdtemp('autodump-'), 'schemas.json');
    fs.writeFileSync(file, this.json);
    const asset = new assets.Asset(scope, 'Schemas', { path: file });
    return { bucket: asset.bucket, key: asset.s3ObjectKey };
  }
}

/**
 * What a ParquetToCsv can be told. Only `source` and `destination` are required.
 */
export interface ParquetToCsvProps {
  /**
   * The bucket of the Parquet files, of this account and region. Events of its objects are sent to
   * EventBridge: see `enableEvents`. One that is imported and encrypted with a KMS key must be
   * imported with its `encryptionKey` (`Bucket.fromBucketAttributes`), or with the key in `sourceKeys`.
   */
  readonly source: s3.IBucket;

  /**
   * What the keys of the Parquet files begin with, with a closing slash if it is a directory. What lies
   * elsewhere is neither looked at nor may it be read.
   *
   * @default - all of the bucket
   */
  readonly sourcePrefix?: string;

  /**
   * The KMS keys that the files are encrypted with besides that of the bucket itself, such as the key
   * that RDS is told to encrypt an export with.
   *
   * @default - only the key of the bucket, if it has one
   */
  readonly sourceKeys?: kms.IKey[];

  /**
   * Whether `source` is made to send events of its objects to EventBridge. The CDK does so by a function of
   * its own, in the stack in which the bucket is defined or imported. Of an imported bucket it reads the
   * notifications that are there, and writes them back with the events turned on; they stay on when
   * the stack is deleted.
   *
   * With `false`, nothing of the bucket is changed: it must send its events already.
   *
   * @default true
   */
  readonly enableEvents?: boolean;

  /**
   * How the tables lie in `source`.
   *
   * @default ParquetLayout.RDS_EXPORT
   */
  readonly layout?: ParquetLayout;

  /**
   * How long after a `_SUCCESS` its table is looked at, at most a day. Nothing in an export of RDS says how many
   * batches a table will have: after this time, a further one has most likely begun, and then the `_SUCCESS`
   * of that one has the table converted, and not each of them.
   *
   * @default Duration.minutes(5) with ParquetLayout.RDS_EXPORT, else Duration.seconds(0)
   */
  readonly settle?: Duration;

  /**
   * The bucket that the CSV files are written to. Its life cycle is yours: it should abort incomplete
   * multipart uploads after some days. One that is imported and encrypted with a KMS key must be
   * imported with its `encryptionKey`.
   *
   * It may be `source`, if neither prefix begins with the other.
   */
  readonly destination: s3.IBucket;

  /**
   * What the keys of the results begin with. The name of the table follows as it is: a directory needs its
   * closing slash, or its name and that of the table become one.
   *
   * @default - nothing
   */
  readonly destinationPrefix?: string;

  /**
   * The KMS key that is named in each upload of a result.
   *
   * @default - a result is encrypted as its bucket says
   */
  readonly encryptionKey?: kms.IKey;

  /**
   * `none`, `gzip` or `zstd`. A level may follow: `gzip:1` to `gzip:9`, `zstd:1` to `zstd:19`. Without
   * one it is 1, as higher ones cost far more time than they save space.
   *
   * @default 'none'
   */
  readonly compression?: string;

  /**
   * What stands for NULL, without quotes; a text that is the same is in quotes. It cannot hold commas,
   * quotes and line ends.
   *
   * @default - nothing
   */
  readonly nullText?: string;

  /**
   * How lines end.
   *
   * @default CsvLineEnd.LF
   */
  readonly lineEnd?: CsvLineEnd;

  /**
   * Whether the first line has the names of the columns.
   *
   * @default true
   */
  readonly header?: boolean;

  /**
   * How bytes are written that are no text.
   *
   * @default CsvBinary.HEX
   */
  readonly binary?: CsvBinary;

  /**
   * What becomes of bad rows.
   *
   * @default BadRows.STOP
   */
  readonly badRows?: BadRows;

  /**
   * What the rows of the tables have to be, as JSON Schema. A table without a schema is converted
   * as it is.
   *
   * @default - there are no rules
   */
  readonly schemas?: TableSchemas;

  /**
   * The largest table that the function takes: the bytes of its Parquet files together, at least 1 MiB.
   * What is larger, and what the function does not convert within its 15 minutes, is converted by
   * a job in `vpc`.
   *
   * @default Size.gibibytes(1)
   */
  readonly functionLimit?: Size;

  /**
   * How much memory the pages of a row group may take, uncompressed: whole MiB, from 32 MiB to 1 GiB. A file that
   * needs more is refused, and the error says so. Needed for row groups of hundreds of columns with large
   * dictionaries: docs/csv.md, "Limits".
   *
   * @default Size.mebibytes(160)
   */
  readonly pageMemory?: Size;

  /**
   * The network in which the jobs run, which convert what is too large or too slow for the function.
   *
   * @default - there are no jobs, and such a table makes its execution fail, saying so
   */
  readonly vpc?: ec2.IVpc;

  /**
   * The subnets in which the jobs run. They must reach ECR (or the registry of `image`), S3 and CloudWatch
   * Logs: over a NAT gateway, or, in isolated subnets, over VPC endpoints. Only together with `vpc`.
   *
   * @default - the private subnets with egress; if the VPC has none, the isolated ones; if it has
   * none of those either, the public ones
   */
  readonly vpcSubnets?: ec2.SubnetSelection;

  /**
   * Whether a job gets a public IP address. In a public subnet it reaches nothing without one. Only
   * together with `vpc`.
   *
   * @default - true if public subnets are selected, else false
   */
  readonly assignPublicIp?: boolean;

  /**
   * The security groups of the jobs. Only together with `vpc`.
   *
   * @default - one is made, which allows all outbound traffic and no inbound traffic
   */
  readonly securityGroups?: ec2.ISecurityGroup[];

  /**
   * The image of the jobs. It must hold what the image of this package holds. Only together with `vpc`.
   *
   * @default - the image is built at deployment from this package's `batch-image/`, with Docker
   */
  readonly image?: ecs.ContainerImage;

  /**
   * The largest number of vCPUs that all jobs together use at a time; each uses one. Jobs over it wait.
   * Only together with `vpc`.
   *
   * @default 16
   */
  readonly maxvCpus?: number;

  /**
   * The longest time that one attempt of a job may take. At its end nothing of its result remains. At
   * most 14 days. Only together with `vpc`.
   *
   * @default Duration.hours(24)
   */
  readonly jobTimeout?: Duration;

  /**
   * The processor of the function and of the jobs. ARM64 costs less; to build its image on another
   * machine, Docker needs emulation.
   *
   * @default Architecture.X86_64
   */
  readonly architecture?: lambda.Architecture;

  /**
   * Who is told of alarms.
   *
   * @default - the alarms are there, and tell no one
   */
  readonly alarmTopic?: sns.ITopic;

  /**
   * How long the logs of the function, the jobs and the failed executions are kept.
   *
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * What becomes of the log group when it leaves the stack. Both buckets are yours.
   *
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy;
}
