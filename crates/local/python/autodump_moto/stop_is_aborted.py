"""A stopped execution ends as ABORTED.

When StopExecution comes while a task runs, the task's failure to finish is written over the stop, and the execution
reads FAILED. On AWS it reads ABORTED, with the error and cause that the caller gave.

Upstream: not reported.
"""

import threading

from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramRunning, ProgramStopped


def _keep_a_stop(original):
    def set_error(self, error):
        if not isinstance(self._program_state, ProgramStopped):
            original(self, error)

    return set_error


def broken() -> bool:
    """Whether an error after a stop replaces the stop."""
    environment = Environment.__new__(Environment)
    environment._state_mutex = threading.RLock()
    environment._program_state = ProgramRunning()
    environment._frames = []
    environment.program_state_event = threading.Event()
    environment.set_stop(stop_date="2026-01-01T00:00:00Z", cause=None, error=None)
    environment.set_error(error={"error": "States.Runtime"})
    return not isinstance(environment._program_state, ProgramStopped)


def apply() -> None:
    """Keeps the first end of an execution when that is a stop."""
    Environment.set_error = _keep_a_stop(Environment.set_error)
