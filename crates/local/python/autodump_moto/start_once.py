"""One execution per name, also when two callers ask at the same moment.

moto looks for an execution of the name and then adds one, without a lock, while its server answers requests in
threads. On AWS the second caller gets the first one's execution or ExecutionAlreadyExists.

Upstream: not reported.
"""

import threading

from moto.stepfunctions.parser.models import StepFunctionsParserBackend

_LOCK = threading.Lock()


def _one_at_a_time(original):
    def start_execution(self, *args, **kwargs):
        with _LOCK:
            return original(self, *args, **kwargs)

    return start_execution


class _SlowStateMachine:
    """A state machine that looks for the name slowly and tells how many looked at once."""

    def __init__(self):
        self.looking = 0
        self.most = 0
        self.meet = threading.Barrier(2)

    def _handle_name_input_idempotency(self, _name, _execution_input):
        self.looking += 1
        self.most = max(self.most, self.looking)
        try:
            self.meet.wait(timeout=0.2)
        except threading.BrokenBarrierError:
            pass
        self.looking -= 1
        return object()


def broken() -> bool:
    """Whether two StartExecutions can look for one name at the same moment."""
    machine = _SlowStateMachine()
    backend = StepFunctionsParserBackend("us-east-1", "123456789012")
    backend.describe_state_machine = lambda _arn: machine
    callers = [threading.Thread(target=backend.start_execution, args=("arn", "name", "{}")) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return machine.most > 1


def apply() -> None:
    """Puts a lock around StartExecution."""
    StepFunctionsParserBackend.start_execution = _one_at_a_time(StepFunctionsParserBackend.start_execution)
