import { Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

export interface OwnRoleProps {
  /** Who takes the role. */
  readonly assumedBy: iam.IPrincipal;
  readonly roleName?: string;
  readonly description: string;
  readonly statements: iam.PolicyStatement[];
  /** Why some of the statements have a wildcard. Each wildcard is listed in docs/iam.md. */
  readonly wildcards: string;
}

/**
 * A role for one thing. Each wildcard of its statements is acknowledged by itself, so what a user
 * of the construct grants it later is looked at as ever.
 */
export class OwnRole extends iam.Role {
  constructor(scope: Construct, id: string, props: OwnRoleProps) {
    super(scope, id, {
      assumedBy: props.assumedBy,
      roleName: props.roleName,
      description: props.description,
      inlinePolicies: { Own: new iam.PolicyDocument({ statements: props.statements }) },
    });
    const resources = props.statements
      .flatMap((statement) => statement.resources)
      .map((resource) => flatten(Stack.of(this).resolve(resource)))
      .filter((resource) => resource.includes('*'));
    for (const resource of new Set(resources)) {
      Validations.of(this).acknowledge({
        id: `AwsSolutions-IAM5[Resource::${resource}]`,
        reason: `${props.wildcards} Each wildcard is listed in docs/iam.md with its reason.`,
      });
    }
  }
}

/** The text by which cdk-nag names a resource: references in angle brackets. */
function flatten(value: unknown): string {
  if (typeof value === 'string') return value;
  const { Ref, ...functions } = value as Reference;
  if (Ref !== undefined) return `<${Ref}>`;
  const attribute = functions['Fn::GetAtt'];
  if (attribute) return `<${attribute.join('.')}>`;
  const join = functions['Fn::Join'];
  return join ? join[1].map(flatten).join(join[0]) : JSON.stringify(value);
}

interface Reference {
  readonly Ref?: string;
  readonly 'Fn::GetAtt'?: string[];
  readonly 'Fn::Join'?: [string, unknown[]];
}

/** Lets a function write its own log. */
export function writeLogs(logGroupArn: string): iam.PolicyStatement {
  return allow(['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroupArn]);
}

export function allow(
  actions: string[],
  resources: string[],
  conditions?: { readonly [operator: string]: unknown },
): iam.PolicyStatement {
  return new iam.PolicyStatement({ actions, resources, conditions });
}
