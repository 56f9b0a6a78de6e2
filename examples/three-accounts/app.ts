import { App, RemovalPolicy, Stack, Tags } from 'aws-cdk-lib';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { ArnPrincipal } from 'aws-cdk-lib/aws-iam';
import { AutoDump, AutoDumpSourceRole } from 'cdk-autodump';

// The backups lie where whoever breaks into production cannot reach them. Deploy each stack with the
// credentials of its account, `Backup` last: `cdk deploy Production --profile production`, and so on.
const backup = { account: '111122223333', region: 'eu-central-1' };
const production = { account: '222233334444', region: 'eu-central-1' };
const staging = { account: '333344445555', region: 'eu-west-1' };
const bucketName = `autodump-${backup.account}`;
const roleName = 'AutoDumpSource';
const externalId = '8f1b1c52-backups';
const roleOf = ({ account }: { readonly account: string }) =>
  `arn:aws:iam::${account}:role/${roleName}`;

const app = new App();

// Its tables are backed up: those that bear the tag. AWS allows no asterisk there, so ` -` is one.
const source = new Stack(app, 'Production', { env: production });
const trusted = { trustedAccount: backup.account, externalId, bucketName, roleName };
new AutoDumpSourceRole(source, 'AutoDump', trusted);
const orders = new Table(source, 'Orders', {
  partitionKey: { name: 'id', type: AttributeType.STRING },
  // With it, the method `export` backs the table up as of one moment, and without load on it.
  pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
  removalPolicy: RemovalPolicy.RETAIN,
});
Tags.of(orders).add('autodump:start-schedule', '30 3 - - -');
Tags.of(orders).add('autodump:timezone', 'Europe/Berlin');
// After each backup, the table `orders-copy` of the backup account becomes what this one was. It is made
// when it is missing. With `yes` it would bear the name of this one, which CloudFormation makes up.
Tags.of(orders).add('autodump:replicate', 'orders-copy');

// Its tables are backed up too, and backups of production may be restored here.
const target = new Stack(app, 'Staging', { env: staging });
new AutoDumpSourceRole(target, 'AutoDump', { ...trusted, restore: true });

// AutoDump runs here alone, and here alone are the backups.
const stack = new Stack(app, 'Backup', { env: backup });
const availabilityZones = ['eu-central-1a', 'eu-central-1b'];
const vpc = new Vpc(stack, 'Vpc', { availabilityZones, natGateways: 1 });
const autoDump = new AutoDump(stack, 'AutoDump', {
  vpc,
  bucketName,
  sources: [production, staging].map((environment) => ({
    region: environment.region,
    roleArn: roleOf(environment),
    externalId,
  })),
});

// DynamoDB reads the backup for an import with the rights of the role that restores.
autoDump.grantRead(new ArnPrincipal(roleOf(staging)));
