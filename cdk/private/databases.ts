import { Arn, ArnFormat, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { allow } from './role';

/** What the names of all snapshots begin with that AutoDump makes (crates/core/src/snapshot/names.rs). */
const OWN = 'autodump-*';

/** Who exports snapshots. */
export const EXPORTER = 'export.rds.amazonaws.com';

/** What the export of a snapshot needs. */
export interface SnapshotExport {
  readonly role: iam.IRole;
  readonly key: kms.IKey;
}

/** What policies say of the databases of RDS of one account, in some of its regions. */
export class Databases {
  constructor(
    private readonly scope: Construct,
    private readonly regions: string[],
  ) {}

  /** What a database is, and which tags it bears. One that is gone must not look as if it were forbidden. */
  describe(): iam.PolicyStatement[] {
    return [
      allow(['rds:DescribeDBInstances'], this.arns('db:*')),
      allow(['rds:DescribeDBClusters'], this.arns('cluster:*')),
    ];
  }

  private arns(resource: string): string[] {
    return [...new Set(this.regions)].map((region) => arnOf(this.scope, region, resource));
  }
}

/**
 * What policies say of snapshots, in the stack's own region alone: RDS exports into no other. Only targets are
 * made snapshots of; only those are deleted that AutoDump has made: by their names, and by their tag.
 */
export class Snapshots {
  constructor(
    private readonly scope: Construct,
    private readonly tagPrefix: string,
  ) {}

  /** Makes snapshots and deletes them, starts exports and cancels them, and looks at all of these. */
  manage(): iam.PolicyStatement[] {
    const { tagPrefix } = this;
    const has = (key: string) => ({ Null: { [key]: 'false' } });
    const [instances, clusters] = [`snapshot:${OWN}`, `cluster-snapshot:${OWN}`].map((name) =>
      this.arn(name),
    );
    const isTarget = has(`aws:ResourceTag/${tagPrefix}:start-schedule`);
    const isMarked = has(`aws:RequestTag/${tagPrefix}:made-for`);
    const isOurs = has(`aws:ResourceTag/${tagPrefix}:made-for`);
    return [
      allow(
        ['rds:DescribeDBSnapshots'],
        ['db:*', 'snapshot:*'].map((name) => this.arn(name)),
      ),
      allow(
        ['rds:DescribeDBClusterSnapshots'],
        ['cluster:*', 'cluster-snapshot:*'].map((name) => this.arn(name)),
      ),
      allow(['rds:CreateDBSnapshot'], [this.arn('db:*')], isTarget),
      allow(['rds:CreateDBClusterSnapshot'], [this.arn('cluster:*')], isTarget),
      // To make one with tags is to tag it, too.
      allow(['rds:CreateDBSnapshot', 'rds:AddTagsToResource'], [instances], isMarked),
      allow(['rds:CreateDBClusterSnapshot', 'rds:AddTagsToResource'], [clusters], isMarked),
      allow(['rds:DeleteDBSnapshot'], [instances], isOurs),
      allow(['rds:DeleteDBClusterSnapshot'], [clusters], isOurs),
      allow(
        [
          'rds:DescribeAccountAttributes',
          'rds:DescribeExportTasks',
          'rds:StartExportTask',
          'rds:CancelExportTask',
        ],
        ['*'],
      ),
    ];
  }

  /** Passes the role to RDS alone, and lets RDS alone use the key. */
  passOn({ key, role }: SnapshotExport): iam.PolicyStatement[] {
    return [
      allow(['iam:PassRole'], [role.roleArn], {
        StringEquals: { 'iam:PassedToService': EXPORTER },
      }),
      allow(['kms:DescribeKey'], [key.keyArn]),
      allow(['kms:CreateGrant'], [key.keyArn], {
        Bool: { 'kms:GrantIsForAWSResource': 'true' },
      }),
    ];
  }

  private arn(resource: string): string {
    return arnOf(this.scope, Stack.of(this.scope).region, resource);
  }
}

function arnOf(scope: Construct, region: string, resource: string): string {
  const arnFormat = ArnFormat.NO_RESOURCE_NAME;
  return Arn.format({ service: 'rds', region, resource, arnFormat }, Stack.of(scope));
}
