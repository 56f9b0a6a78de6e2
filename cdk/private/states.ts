import { Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { OwnRole } from './role';

/** What can pass by itself: too many calls, or a service that is not well. */
const LAMBDA_SERVICE_ERRORS = [
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.TooManyRequestsException',
];
export interface OwnStateMachineProps {
  readonly stateMachineName: string;
  readonly comment: string;
  readonly start: sfn.IChainable;
  readonly roleDescription: string;
  readonly statements: iam.PolicyStatement[];
  readonly logGroup: logs.ILogGroup;
  /** Why it is not traced. */
  readonly untraced: string;
}

/** A standard state machine with a role of its own, which logs its failures. */
export class OwnStateMachine extends sfn.StateMachine {
  constructor(scope: Construct, id: string, props: OwnStateMachineProps) {
    const role = new OwnRole(scope, `${id}Role`, {
      assumedBy: new iam.ServicePrincipal('states.amazonaws.com'),
      description: props.roleDescription,
      statements: props.statements,
      wildcards:
        'Batch makes up the ids of jobs and the numbers of revisions, and Step Functions asks for all log deliveries.',
    });
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'Step Functions asks for all log deliveries. docs/iam.md lists it with its reason.',
    });
    super(scope, id, {
      stateMachineName: props.stateMachineName,
      stateMachineType: sfn.StateMachineType.STANDARD,
      comment: props.comment,
      definitionBody: sfn.DefinitionBody.fromChainable(props.start),
      role,
      logs: {
        destination: props.logGroup,
        level: sfn.LogLevel.ERROR,
        includeExecutionData: false,
      },
    });
    // What Step Functions asks for to log is in a policy that the CDK adds.
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'Log deliveries have no resources. Each wildcard is listed in docs/iam.md.',
    });
    Validations.of(this).acknowledge(
      {
        id: 'AwsSolutions-SF1',
        reason:
          'Failures are logged. Step Functions itself keeps every event of an execution for 90 days after its end; a second copy would only cost.',
      },
      { id: 'AwsSolutions-SF2', reason: props.untraced },
    );
  }
}

/**
 * Ends an execution as failed. `text` is a template of States.Format: each pair of braces takes the
 * next path. It may hold neither apostrophes nor other braces.
 */
export function failState(
  scope: Construct,
  name: string,
  how: { readonly error: string; readonly text: string; readonly paths: string[] },
): sfn.Fail {
  return new sfn.Fail(scope, name, {
    error: how.error,
    causePath: sfn.JsonPath.format(
      how.text,
      ...how.paths.map((path) => sfn.JsonPath.stringAt(path)),
    ),
  });
}

/** Gives a failure a cause where it has none: a state may not name what is missing. */
export function withCause(
  scope: Construct,
  who: string,
  error: string,
  next: sfn.IChainable,
): sfn.Choice {
  const noCause = new sfn.Pass(scope, `Note: ${who} gave no cause`, {
    parameters: { Error: sfn.JsonPath.stringAt(`${error}.Error`), Cause: 'no cause was given.' },
    resultPath: error,
  });
  noCause.next(next);
  return new sfn.Choice(scope, `Did ${who} give a cause?`)
    .when(sfn.Condition.isNotPresent(`${error}.Cause`), noCause)
    .otherwise(next);
}

/** Calls again after these errors: soon at first, then once a minute. */
export function retry(errors: string[], maxAttempts: number): object {
  return {
    ErrorEquals: errors,
    IntervalSeconds: 2,
    BackoffRate: 2,
    MaxAttempts: maxAttempts,
    MaxDelaySeconds: 60,
    JitterStrategy: 'FULL',
  };
}

/**
 * A call of one of our functions, whose answer is the state's result as it is.
 * The step that the CDK has for this would also allow every version of the function.
 *
 * @param final errors of the function itself that another call would only repeat
 * @param slow errors of it that may take half an hour to pass
 */
export function invoke(
  scope: Construct,
  name: string,
  fn: lambda.IFunction,
  state: object,
  final: string[] = [],
  slow: string[] = [],
): sfn.CustomState {
  return new sfn.CustomState(scope, name, {
    stateJson: {
      Type: 'Task',
      Resource: fn.functionArn,
      ...state,
      // Each may be called twice, and else fails only when a service does not answer it.
      Retry: [
        retry(LAMBDA_SERVICE_ERRORS, 6),
        ...(final.length > 0 ? [retry(final, 0)] : []),
        ...(slow.length > 0 ? [{ ...retry(slow, 11), MaxDelaySeconds: 600 }] : []),
        retry(['States.TaskFailed'], 5),
      ],
    },
  });
}
