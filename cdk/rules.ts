import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

export interface RulesProps {
  readonly scanner: lambda.IFunction;
  readonly scanInterval: Duration;
  readonly tagPrefix: string;
}

/** What calls the scanner from outside: the clock, and a change of tags. */
export class Rules extends Construct {
  constructor(scope: Construct, id: string, props: RulesProps) {
    super(scope, id);
    const target = new targets.LambdaFunction(props.scanner);

    new events.Rule(this, 'Scan', {
      description: 'AutoDump: looks at the tags of all secrets, tables and databases',
      schedule: events.Schedule.rate(props.scanInterval),
      targets: [target],
    });

    new events.Rule(this, 'TagChange', {
      description: 'AutoDump: a tag of a secret, a table or a database was set, changed or removed',
      eventPattern: {
        source: ['aws.tag'],
        detailType: ['Tag Change on Resource'],
        // The scanner ignores what is neither a secret nor a table nor a database.
        detail: {
          service: ['secretsmanager', 'dynamodb', 'rds'],
          'changed-tag-keys': [{ prefix: `${props.tagPrefix}:` }],
        },
      },
      targets: [target],
    });

    // The form that says more, and comes even for what is made with its tags or deleted; it comes
    // only where a CloudTrail trail records management events.
    this.calls('Secret', target, 'secretsmanager', callsOf('Secret'));
    this.calls('Table', target, 'dynamodb', callsOf('Table'));
    this.calls('Database', target, 'rds', [
      'CreateDBInstance',
      'CreateDBCluster',
      'AddTagsToResource',
      'RemoveTagsFromResource',
      'DeleteDBInstance',
      'DeleteDBCluster',
    ]);
  }

  private calls(
    thing: string,
    target: events.IRuleTarget,
    service: string,
    eventName: string[],
  ): void {
    new events.Rule(this, `${thing}Call`, {
      description: `AutoDump: a ${thing.toLowerCase()} was created, tagged, untagged or deleted`,
      eventPattern: {
        source: [`aws.${service}`],
        detailType: ['AWS API Call via CloudTrail'],
        detail: { eventSource: [`${service}.amazonaws.com`], eventName },
      },
      targets: [target],
    });
  }
}

function callsOf(thing: string): string[] {
  return [`Create${thing}`, 'TagResource', 'UntagResource', `Delete${thing}`];
}
