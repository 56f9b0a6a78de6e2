import { Duration } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { ConversionAccess, convertObjects } from './private/csv-statements';
import { JobDefinition } from './private/job-definition';
import { JobToRun } from './private/job-step';
import { hasPublicIp, makeExecutionRole, makeQueue, QueueProps } from './private/queue';
import { OwnRole } from './private/role';

export interface CsvJobProps extends Omit<QueueProps, 'securityGroups'> {
  readonly access: ConversionAccess;
  /** One is made if none are given. */
  readonly securityGroups?: ec2.ISecurityGroup[];
  readonly architecture: Architecture;
  readonly image: ecs.ContainerImage;
  /** The name of its definition. */
  readonly name: string;
  readonly jobTimeout: Duration;
  readonly logGroup: logs.ILogGroup;
  /** The settings, as in contract/csv.json. */
  readonly settings: string;
}

/** Converts what is too large or too slow for a function: a queue of Batch, and the definition of its job. */
export class CsvJob extends Construct {
  readonly connections: ec2.Connections;
  readonly queue: batch.JobQueue;
  readonly definition: JobDefinition;
  readonly role: iam.Role;
  /** What a state machine has to know to run it. */
  readonly toRun: JobToRun;

  constructor(scope: Construct, id: string, props: CsvJobProps) {
    super(scope, id);
    const { name, settings } = props;
    const securityGroups = props.securityGroups ?? [this.makeSecurityGroup(props.vpc)];
    this.connections = new ec2.Connections({ securityGroups });
    const place = { ...props, securityGroups };
    this.queue = makeQueue(this, place);
    this.role = new OwnRole(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
      description: 'AutoDump: converts one table of Parquet to CSV',
      statements: convertObjects(props.access),
      wildcards: 'The names of tables and of their files are not known.',
    });
    this.definition = new JobDefinition(this, 'Definition', {
      architecture: props.architecture,
      assignPublicIp: hasPublicIp(place),
      executionRole: makeExecutionRole(this),
      logGroup: props.logGroup,
      jobDefinitionName: name,
      image: props.image,
      role: this.role,
      environment: { AUTODUMP_VERB: 'csv', AUTODUMP_CSV: settings },
      streamPrefix: 'csv',
      timeout: props.jobTimeout,
      // A conversion that failed has left nothing, and one that is there is not made again.
      repeatable: true,
    });
    const { jobQueueArn } = this.queue;
    const { timeLimit } = this.definition;
    this.toRun = { jobQueueArn, jobDefinitionName: name, timeLimit };
  }
  private makeSecurityGroup(vpc: ec2.IVpc): ec2.SecurityGroup {
    return new ec2.SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'AutoDump: the jobs that convert Parquet to CSV',
      allowAllOutbound: true,
    });
  }
}
