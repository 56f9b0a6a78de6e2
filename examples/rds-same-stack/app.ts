import { App, SecretValue, Stack, Tags } from 'aws-cdk-lib';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import {
  Credentials,
  DatabaseInstance,
  DatabaseInstanceEngine,
  DatabaseSecret,
  PostgresEngineVersion,
} from 'aws-cdk-lib/aws-rds';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { AutoDump } from 'cdk-autodump';

const app = new App();
const stack = new Stack(app, 'RdsSameStack');
const vpc = new Vpc(stack, 'Vpc', { maxAzs: 2, natGateways: 1 });

const secret = new DatabaseSecret(stack, 'Secret', { username: 'app', dbname: 'app' });
const database = new DatabaseInstance(stack, 'Database', {
  vpc,
  engine: DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_16 }),
  credentials: Credentials.fromSecret(secret),
  databaseName: 'app',
  storageEncrypted: true,
});

const autoDump = new AutoDump(stack, 'AutoDump', { vpc });

// The way in, and the schedule: at 3:30 every day. AWS allows no asterisk in a tag, so ` -` is one.
autoDump.connections.allowToDefaultPort(database);
Tags.of(secret).add('autodump:start-schedule', '30 3 - - -');
Tags.of(secret).add('autodump:timezone', 'Europe/Berlin');

// Where a backup may be restored: into another database of the same server. It has no schedule, so it
// is not dumped. It need not be there yet: a restore with the option `create` makes it.
const copy = new Secret(stack, 'Copy', {
  secretObjectValue: {
    engine: SecretValue.unsafePlainText('postgres'),
    host: SecretValue.unsafePlainText(database.dbInstanceEndpointAddress),
    dbname: SecretValue.unsafePlainText('app_restored'),
    username: SecretValue.unsafePlainText('app'),
    password: secret.secretValueFromJson('password'),
  },
});
Tags.of(copy).add('autodump:restore-target', 'yes');
