import { Duration, RemovalPolicy, Size } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';

/**
 * Where more tables are looked for: another region, or another account by a role of it. Each is a
 * region of DynamoDB tables; secrets are looked for in AutoDump's own account and region alone.
 */
export interface AutoDumpSource {
  /**
   * The region of the tables, like `eu-central-1`.
   */
  readonly region: string;

  /**
   * The ARN of a role that AutoDump may take, in the account of the tables. `AutoDumpSourceRole` makes
   * one.
   *
   * @default - the tables are of AutoDump's own account
   */
  readonly roleArn?: string;

  /**
   * What the role wants to be told by who takes it. Only together with `roleArn`.
   *
   * @default - nothing
   */
  readonly externalId?: string;
}

/**
 * The package of MongoDB's database tools, of which the image of the dumps gets `mongodump` alone. It
 * is fetched where and when the image is built: AutoDump ships none of it.
 */
export interface MongodbTools {
  /**
   * Where the package is: the archive (`.tgz`) for Debian 12 and for the processor of `architecture`.
   * It begins with `https://`, and holds no user, no password and no token: it is an argument of the
   * build, and stands in the synthesised app and in logs.
   */
  readonly url: string;

  /**
   * The SHA-256 of the archive, 64 hexadecimal digits. The image is not built with another one.
   */
  readonly sha256: string;
}

/**
 * How RDS instances and Aurora clusters are backed up: by snapshots, which RDS exports into the bucket.
 */
export interface AutoDumpSnapshots {
  /**
   * The symmetric KMS key that RDS encrypts exports with. Who reads them must be able to decrypt with it. A key
   * of another account must itself allow the snapshots function and the export role to use it.
   *
   * @default - one is made, and kept or not as `removalPolicy` says. A KMS key costs something each month
   */
  readonly exportKey?: kms.IKey;
}

/**
 * What an AutoDump can be told. Only `vpc` is required.
 */
export interface AutoDumpProps {
  /**
   * The network in which the jobs run. They must reach the databases from it, and DynamoDB for tables.
   */
  readonly vpc: ec2.IVpc;

  /**
   * The subnets in which the jobs run.
   *
   * A job must reach ECR (or the registry of `image`), S3, Secrets Manager and CloudWatch Logs:
   * over a NAT gateway, or, in isolated subnets, over VPC endpoints (`ecr.api`, `ecr.dkr`, `logs`,
   * `secretsmanager`, and the gateway endpoint of S3). For tables it must reach DynamoDB (it has a
   * gateway endpoint too), and for sources with roles STS; tables of other regions need a NAT gateway.
   *
   * @default - the private subnets with egress; if the VPC has none, the isolated ones; if it has
   * none of those either, the public ones
   */
  readonly vpcSubnets?: ec2.SubnetSelection;

  /**
   * Whether a job gets a public IP address. In a public subnet a job reaches nothing without
   * one.
   *
   * @default - true if public subnets are selected, else false
   */
  readonly assignPublicIp?: boolean;

  /**
   * The security groups of the jobs.
   *
   * @default - one is made, which allows all outbound traffic and no inbound traffic
   */
  readonly securityGroups?: ec2.ISecurityGroup[];

  /**
   * The bucket that the backups are written to, below `postgres/`, `mongodb/`, `dynamodb/` and `rds/`. Its life cycle is yours: it
   * should expire the backups, and abort incomplete multipart uploads, but not before
   * `dumpTimeout` is over. One that is imported and encrypted with a KMS key must be imported with
   * its `encryptionKey` (`Bucket.fromBucketAttributes`), or the jobs may not use the key.
   *
   * @default - one is made: private, encrypted, TLS only, and kept when the stack is deleted
   */
  readonly bucket?: s3.IBucket;

  /**
   * The name of the bucket that is made. Cannot be given together with `bucket`.
   *
   * @default - CloudFormation makes one up
   */
  readonly bucketName?: string;

  /**
   * The KMS key that backups are encrypted with. It is the default key of a bucket that is made,
   * and the jobs name it in every upload to `bucket`; in `additionalBuckets`, the encryption
   * of the bucket itself holds. A key of another account must itself allow the roles of the jobs to
   * use it.
   *
   * @default - a backup is encrypted as its bucket says; a bucket that is made uses S3's own keys
   */
  readonly encryptionKey?: kms.IKey;

  /**
   * How long the bucket that is made keeps a backup: whole days. Cannot be given together with
   * `bucket`.
   *
   * It should be longer than the longest time between two runs, or there are days with no backup; and
   * longer than the longest run of a table or by a snapshot takes, as what that remembers of itself lies
   * there too.
   *
   * @default Duration.days(35) - so a monthly schedule always has a backup
   */
  readonly retention?: Duration;

