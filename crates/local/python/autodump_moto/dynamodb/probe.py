"""What the patches look at moto with."""

import boto3


def client(service, region="us-east-1"):
    """A client of the mocked cloud."""
    return boto3.client(service, region_name=region, aws_access_key_id="local", aws_secret_access_key="local")


def make_table(dynamodb, name="probe", **more):
    """A table with the key `id`; returns its ARN."""
    made = dynamodb.create_table(
        TableName=name,
        **{
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            **more,
        },
    )
    return made["TableDescription"]["TableArn"]
