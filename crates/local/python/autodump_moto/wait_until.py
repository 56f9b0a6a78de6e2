"""Wait does not wake before its timestamp.

moto cuts the seconds to wait to a whole number and so wakes up to a second early. AWS never wakes early; a run that
starts before its time would be computed as the next run once more.

Upstream: not reported.
"""

import datetime
import time

from moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp import Timestamp


class _Stack(list):
    """A text to wait for, as the state finds it: evaluating it puts it on the stack."""

    def __init__(self, text):
        super().__init__()
        self.stack = self
        self._text = text

    def eval(self, env):
        env.stack.append(self._text)


def _get_wait_seconds(original):
    def seconds(self, env):
        self.string.eval(env=env)
        moment = self._from_timestamp_string(timestamp=env.stack.pop())
        if moment is None:
            # Evaluated once more there, and refused in moto's own words.
            return original(self, env)
        return (moment - datetime.datetime.now()).total_seconds()

    return seconds


def wait_interval(self, env, wait_seconds):
    """Waits a number of seconds that need not be whole, and ends early when the execution is stopped."""
    end = time.monotonic() + wait_seconds
    while env.is_running() and time.monotonic() < end:
        env.program_state_event.wait(end - time.monotonic())


def broken() -> bool:
    """Whether a wait for a moment 2 to 3 seconds ahead is shorter than that moment is far."""
    moment = (datetime.datetime.now() + datetime.timedelta(seconds=3)).replace(microsecond=0)
    text = _Stack(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    wait = Timestamp.__new__(Timestamp)
    wait.string = text
    seconds = wait._get_wait_seconds(text)
    woken = datetime.datetime.now() + datetime.timedelta(seconds=seconds)
    return woken < moment - datetime.timedelta(milliseconds=1)


def apply() -> None:
    """Waits to the very moment."""
    Timestamp._get_wait_seconds = _get_wait_seconds(Timestamp._get_wait_seconds)
    Timestamp._wait_interval = wait_interval
