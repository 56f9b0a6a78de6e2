"""An error named `States.*` may be raised at run time.

A definition must not invent names that begin with `States.`, but a Fail state with an ErrorPath, a Map and a callback
pass on the names that they were given, and those may be Step Functions' own. moto raises a ValueError then.

Upstream: not reported.
"""

from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName


def _init(self, error_name):
    ErrorName.__init__(self, error_name=error_name)


def broken() -> bool:
    """Whether the name of an error that Step Functions itself raises is refused."""
    try:
        CustomErrorName("States.TaskFailed")
    except ValueError:
        return True
    return False


def apply() -> None:
    """Lets every name through."""
    CustomErrorName.__init__ = _init
