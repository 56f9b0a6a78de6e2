import { Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

export interface OwnRoleProps {
  /** Who takes the role. */
  readonly assumedBy: iam.IPrincipal;
  readonly roleName?: string;
  readonly description: string;
  readonly statements: iam.PolicyStatement[];
  /** Whether statements are merged where that makes the policy shorter. */
  readonly merged?: boolean;
  /** Why some of the statements have a wildcard. Each wildcard is listed in docs/iam.md. */
  readonly wildcards: string;
}

/** IAM's limit for the inline policies of a role together, in characters without white space. */
const MOST_OF_POLICIES = 10_240;

/**
 * A role for one thing. Each wildcard of its statements is acknowledged by itself, so what a user
 * of the construct grants it later is looked at as ever.
 */
export class OwnRole extends iam.Role {
  constructor(scope: Construct, id: string, props: OwnRoleProps) {
    const { merged: minimize = false, statements } = props;
    const policy = new iam.PolicyDocument({ statements, minimize });
    super(scope, id, {
      assumedBy: props.assumedBy,
      roleName: props.roleName,
      description: props.description,
      inlinePolicies: { Own: policy },
    });
    this.node.addValidation({ validate: () => tooLong(this, policy) });
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

function tooLong(role: iam.Role, policy: iam.PolicyDocument): string[] {
  const length = lengthOf(Stack.of(role), policy);
  if (length <= MOST_OF_POLICIES) return [];
  return [
    `AutoDump: the policy of the role ${role.node.path} has about ${length} characters, and IAM takes ${MOST_OF_POLICIES}. Name fewer regions or keys: what is left goes into another AutoDump, or into another AutoDumpSourceRole.`,
  ];
}

/** About how long a policy will be: what is known at deployment alone is taken for a long name. */
function lengthOf(stack: Stack, document: iam.PolicyDocument): number {
  const inWords = (_: string, value: unknown) => (isReference(value) ? flatten(value) : value);
  return JSON.stringify(stack.resolve(document), inWords)
    .replaceAll('<AWS::Partition>', 'aws')
    .replaceAll('<AWS::AccountId>', '111122223333')
    .replaceAll('<AWS::Region>', 'ap-southeast-1')
    .replaceAll(/<[^<>]*>/g, 'x'.repeat(64))
    .replaceAll(/\s/g, '').length;
}

function isReference(value: unknown): value is Reference {
  const names = Object.keys(value instanceof Object ? value : {});
  return names.length === 1 && (names[0] === 'Ref' || names[0].startsWith('Fn::'));
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
