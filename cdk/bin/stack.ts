import { ArnFormat, CfnOutput, Duration, Size, Stack, StackProps, Validations } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Repository } from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { AutoDump, AutoDumpSnapshots, ParquetToCsv, ParquetToCsvProps } from '../index';
import { Context } from './context';

/** A private repository of ECR: its account, its region, its name, and the tag or the digest. */
const ECR_IMAGE =
  /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([^:@]+)(?::([^:@]+))?(?:@(sha256:[0-9a-f]+))?$/;

type ConversionProps = Pick<ParquetToCsvProps, 'architecture' | 'image' | 'vpc'>;

/** The stack of the deployable app: one AutoDump in a network that is there already. */
export class AutoDumpStack extends Stack {
  readonly autoDump: AutoDump;

  constructor(scope: Construct, id: string, context: Context, props?: StackProps) {
    super(scope, id, {
      description: 'Backs up tagged databases and tables to S3 on their schedules',
      ...props,
    });
    const {
      image,
      verifyImage,
      scanIntervalMinutes,
      bucketName,
      tagPrefix,
      architecture,
      sources,
    } = context;
    const common = {
      vpc: this.findVpc(context),
      architecture:
        architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      image: this.findImage('ImageRepository', image),
    };
    this.autoDump = new AutoDump(this, 'AutoDump', {
      ...common,
      bucketName,
      tagPrefix,
      sources,
      snapshots: this.snapshots(context),
      verifyImage: this.findImage('VerifyImageRepository', verifyImage),
      scanInterval:
        scanIntervalMinutes === undefined ? undefined : Duration.minutes(scanIntervalMinutes),
    });
    this.describe();
    if (context.createReadOnlyUser) this.makeReadOnlyUser();
    this.convert(context, common);
  }

  private findVpc({ availabilityZones, privateSubnetIds, vpcId }: Context): ec2.IVpc {
    const attributes = { availabilityZones, privateSubnetIds, vpcId };
    const vpc = ec2.Vpc.fromVpcAttributes(this, 'Vpc', attributes);
    Validations.of(vpc).acknowledge({
      id: '@aws-cdk/aws-ec2:noSubnetRouteTableId',
      reason: 'Nothing here adds a route: only the ids of the subnets are used.',
    });
    return vpc;
  }

  /** Makes CSV of what RDS exports, if it is wanted. */
  private convert(context: Context, common: ConversionProps): void {
    const { csvBucketName, csvFunctionLimitMebibytes: limit } = context;
    if (csvBucketName === undefined) return;
    const { bucket, exportKey } = this.autoDump;
    // Nobody else sets what this bucket tells of, so no function of the CDK's is needed for it.
    (bucket.node.defaultChild as CfnBucket).notificationConfiguration = {
      eventBridgeConfiguration: { eventBridgeEnabled: true },
    };
    const { stateMachine } = new ParquetToCsv(this, 'Csv', {
      ...common,
      source: bucket,
      sourcePrefix: 'rds/',
      sourceKeys: exportKey && [exportKey],
      enableEvents: false,
      destination: Bucket.fromBucketName(this, 'CsvBucket', csvBucketName),
      functionLimit: limit === undefined ? undefined : Size.mebibytes(limit),
    });
    new CfnOutput(this, 'CsvStateMachineArn', {
      description: 'One execution is one table, or one look at it',
      value: stateMachine.stateMachineArn,
    });
  }

  private snapshots({ exportKeyArn, snapshots }: Context): AutoDumpSnapshots | undefined {
    if (!snapshots) return undefined;
    if (exportKeyArn === undefined) return {};
    return { exportKey: kms.Key.fromKeyArn(this, 'ExportKey', exportKeyArn) };
  }

  /** From ECR, the execution role must be allowed to pull; from elsewhere, no role of AWS helps. */
  private findImage(id: string, reference?: string): ecs.ContainerImage | undefined {
    if (reference === undefined) return undefined;
    const found = ECR_IMAGE.exec(reference);
    if (!found) return ecs.ContainerImage.fromRegistry(reference);
    const [, account, region, repositoryName, tag, digest] = found as (string | undefined)[];
    const repository = Repository.fromRepositoryAttributes(this, id, {
      repositoryName: repositoryName ?? '',
      repositoryArn: this.formatArn({
        service: 'ecr',
        account,
        region,
        resource: 'repository',
        resourceName: repositoryName,
        arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
      }),
    });
    return ecs.ContainerImage.fromEcrRepository(repository, digest ?? tag);
  }

  private describe(): void {
    const {
      bucket,
      stateMachine,
      restoreStateMachine,
      jobQueue,
      logGroup,
      scannerFunction,
      connections,
      exportKey,
    } = this.autoDump;
    const output = (id: string, description: string, value: string) =>
      new CfnOutput(this, id, { description, value });
    output('BucketName', 'Where the backups lie', bucket.bucketName);
    output(
      'StateMachineArn',
      'One execution is one run of one target',
      stateMachine.stateMachineArn,
    );
    output(
      'RestoreStateMachineArn',
      'One execution is one restore of one backup',
      restoreStateMachine.stateMachineArn,
    );
    output('JobQueueArn', 'The queue of the jobs', jobQueue.jobQueueArn);
    output('LogGroupName', 'The log of the functions and of the jobs', logGroup.logGroupName);
    output('ScannerFunctionName', 'Call it with {} to scan now', scannerFunction.functionName);
    output(
      'SecurityGroupId',
      'Let this one into your databases',
      connections.securityGroups[0].securityGroupId,
    );
    if (exportKey) {
      output('ExportKeyArn', 'What RDS encrypts exports of snapshots with', exportKey.keyArn);
    }
  }

  private makeReadOnlyUser(): void {
    const user = new iam.User(this, 'ReadOnlyUser');
    this.autoDump.grantRead(user);
    const bucket = this.getLogicalId(this.autoDump.bucket.node.defaultChild as CfnBucket);
    for (const prefix of ['postgres', 'mongodb', 'dynamodb', 'rds']) {
      Validations.of(user).acknowledge({
        id: `AwsSolutions-IAM5[Resource::<${bucket}.Arn>/${prefix}/*]`,
        reason: 'The user is there to read all backups, whatever their names.',
      });
    }
    new CfnOutput(this, 'ReadOnlyUserName', {
      description: 'May list and read the backups. Make an access key for it yourself.',
      value: user.userName,
    });
  }
}
