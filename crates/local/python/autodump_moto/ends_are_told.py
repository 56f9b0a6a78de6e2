"""The end of an execution is told to the front door, which publishes it to the rules of EventBridge.

On AWS every execution that ends or is stopped is an event, "Step Functions Execution Status Change".

Upstream: not reported.
"""

import http.server
import logging
import os
import threading
import urllib.parse
import urllib.request

from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication

_LOG = logging.getLogger(__name__)
_PATH = "/_autodump/ended/"


def _tell(execution_arn):
    url = f"http://127.0.0.1:{os.environ['MOTO_PORT']}{_PATH}{urllib.parse.quote(execution_arn, safe='')}"
    try:
        urllib.request.urlopen(url, timeout=30).read()
    except OSError as error:
        _LOG.error("the end of %s could not be told: %s", execution_arn, error)


def _and_tell(original):
    def terminated(self):
        original(self)
        threading.Thread(target=_tell, args=(self.execution.exec_arn,), daemon=True).start()

    return terminated


class _Ended(BaseExecutionWorkerCommunication):
    """An execution whose end changes nothing."""

    exec_arn = "arn:probe"

    def __init__(self):
        super().__init__(self)

    def _reflect_execution_status(self):
        pass


def broken() -> bool:
    """Whether nobody is told of an execution that ends."""
    told = threading.Event()

    class _Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802  (the name is given)
            if self.path == f"{_PATH}arn%3Aprobe":
                told.set()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    door = http.server.HTTPServer(("127.0.0.1", 0), _Door)
    threading.Thread(target=door.serve_forever, daemon=True).start()
    os.environ["MOTO_PORT"] = str(door.server_address[1])
    _Ended().terminated()
    heard = told.wait(timeout=2)
    door.shutdown()
    return not heard


def apply() -> None:
    """Tells of every end."""
    BaseExecutionWorkerCommunication.terminated = _and_tell(BaseExecutionWorkerCommunication.terminated)
