"""moto, repaired where the local cloud needs it.

One small module per repaired thing. Each has two functions: `broken()` looks at moto as it is and says whether the
fault is there, `apply()` repairs it. `test_shim.py` calls both, so that a piece that upstream has repaired is noticed
and can be removed.

| module                 | what moto gets wrong                                                    | upstream                    |
|------------------------|-------------------------------------------------------------------------|-----------------------------|
| task_parameters        | service tasks pass their parameters and results on without recasing     | issue 10076, pull 10094     |
| states_errors          | an error named `States.*` cannot pass through Fail, Map or a callback   | not reported                |
| batch_cfn              | CloudFormation cannot make the Batch resources that CDK writes          | not reported                |
| change_set_outputs     | a stack that a change set made has no outputs                           | not reported                |
| state_machine_backend  | state machines of CloudFormation land where nothing executes them       | not reported                |
| stop_is_aborted        | a stopped execution inside a task ends as FAILED, not as ABORTED        | not reported                |
| start_once             | two StartExecutions of one name at one moment both start                | not reported                |
| task_times             | a time in a task's result is no JSON                                    | not reported                |
| ends_are_told          | the end of an execution is no event                                     | not reported                |
| key_policy             | a KMS key of CloudFormation cannot be described                         | not reported                |
| longest_wait           | nothing: waits are shortened for tests                                  | not needed                  |
| wait_until             | Wait wakes up to a second before its timestamp                          | not reported                |
| dynamodb.batch_write   | BatchWriteItem is slow, and takes what DynamoDB refuses                 | not reported                |
| dynamodb.definitions   | tables lose parts of what they were made with                           | not reported                |
| dynamodb.destinations  | a table cannot be asked for Kinesis destinations or insights            | not reported                |
| dynamodb.export        | an export has no manifest, and no token                                 | not reported                |
| dynamodb.imports       | an import knows no ZSTD, no frames and no other account's bucket        | not reported                |
| dynamodb.item_size     | an item may have 405,000 bytes, counted in its own way                  | not reported                |
| dynamodb.scan          | Scan is slow, and ends pages and counts units in its own way            | not reported                |
| dynamodb.scaling       | a table's scaling policies are taken for another's                      | not reported                |
| dynamodb.tagging_token | the last page of tagged resources has no token                          | not reported                |
| dynamodb.tags          | a tag can be there twice                                                | not reported                |
"""

from autodump_moto import (
    batch_cfn,
    change_set_outputs,
    ends_are_told,
    key_policy,
    longest_wait,
    start_once,
    state_machine_backend,
    states_errors,
    stop_is_aborted,
    task_parameters,
    task_times,
    wait_until,
)
from autodump_moto.dynamodb import (
    batch_write,
    definitions,
    destinations,
    export,
    imports,
    item_size,
    scaling,
    scan,
    tagging_token,
    tags,
)

PATCHES = (
    task_parameters,
    states_errors,
    batch_cfn,
    change_set_outputs,
    state_machine_backend,
    stop_is_aborted,
    start_once,
    task_times,
    ends_are_told,
    key_policy,
    longest_wait,
    wait_until,
    batch_write,
    definitions,
    destinations,
    export,
    imports,
    item_size,
    scaling,
    scan,
    tagging_token,
    tags,
)


def apply_all() -> None:
    """Applies every patch. Must run before moto serves its first request."""
    for patch in PATCHES:
        patch.apply()
