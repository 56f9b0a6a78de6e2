import { App, Stack } from 'aws-cdk-lib';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { AutoDump } from 'cdk-autodump';

const app = new App();
const stack = new Stack(app, 'Bare');

// Any network that the databases can be reached from. Its jobs need a way to AWS: here, a NAT gateway.
const vpc = new Vpc(stack, 'Vpc', { maxAzs: 2, natGateways: 1 });

new AutoDump(stack, 'AutoDump', { vpc });
