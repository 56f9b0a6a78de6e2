"""Wait takes no longer than the local cloud is told.

Nothing that moto gets wrong: state machines look at what takes hours in minutes, and tests cannot wait for them.
`AUTODUMP_LONGEST_WAIT` is the longest that a Wait for a number of seconds takes; unset, it takes what it says. A Wait
until a moment is as long as ever.
"""

import os

from moto.stepfunctions.parser.asl.component.state.wait.wait_function.seconds import Seconds
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.seconds_path import SecondsPath

from autodump_moto.wait_until import wait_interval

_LONGEST = "AUTODUMP_LONGEST_WAIT"


def _wait_interval(self, env, wait_seconds):
    longest = os.environ.get(_LONGEST)
    wait_interval(self, env, min(wait_seconds, float(longest)) if longest else wait_seconds)


class _Clock:
    """As much of an execution as a wait looks at; it notes how long it was to wait."""

    def __init__(self):
        self.program_state_event = self
        self.waited = 0

    def wait(self, seconds):
        self.waited += seconds

    def is_running(self):
        return self.waited == 0


def broken() -> bool:
    """Whether a wait of an hour takes an hour where the longest is a second."""
    before = os.environ.get(_LONGEST)
    os.environ[_LONGEST] = "1"
    try:
        clock = _Clock()
        Seconds(3600)._wait_interval(clock, 3600)
        return clock.waited > 1
    finally:
        os.environ.pop(_LONGEST)
        if before is not None:
            os.environ[_LONGEST] = before


def apply() -> None:
    """Shortens waits as told."""
    Seconds._wait_interval = _wait_interval
    SecondsPath._wait_interval = _wait_interval
