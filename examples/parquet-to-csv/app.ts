import { App, Duration, Stack } from 'aws-cdk-lib';
import { SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { AccountRootPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import { BlockPublicAccess, Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { BadRows, ParquetLayout, ParquetToCsv, TableSchemas } from 'cdk-autodump';

const app = new App();
const stack = new Stack(app, 'ParquetToCsv');

// Whatever writes Parquet here, and a _SUCCESS into each directory at its end. The events of the bucket
// start the conversions.
const common = { blockPublicAccess: BlockPublicAccess.BLOCK_ALL, enforceSSL: true };
const source = new Bucket(stack, 'Parquet', common);
const destination = new Bucket(stack, 'Csv', {
  ...common,
  lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(2) }],
});

// Only what is too large for the function needs a network. This one costs nothing while no job runs.
const vpc = new Vpc(stack, 'Vpc', {
  natGateways: 0,
  subnetConfiguration: [{ name: 'Jobs', subnetType: SubnetType.PUBLIC }],
});

const alarmTopic = new Topic(stack, 'Alarms', { enforceSSL: true });
const csv = new ParquetToCsv(stack, 'ParquetToCsv', {
  source,
  sourcePrefix: 'lake/',
  layout: ParquetLayout.DIRECTORIES,
  destination,
  destinationPrefix: 'csv/',
  compression: 'gzip',
  // The table is named as its directory: lake/…/orders/.
  schemas: TableSchemas.fromObjects({
    orders: {
      type: 'object',
      properties: {
        id: { type: 'integer', minimum: 1 },
        code: { type: ['string', 'null'], pattern: '^[A-Z]{3}$' },
      },
      required: ['id'],
    },
  }),
  badRows: BadRows.REJECT,
  vpc,
  alarmTopic,
});

// The team that takes the CSV files: may list, read and decrypt them, and nothing of the source.
csv.grantReadResults(new Role(stack, 'Reader', { assumedBy: new AccountRootPrincipal() }));
