"""Tables of the repaired moto: what backups and restores rely on.

Run with the local cloud's own Python: `python -m unittest`, in this folder.
"""

import json
import random
import unittest

from autodump_moto.dynamodb import probe
from tables_case import EVERY_TYPE, KEYS, RECOVERY, Tables, every_item, key, put_all


class Scan(Tables):
    def test_segments_divide_the_items_whatever_their_number(self):
        probe.make_table(self.dynamodb, **KEYS)
        put_all(self.dynamodb, "probe", [key(partition, sort) for partition in range(300) for sort in range(2)])
        for segments in (1, 4, 1000):
            items, pages = every_item(self.dynamodb, "probe", segments)
            found = sorted((item["p"]["S"], item["s"]["N"]) for item in items)
            self.assertEqual(found, sorted((str(p), str(s)) for p in range(300) for s in range(2)))
            of_segment = [page["Count"] for page in pages]
            self.assertTrue(all(count % 2 == 0 for count in of_segment), "a partition is in two segments")
            if segments == 4:
                self.assertTrue(all(100 <= count <= 200 for count in of_segment), of_segment)

    def test_numbers_and_bytes_are_keys_too(self):
        for kind, values in (("N", ["1", "-2", "3.5"]), ("B", [b"\xff", b"\x00", b"a"])):
            definitions = [{"AttributeName": "id", "AttributeType": kind}]
            probe.make_table(self.dynamodb, name=f"by-{kind}", AttributeDefinitions=definitions)
            put_all(self.dynamodb, f"by-{kind}", [{"id": {kind: value}} for value in values])
            items, _ = every_item(self.dynamodb, f"by-{kind}", 3, Limit=1)
            self.assertEqual(sorted(item["id"][kind] for item in items), sorted(values))
        # The same number in other words is the same key.
        self.dynamodb.put_item(TableName="by-N", Item={"id": {"N": "1.0"}})
        self.assertEqual(self.dynamodb.scan(TableName="by-N", Select="COUNT")["Count"], 3)

    def test_items_of_a_partition_come_by_their_sort_keys(self):
        probe.make_table(self.dynamodb, **KEYS)
        put_all(self.dynamodb, "probe", [key("p", sort) for sort in (10, 9, -1, 2.5)])
        items, _ = every_item(self.dynamodb, "probe")
        self.assertEqual([item["s"]["N"] for item in items], ["-1", "2.5", "9", "10"])

    def test_a_page_ends_with_the_item_that_reaches_a_mebibyte(self):
        probe.make_table(self.dynamodb)
        # 1 KiB each: the names and the id have 2, 1 and 4 bytes.
        items = [{"id": {"S": f"{n:04}"}, "v": {"B": bytes(1024 - 7)}} for n in range(1500)]
        put_all(self.dynamodb, "probe", items)
        for consistent, units in ((False, 0.5), (True, 1.0)):
            more = {"ReturnConsumedCapacity": "TOTAL", "ConsistentRead": consistent}
            found, pages = every_item(self.dynamodb, "probe", **more)
            self.assertEqual(len(found), 1500)
            self.assertEqual([page["Count"] for page in pages], [1024, 476])
            used = [page["ConsumedCapacity"]["CapacityUnits"] for page in pages]
            self.assertEqual(used, [256 * units, 119 * units])

    def test_a_limit_ends_a_page_also_at_the_end(self):
        probe.make_table(self.dynamodb)
        put_all(self.dynamodb, "probe", [{"id": {"S": name}} for name in "abcd"])
        _, pages = every_item(self.dynamodb, "probe", Limit=2)
        self.assertEqual([page["Count"] for page in pages], [2, 2, 0])
        self.refused("ValidationException", self.dynamodb.scan, TableName="probe", Segment=1, TotalSegments=1)
        self.refused("ValidationException", self.dynamodb.scan, TableName="probe", TotalSegments=1)
        self.refused("ResourceNotFoundException", self.dynamodb.scan, TableName="nothing")

    def test_a_scan_goes_on_whatever_happens_to_the_table(self):
        random.seed(4)
        probe.make_table(self.dynamodb, **KEYS)
        stay = [key(partition, 0) for partition in range(200)]
        put_all(self.dynamodb, "probe", stay + [key(partition, 1) for partition in range(200)])
        seen, start, new = [], {}, 1000
        while True:
            page = self.dynamodb.scan(TableName="probe", Limit=7, **start)
            seen += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            last = page["LastEvaluatedKey"]
            if last["s"]["N"] == "1":
                self.dynamodb.delete_item(TableName="probe", Key=last)
            self.dynamodb.put_item(TableName="probe", Item=key(new, 0))
            self.dynamodb.put_item(TableName="probe", Item=key(random.randrange(200), 1))
            new, start = new + 1, {"ExclusiveStartKey": last}
        names = [(item["p"]["S"], item["s"]["N"]) for item in seen]
        self.assertEqual(len(names), len(set(names)), "an item came twice")
        self.assertLessEqual({(item["p"]["S"], "0") for item in stay}, set(names))

    def test_a_start_key_of_another_segment_is_refused(self):
        probe.make_table(self.dynamodb)
        put_all(self.dynamodb, "probe", [{"id": {"S": str(n)}} for n in range(40)])
        page = self.dynamodb.scan(TableName="probe", Segment=0, TotalSegments=2, Limit=1)
        start = {"TableName": "probe", "ExclusiveStartKey": page["LastEvaluatedKey"], "TotalSegments": 2}
        self.assertGreater(self.dynamodb.scan(Segment=0, **start)["Count"], 0)
        self.refused("ValidationException", self.dynamodb.scan, Segment=1, **start)

    def test_what_is_changed_in_place_is_read(self):
        probe.make_table(self.dynamodb)
        self.dynamodb.put_item(TableName="probe", Item={"id": {"S": "1"}, "m": {"M": {"n": {"N": "1"}}}})
        self.assertEqual(every_item(self.dynamodb, "probe")[0][0]["m"], {"M": {"n": {"N": "1"}}})
        self.dynamodb.update_item(
            TableName="probe",
            Key={"id": {"S": "1"}},
            UpdateExpression="SET m.n = :n",
            ExpressionAttributeValues={":n": {"N": "2"}},
        )
        self.assertEqual(every_item(self.dynamodb, "probe")[0][0]["m"], {"M": {"n": {"N": "2"}}})


