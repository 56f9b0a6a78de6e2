"""A table's description holds all that the table was made with.

moto loses the limits of on-demand throughput, the table class and a resource policy given at creation, ignores them
and encryption in UpdateTable, keeps the policy of a deleted table for the next one of its name, gives tables no id,
indexes no ARN, and says of every table that it has no bytes.

Upstream: not reported.
"""

import uuid

from moto import mock_aws
from moto.core.utils import utcnow
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import GlobalSecondaryIndex, Table
from moto.dynamodb.responses import DynamoHandler

from autodump_moto.dynamodb import probe
from autodump_moto.dynamodb.order import order_of

_ON_DEMAND = "OnDemandThroughput"


def remember(table, given) -> None:
    """Keeps what a request says of a table and moto does not look at."""
    if _ON_DEMAND in given:
        table.on_demand_throughput = given[_ON_DEMAND]
    if "TableClass" in given:
        table.table_class = {"TableClass": given["TableClass"], "LastUpdateDateTime": utcnow()}
    if "SSESpecification" in given:
        sse = dict(given["SSESpecification"])
        sse.setdefault("KMSMasterKeyId", table._get_default_encryption_key(table.account_id, table.region_name))
        table.sse_specification = sse


def id_of(table) -> str:
    """The table's own id, another one for each table of a name."""
    return table.__dict__.setdefault("table_id", str(uuid.uuid4()))


def _create(original):
    def create_table(self):
        answer = original(self)
        backend = self.dynamodb_backend
        table = backend.get_table(self.body["TableName"])
        remember(table, self.body)
        if "ResourcePolicy" in self.body:
            backend.put_resource_policy(table.table_arn, self.body["ResourcePolicy"], None)
        answer.result.update(table.describe())
        return answer

    return create_table


def _update(original):
    def update_table(self):
        answer = original(self)
        table = self.dynamodb_backend.get_table(self.body["TableName"])
        remember(table, self.body)
        if self.body.get("BillingMode") == "PAY_PER_REQUEST":
            table.throughput = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0}
        answer.result.update(table.describe())
        return answer

    return update_table


def _delete(original):
    def delete_table(self, name):
        table = original(self, name)
        self.resource_policies.pop(table.table_arn, None)
        return table

    return delete_table


def _create_index(original):
    def create(dct, table_key_attrs):
        index = original(dct, table_key_attrs)
        index.on_demand_throughput = dct.get(_ON_DEMAND)
        return index

    return staticmethod(create)


def _update_index(original):
    def update(self, given):
        original(self, given)
        self.on_demand_throughput = given.get(_ON_DEMAND, self.__dict__.get("on_demand_throughput"))

    return update


def _describe_index(index, described, table):
    """One index of a table's description, with its own items counted."""
    names = index.schema_key_attrs
    described["IndexArn"] = f"{table.table_arn}/index/{index.name}"
    described["ItemCount"], described["IndexSizeBytes"] = order_of(table).sums(names)
    if index.__dict__.get("on_demand_throughput"):
        described[_ON_DEMAND] = index.on_demand_throughput


def _describe(original):
    def describe(self, base_key="TableDescription"):
        described = original(self, base_key=base_key)
        of = described[base_key]
        own = self.__dict__
        of["TableId"] = id_of(self)
        of["TableStatus"] = own.get("table_status", "ACTIVE")
        of["ItemCount"], of["TableSizeBytes"] = order_of(self).sums(())
        for key, indexes in (("GlobalSecondaryIndexes", self.global_indexes), ("LocalSecondaryIndexes", self.indexes)):
            for index, of_index in zip(indexes, of[key]):
                _describe_index(index, of_index, self)
            if not of[key]:
                del of[key]
        if self.billing_mode != "PAY_PER_REQUEST":
            del of["BillingModeSummary"]
        if own.get("on_demand_throughput"):
            of[_ON_DEMAND] = self.on_demand_throughput
        if own.get("table_class"):
            of["TableClassSummary"] = self.table_class
        return described

    return describe


def broken() -> bool:
    """Whether the limits of on-demand throughput are lost."""
    limits = {"MaxReadRequestUnits": 7, "MaxWriteRequestUnits": 8}
    with mock_aws():
        client = probe.client("dynamodb")
        probe.make_table(client, OnDemandThroughput=limits)
        return client.describe_table(TableName="probe")["Table"].get("OnDemandThroughput") != limits


def apply() -> None:
    """Keeps what was given, and describes it."""
    DynamoHandler.create_table = _create(DynamoHandler.create_table)
    DynamoHandler.update_table = _update(DynamoHandler.update_table)
    DynamoDBBackend.delete_table = _delete(DynamoDBBackend.delete_table)
    GlobalSecondaryIndex.create = _create_index(GlobalSecondaryIndex.create)
    GlobalSecondaryIndex.update = _update_index(GlobalSecondaryIndex.update)
    Table.describe = _describe(Table.describe)
