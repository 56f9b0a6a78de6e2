import { App } from 'aws-cdk-lib';
import { readContext } from './context';
import { AutoDumpStack } from './stack';

const app = new App();
new AutoDumpStack(app, 'AutoDump', readContext(app.node));
