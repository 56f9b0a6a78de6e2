import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { EXPORTER } from './private/databases';
import { BackupAccess, exportObjects } from './private/job-statements';
import { allow, OwnRole } from './private/role';

export interface SnapshotExportProps {
  /** The bucket that is exported into is the first one. */
  readonly backups: BackupAccess;
  /** One is made if it is not given. */
  readonly exportKey?: kms.IKey;
  /** Of the key that is made. */
  readonly removalPolicy: RemovalPolicy;
}

/** What RDS needs to export snapshots: the role that it writes into the bucket with, and a key. */
export class SnapshotExport extends Construct {
  readonly role: iam.Role;
  readonly key: kms.IKey;

  constructor(scope: Construct, id: string, props: SnapshotExportProps) {
    super(scope, id);
    this.key =
      props.exportKey ??
      new kms.Key(this, 'Key', {
        description: 'AutoDump: encrypts what RDS exports of snapshots',
        enableKeyRotation: true,
        removalPolicy: props.removalPolicy,
      });
    this.role = new OwnRole(this, 'Role', {
      assumedBy: new iam.ServicePrincipal(EXPORTER).withConditions({
        StringEquals: { 'aws:SourceAccount': Stack.of(this).account },
      }),
      description: 'AutoDump: RDS writes the exports of snapshots into the bucket',
      statements: [...exportObjects(props.backups), useKey(this.key)],
      wildcards: 'The keys of backups hold the target and the time.',
    });
  }
}

/** RDS uses the key by a grant of who asks for the export; by what else it says, the role must be able to, too. */
function useKey(key: kms.IKey): iam.PolicyStatement {
  const actions = ['DescribeKey', 'Encrypt', 'Decrypt', 'GenerateDataKey'];
  return allow(
    [...actions, 'GenerateDataKeyWithoutPlaintext'].map((action) => `kms:${action}`),
    [key.keyArn],
  );
}
