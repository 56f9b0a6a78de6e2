import { Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as rds from 'aws-cdk-lib/aws-rds';
import { jobDefinition, make, Match, only, Template, template } from './support/stacks';

describe('the network', () => {
  const subnets = (made: Template): unknown =>
    only(made, 'AWS::Batch::ComputeEnvironment').ComputeResources.Subnets;
  const publicIp = (made: Template): unknown =>
    jobDefinition(made).ContainerProperties.NetworkConfiguration.AssignPublicIp;
  const bothKinds = (stack: Stack): ec2.IVpc =>
    ec2.Vpc.fromVpcAttributes(stack, 'Both', {
      vpcId: 'vpc-0123456789abcdef1',
      availabilityZones: ['eu-central-1a'],
      publicSubnetIds: ['subnet-0123456789abcdef4'],
      privateSubnetIds: ['subnet-0123456789abcdef3'],
    });

  test('private subnets are taken if there are any', () => {
    const made = template((stack) => ({ vpc: bothKinds(stack) }));
    expect([subnets(made), publicIp(made)]).toEqual([['subnet-0123456789abcdef3'], 'DISABLED']);
  });

  test('in public subnets a job has a public address', () => {
    const made = template((stack) => ({
      vpc: bothKinds(stack),
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
    }));
    expect([subnets(made), publicIp(made)]).toEqual([['subnet-0123456789abcdef4'], 'ENABLED']);
  });

  test('unless told otherwise', () => {
    expect(publicIp(template({ assignPublicIp: true }))).toBe('ENABLED');
  });

  test('own security groups are used, and none is made', () => {
    const made = template((stack) => ({
      securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(stack, 'Own', 'sg-0123456789abcdef0')],
    }));
    made.resourceCountIs('AWS::EC2::SecurityGroup', 0);
    expect(only(made, 'AWS::Batch::ComputeEnvironment').ComputeResources.SecurityGroupIds).toEqual([
      'sg-0123456789abcdef0',
    ]);
  });

  test('a database is opened to the dump jobs', () => {
    const { autoDump, stack } = make();
    const database = new rds.DatabaseInstance(stack, 'Database', {
      vpc: new ec2.Vpc(stack, 'DatabaseVpc'),
      storageEncrypted: true,
      engine: rds.DatabaseInstanceEngine.postgres({ version: rds.PostgresEngineVersion.VER_16 }),
    });
    autoDump.connections.allowToDefaultPort(database);
    Template.fromStack(stack).hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
      SourceSecurityGroupId: {
        'Fn::GetAtt': [Match.stringLikeRegexp('^AutoDumpSecurityGroup'), 'GroupId'],
      },
      ToPort: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Database'), 'Endpoint.Port'] },
    });
  });
});
