"""Refusals that moto has no class for."""

from moto.dynamodb.exceptions import ERROR_TYPE_PREFIX, DynamodbException


def refuse(code, message):
    """Answers an error of DynamoDB's by its name."""
    raise DynamodbException(ERROR_TYPE_PREFIX + code, message)
