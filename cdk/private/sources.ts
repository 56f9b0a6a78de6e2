import { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { Databases } from './databases';
import { allow } from './role';
import { Tables } from './tables';

/** A region, and the role of another account where the tables are that account's. */
export interface Source {
  readonly region: string;
  readonly roleArn?: string;
  readonly externalId?: string;
}

/** What a policy needs to know of the tables that are targets. */
export interface TableAccess {
  readonly tagPrefix: string;
  readonly sources: readonly Source[];
  readonly tableEncryptionKeys?: kms.IKey[];
}

/** The tables of this account: in its own region, and in those of the sources without a role. */
export function ownTables(scope: Construct, access: TableAccess): Tables {
  const { tableEncryptionKeys, tagPrefix } = access;
  return new Tables(scope, { regions: ownRegions(scope, access), tableEncryptionKeys, tagPrefix });
}

/** The databases of RDS of this account, in the same regions. */
export function ownDatabases(scope: Construct, access: TableAccess): Databases {
  return new Databases(scope, ownRegions(scope, access));
}

function ownRegions(scope: Construct, { sources }: TableAccess): string[] {
  const more = sources.filter(({ roleArn }) => roleArn === undefined);
  return [Stack.of(scope).region, ...more.map(({ region }) => region)];
}

/** The roles of the sources, each once. */
export function rolesOf(sources: readonly Source[]): string[] {
  return [...new Set(sources.flatMap(({ roleArn }) => roleArn ?? []))];
}

/** Lets a program act in the accounts of the sources, as their roles let it. */
export function assumeRoles({ sources }: TableAccess): iam.PolicyStatement[] {
  const roles = rolesOf(sources);
  return roles.length > 0 ? [allow(['sts:AssumeRole'], roles)] : [];
}

/** What a program is told of the sources, as in contract/sources.json; nothing if there are none. */
export function sourcesVariable(
  scope: Construct,
  { sources }: TableAccess,
): { [name: string]: string } {
  if (sources.length === 0) return {};
  const known = sources.map(({ region, roleArn, externalId }) => ({ region, roleArn, externalId }));
  return { AUTODUMP_SOURCES: Stack.of(scope).toJsonString(known) };
}
