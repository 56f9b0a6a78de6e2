"""State machines that CloudFormation makes are executed.

moto has two Step Functions backends, one that remembers and one that executes. CloudFormation writes into the first,
whatever the configuration says.

Upstream: not reported.
"""

from moto.stepfunctions import models
from moto.stepfunctions.parser.models import stepfunctions_parser_backends


def broken() -> bool:
    """Whether CloudFormation's backend is not the one that executes."""
    return models.stepfunctions_backends is not stepfunctions_parser_backends


def apply() -> None:
    """Lets CloudFormation use the executing backend."""
    models.stepfunctions_backends = stepfunctions_parser_backends