class Items(Tables):
    def test_every_type_comes_back(self):
        probe.make_table(self.dynamodb)
        one, many = {"id": {"S": "1"}, **EVERY_TYPE}, {"id": {"S": "2"}, **EVERY_TYPE}
        self.dynamodb.put_item(TableName="probe", Item=one)
        put_all(self.dynamodb, "probe", [many])
        found = {item["id"]["S"]: item for item in every_item(self.dynamodb, "probe")[0]}
        self.assertEqual(found, {"1": one, "2": many})
        self.assertEqual(self.dynamodb.get_item(TableName="probe", Key={"id": {"S": "2"}})["Item"], many)

    def test_an_item_of_400_kib_fits_and_no_byte_more(self):
        probe.make_table(self.dynamodb)
        most = {"id": {"S": "1"}, "v": {"B": bytes(400 * 1024 - 4)}}
        put_all(self.dynamodb, "probe", [most])
        self.assertEqual(every_item(self.dynamodb, "probe")[0], [most])
        most["v"]["B"] += b"x"
        self.refused("ValidationException", self.dynamodb.put_item, TableName="probe", Item=most)

    def test_batches_that_dynamodb_refuses_are_refused(self):
        probe.make_table(self.dynamodb, **KEYS)
        write = self.dynamodb.batch_write_item
        puts = [{"PutRequest": {"Item": key("p", sort)}} for sort in range(26)]
        self.refused("ValidationException", write, RequestItems={"probe": puts})
        twice = [puts[0], {"PutRequest": {"Item": {**key("p", 0), "v": {"S": "other"}}}}]
        self.refused("ValidationException", write, RequestItems={"probe": twice})
        self.assertEqual(self.dynamodb.scan(TableName="probe")["Count"], 0)
        puts[1]["PutRequest"]["Item"]["v"] = {"B": bytes(3000)}
        done = write(RequestItems={"probe": puts[:2]}, ReturnConsumedCapacity="TOTAL")
        self.assertEqual(done["ConsumedCapacity"], [{"TableName": "probe", "CapacityUnits": 4.0}])
        self.assertNotIn("ConsumedCapacity", write(RequestItems={"probe": puts[2:4]}))


