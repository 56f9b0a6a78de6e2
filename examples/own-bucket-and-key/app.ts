import { App, Duration, Stack } from 'aws-cdk-lib';
import { ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { AccountRootPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { AutoDump } from 'cdk-autodump';

const app = new App();
const stack = new Stack(app, 'OwnBucketAndKey');
const vpc = new Vpc(stack, 'Vpc', { maxAzs: 2, natGateways: 1 });

const encryptionKey = new Key(stack, 'Key', { enableKeyRotation: true });
const bucket = new Bucket(stack, 'Backups', {
  encryption: BucketEncryption.KMS,
  encryptionKey,
  bucketKeyEnabled: true,
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  enforceSSL: true,
  versioned: true,
  lifecycleRules: [
    {
      expiration: Duration.days(90),
      noncurrentVersionExpiration: Duration.days(7),
      // No less than `dumpTimeout`, which is 24 hours if it is not given: S3 must not abort the
      // upload of a dump that still runs.
      abortIncompleteMultipartUploadAfter: Duration.days(1),
    },
  ],
});

const autoDump = new AutoDump(stack, 'AutoDump', { vpc, bucket, encryptionKey });

// Who restores from where the databases are reached: may list, read and decrypt the backups.
const restorer = new Role(stack, 'Restorer', { assumedBy: new AccountRootPrincipal() });
autoDump.grantRead(restorer);

// Who lets AutoDump restore: may start restores, and sees neither the backups nor the secrets.
autoDump.grantRestore(new Role(stack, 'Operator', { assumedBy: new AccountRootPrincipal() }));

// What failed, and a target whose tags are wrong, are for a person to see.
const atLeastOne = {
  threshold: 1,
  evaluationPeriods: 1,
  comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
  treatMissingData: TreatMissingData.NOT_BREACHING,
};
autoDump.metricExecutionsFailed().createAlarm(stack, 'BackupFailed', atLeastOne);
autoDump.metricRestoresFailed().createAlarm(stack, 'RestoreFailed', atLeastOne);
autoDump.metricTargetsRejected().createAlarm(stack, 'TargetRejected', atLeastOne);
