import { Template } from 'aws-cdk-lib/assertions';

const PSEUDO: { [ref: string]: string } = {
  'AWS::Partition': '<partition>',
  'AWS::Region': '<region>',
  'AWS::AccountId': '<account>',
};

/** Turns a value of a template into text: intrinsic functions become what they stand for. */
export function resolve(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[kind, argument]] = Object.entries(value as { [kind: string]: any }) as [[string, any]];
  switch (kind) {
    case 'Ref':
      return PSEUDO[argument as string] ?? `<${argument as string}>`;
    case 'Fn::GetAtt':
      return `<${(argument as string[]).join('.')}>`;
    case 'Fn::Join':
      return (argument[1] as unknown[]).map(resolve).join(argument[0] as string);
    case 'Fn::Select':
      return `${resolve(argument[1]['Fn::Split'][1])}[${argument[0] as number}]`;
    case 'Fn::Sub':
      return argument as string;
    default:
      throw new Error(`cannot resolve ${JSON.stringify(value)}`);
  }
}

export interface Statement {
  /** The construct path of the role or the user, without slashes. */
  readonly role: string;
  readonly actions: string[];
  readonly resources: string[];
  readonly condition?: any;
}

const withoutHash = (logicalId: string): string => logicalId.replace(/[0-9A-F]{8}$/, '');

/** Every statement of every policy, be it part of a role or beside it. */
export function statements(template: Template): Statement[] {
  const within = Object.entries(template.findResources('AWS::IAM::Role')).flatMap(
    ([id, { Properties }]) =>
      (Properties.Policies ?? []).map(({ PolicyDocument }: any) => [id, PolicyDocument]),
  );
  const beside = Object.values(template.findResources('AWS::IAM::Policy')).flatMap(
    ({ Properties: { PolicyDocument, Roles = [], Users = [] } }) =>
      [...Roles, ...Users].map(({ Ref }: any) => [Ref, PolicyDocument]),
  );
  return [...within, ...beside].flatMap(([id, document]) =>
    document.Statement.map((statement: any) => ({
      role: withoutHash(id),
      actions: [statement.Action].flat(),
      resources: [statement.Resource].flat().map(resolve),
      condition: statement.Condition,
    })),
  );
}

/** The statements of one role of AutoDump, named as in docs/iam.md. */
export function statementsOf(template: Template, name: string): Statement[] {
  const found = statements(template).filter(({ role }) => role === `AutoDump${name}`);
  if (found.length === 0) throw new Error(`no statements for the role ${name}`);
  return found;
}