  /**
   * More buckets of this region that backups may be written to. A target's secret names one with
   * `bucketname`. What `bucket` says of life cycles and of KMS keys holds for each of these.
   *
   * @default - only `bucket`
   */
  readonly additionalBuckets?: s3.IBucket[];

  /**
   * The KMS keys of the secrets, if the jobs shall be allowed to use no other. An empty list
   * fits secrets that use the key of Secrets Manager itself.
   *
   * @default - any key of this account and region, but only through Secrets Manager
   */
  readonly secretEncryptionKeys?: kms.IKey[];

  /**
   * The KMS keys of the tables, if AutoDump shall be allowed to use no other. An empty list fits
   * tables that use a key of DynamoDB's own.
   *
   * @default - any key of this account, but only through DynamoDB
   */
  readonly tableEncryptionKeys?: kms.IKey[];

  /**
   * More regions, and other accounts, whose tables are backed up. A source that cannot be reached
   * stops none of the others. What IAM lets a role hold is enough for about seven regions without a role
   * of their own. Where a source has a role, the policies of `bucket` and of its key are
   * extended, so that DynamoDB may export there with the rights of that role. An imported bucket or key
   * must allow it by itself.
   *
   * @default - only the tables of this account and region
   */
  readonly sources?: AutoDumpSource[];

  /**
   * Enables backups of RDS instances and Aurora clusters by snapshots; `{}` does. RDS exports only within its
   * own account and region: a tagged database of elsewhere is found, and its run fails with that reason.
   *
   * @default - none: a run of a tagged RDS instance or cluster fails, and says that this is missing
   */
  readonly snapshots?: AutoDumpSnapshots;

  /**
   * How often all secrets, tables and databases are looked through. A change of tags is normally seen at once; the scan
   * is what finds a target whose event was lost. Whole minutes, at least one.
   *
   * @default Duration.hours(1)
   */
  readonly scanInterval?: Duration;

  /**
   * What the tags start with: with `autodump`, a target bears `autodump:start-schedule`. Two
   * AutoDumps in one account and region need two prefixes, neither of which is the other with a
   * colon after it and more.
   *
   * @default 'autodump'
   */
  readonly tagPrefix?: string;

  /**
   * The image of the jobs. It must hold what the image of this package holds, also the volume
   * `/scratch`, which user 65532 may write to.
   *
   * @default - the image is built at deployment from this package's `batch-image/`, with Docker
   */
  readonly image?: ecs.ContainerImage;

  /**
   * The image of the verification job. It must hold what the stage `verifier` of this package's
   * `batch-image/Dockerfile` holds: also a PostgreSQL server of each version, without which the
   * level `restore` cannot be verified. The other levels need none.
   *
   * @default - `image`, if that is given; else the image is built at deployment, with Docker
   */
  readonly verifyImage?: ecs.ContainerImage;

  /**
   * MongoDB's own `mongodump` for the image of the dumps that is built; no other job needs it.
   * Without it, AutoDump writes the archive of a database of MongoDB itself, and what needs it, such as
   * a dump with the oplog, ends with an error that says so. Not together with `image`.
   *
   * @default - the image has no tools of MongoDB
   */
  readonly mongodbTools?: MongodbTools;

  /**
   * The largest number of vCPUs that all jobs together use at a time. Jobs over it wait.
   *
   * @default 64
   */
  readonly maxvCpus?: number;

  /**
   * The longest time that one attempt of a dump may take, and of its verification. At its end the
   * job is stopped, nothing of its dump remains, and the execution fails. At most 14 days. An export by
   * DynamoDB may take three times as long and a day more.
   *
   * @default Duration.hours(24)
   */
  readonly dumpTimeout?: Duration;

  /**
   * The longest time that a restore may take. At its end the job is stopped, what it has restored
   * so far remains, and the execution fails. At most 14 days.
   *
   * @default Duration.days(3)
   */
  readonly restoreTimeout?: Duration;

  /**
   * The local disk of each job: whole GiB, 21 to 200. A dump and a restore keep there only what
   * lies in no table of its own, such as large objects. A verification with the level `restore`
   * keeps the whole restored database there. Fargate charges for what is over 20 GiB.
   *
   * @default - 20 GiB, Fargate's own, for dump and restore; 200 GiB for the verification
   */
  readonly scratchSize?: Size;

  /**
   * The processor of the functions and of the jobs. ARM64 costs less; to build its image on
   * another machine, Docker needs emulation.
   *
   * @default Architecture.X86_64
   */
  readonly architecture?: lambda.Architecture;

  /**
   * How long the logs of the functions, the jobs and the failed executions are kept.
   *
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * What becomes of the bucket that is made, and of the log group, when they leave the stack. With
   * `DESTROY`, a bucket that still holds backups makes the deletion fail.
   *
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy;
}
