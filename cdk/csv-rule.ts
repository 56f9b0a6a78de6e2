import { Duration, Stack, Validations } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

export interface CsvRuleProps {
  readonly source: s3.IBucket;
  /** Whether the bucket is made to send its events. */
  readonly enableEvents: boolean;
  /** What the keys begin with. It holds nothing that means more in a pattern: see `checkPrefix`. */
  readonly sourcePrefix: string;
  readonly stateMachine: sfn.IStateMachine;
}

/** What is written last, when the other files of its directory are there. */
const LAST = '_SUCCESS';

/** Starts an execution for each `_SUCCESS`. What could not start one in a day is kept in a queue. */
export class CsvRule extends Construct {
  readonly deadLetterQueue: sqs.Queue;

  constructor(scope: Construct, id: string, props: CsvRuleProps) {
    super(scope, id);
    if (props.enableEvents) enableEvents(props.source);
    this.deadLetterQueue = new sqs.Queue(this, 'Undelivered', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    Validations.of(this.deadLetterQueue).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'It is itself the dead letter queue of a rule, which is not looked for.',
    });
    new events.Rule(this, 'Rule', {
      description: 'AutoDump: a directory of Parquet files has its _SUCCESS',
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: {
          bucket: { name: [props.source.bucketName] },
          object: { key: keys(props.sourcePrefix) },
        },
      },
      targets: [
        new targets.SfnStateMachine(props.stateMachine, {
          role: new iam.Role(this, 'Role', {
            assumedBy: new iam.ServicePrincipal('events.amazonaws.com'),
            description: 'AutoDump: starts conversions when S3 tells of a _SUCCESS',
          }),
          deadLetterQueue: this.deadLetterQueue,
        }),
      ],
    });
  }
}

/** The function that does it is the CDK's, one for all buckets of a stack. */
function enableEvents(source: s3.IBucket): void {
  source.enableEventBridgeNotification();
  const children = Stack.of(source).node.children;
  const handlers = children.filter(({ node }) => node.id.startsWith('BucketNotificationsHandler'));
  for (const handler of handlers) {
    Validations.of(handler).acknowledge({
      id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]',
      reason: 'The CDK gives its own function this policy, to write its log.',
    });
  }
}

/** A directory may be that of the prefix itself. */
function keys(prefix: string): unknown[] {
  if (prefix === '') return [{ suffix: `/${LAST}` }];
  const below = { wildcard: `${prefix}*/${LAST}` };
  return prefix.endsWith('/') ? [below, `${prefix}${LAST}`] : [below];
}