class Definitions(Tables):
    def test_a_table_is_described_as_it_was_made(self):
        limits = {"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6}
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"]}
        global_index = {
            "IndexName": "global",
            "KeySchema": [{"AttributeName": "q", "KeyType": "HASH"}, {"AttributeName": "p", "KeyType": "RANGE"}],
            "Projection": projection,
        }
        local_index = {
            "IndexName": "local",
            "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "q", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": []})
        arn = probe.make_table(
            self.dynamodb,
            KeySchema=KEYS["KeySchema"],
            AttributeDefinitions=[*KEYS["AttributeDefinitions"], {"AttributeName": "q", "AttributeType": "B"}],
            GlobalSecondaryIndexes=[{**global_index, "OnDemandThroughput": limits}],
            LocalSecondaryIndexes=[local_index],
            OnDemandThroughput=limits,
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "arn:aws:kms:x"},
            TableClass="STANDARD_INFREQUENT_ACCESS",
            DeletionProtectionEnabled=True,
            Tags=[{"Key": "k", "Value": "v"}],
            ResourcePolicy=policy,
        )
        put_all(self.dynamodb, "probe", [{**key(1, 1), "q": {"B": b"xyz"}}, key(1, 2)])
        table = self.dynamodb.describe_table(TableName="probe")["Table"]
        (found,) = table["GlobalSecondaryIndexes"]
        self.assertEqual({name: found[name] for name in global_index}, global_index)
        self.assertEqual((found["OnDemandThroughput"], found["ItemCount"]), (limits, 1))
        (found,) = table["LocalSecondaryIndexes"]
        self.assertEqual({name: found[name] for name in local_index}, local_index)
        self.assertEqual(found["IndexArn"], f"{arn}/index/local")
        self.assertEqual(table["OnDemandThroughput"], limits)
        self.assertEqual(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
        self.assertEqual(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES")
        self.assertEqual(table["SSEDescription"]["KMSMasterKeyArn"], "arn:aws:kms:x")
        self.assertEqual(table["TableClassSummary"]["TableClass"], "STANDARD_INFREQUENT_ACCESS")
        self.assertTrue(table["DeletionProtectionEnabled"])
        # p and s with their values, twice, and q once.
        self.assertEqual((table["ItemCount"], table["TableSizeBytes"]), (2, 2 * 5 + 4))
        self.assertEqual(self.dynamodb.get_resource_policy(ResourceArn=arn)["Policy"], policy)
        self.assertEqual(self.dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"], [{"Key": "k", "Value": "v"}])

    def test_a_provisioned_table_has_its_throughput_and_no_more(self):
        throughput = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
        probe.make_table(self.dynamodb, BillingMode="PROVISIONED", ProvisionedThroughput=throughput)
        table = self.dynamodb.describe_table(TableName="probe")["Table"]
        self.assertEqual({name: table["ProvisionedThroughput"][name] for name in throughput}, throughput)
        for absent in ("BillingModeSummary", "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "OnDemandThroughput"):
            self.assertNotIn(absent, table)
        self.dynamodb.update_table(
            TableName="probe",
            BillingMode="PAY_PER_REQUEST",
            OnDemandThroughput={"MaxReadRequestUnits": 9},
            TableClass="STANDARD_INFREQUENT_ACCESS",
            SSESpecification={"Enabled": True, "SSEType": "KMS"},
        )
        table = self.dynamodb.describe_table(TableName="probe")["Table"]
        self.assertEqual(table["OnDemandThroughput"], {"MaxReadRequestUnits": 9})
        self.assertEqual(table["ProvisionedThroughput"]["ReadCapacityUnits"], 0)
        self.assertEqual(table["SSEDescription"]["Status"], "ENABLED")

    def test_what_is_set_later_is_kept(self):
        arn = probe.make_table(self.dynamodb)
        ttl = {"Enabled": True, "AttributeName": "until"}
        self.dynamodb.update_time_to_live(TableName="probe", TimeToLiveSpecification=ttl)
        found = self.dynamodb.describe_time_to_live(TableName="probe")["TimeToLiveDescription"]
        self.assertEqual(found, {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"})
        self.dynamodb.update_continuous_backups(TableName="probe", PointInTimeRecoverySpecification=RECOVERY)
        found = self.dynamodb.describe_continuous_backups(TableName="probe")["ContinuousBackupsDescription"]
        self.assertEqual(found["PointInTimeRecoveryDescription"]["RecoveryPeriodInDays"], 7)
        self.dynamodb.put_resource_policy(ResourceArn=arn, Policy="{}")
        self.dynamodb.delete_table(TableName="probe")
        probe.make_table(self.dynamodb)
        self.refused("PolicyNotFoundException", self.dynamodb.get_resource_policy, ResourceArn=arn)

    def test_scaling_is_kept(self):
        scaling = probe.client("application-autoscaling")
        for resource, kind in (("table/probe", "table"), ("table/probe/index/g", "index")):
            target = {
                "ServiceNamespace": "dynamodb",
                "ResourceId": resource,
                "ScalableDimension": f"dynamodb:{kind}:ReadCapacityUnits",
            }
            scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=9)
            tracking = {
                "TargetValue": 70.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"},
                "ScaleInCooldown": 5,
                "ScaleOutCooldown": 6,
                "DisableScaleIn": False,
            }
            scaling.put_scaling_policy(
                **target,
                PolicyName="p",
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration=tracking,
            )
            asked = {"ServiceNamespace": "dynamodb"}
            (found,) = scaling.describe_scalable_targets(**asked, ResourceIds=[resource])["ScalableTargets"]
            self.assertEqual((found["MinCapacity"], found["MaxCapacity"]), (2, 9))
            (found,) = scaling.describe_scaling_policies(**asked, ResourceId=resource)["ScalingPolicies"]
            self.assertEqual(found["TargetTrackingScalingPolicyConfiguration"], tracking)


class Tags(Tables):
    def test_tagged_tables_are_found_page_by_page(self):
        tagging = probe.client("resourcegroupstaggingapi")
        arns = []
        for number in range(5):
            tags = [{"Key": "autodump:start-schedule", "Value": "@daily"}] if number else []
            arns.append(probe.make_table(self.dynamodb, name=f"t{number}", Tags=tags))
        asked = {
            "ResourceTypeFilters": ["dynamodb:table"],
            "TagFilters": [{"Key": "autodump:start-schedule"}],
            "ResourcesPerPage": 2,
        }
        found, token = [], ""
        while True:
            page = tagging.get_resources(**asked, PaginationToken=token)
            found += [resource["ResourceARN"] for resource in page["ResourceTagMappingList"]]
            token = page["PaginationToken"]
            if not token:
                break
            probe.make_table(self.dynamodb, name=f"x{len(found)}")
        self.assertEqual(found, arns[1:])
        self.dynamodb.untag_resource(ResourceArn=arns[1], TagKeys=["autodump:start-schedule"])
        self.dynamodb.tag_resource(ResourceArn=arns[2], Tags=[{"Key": "autodump:start-schedule", "Value": "@hourly"}])
        left = tagging.get_resources(**{**asked, "ResourcesPerPage": 50})["ResourceTagMappingList"]
        self.assertEqual([resource["ResourceARN"] for resource in left], arns[2:])
        self.assertEqual(left[0]["Tags"], [{"Key": "autodump:start-schedule", "Value": "@hourly"}])


if __name__ == "__main__":
    unittest.main()
