#!/usr/bin/env python3
"""A toy Lambda function that speaks the Runtime API and does what its event says."""
import json
import os
import sys
import time
import urllib.request

BASE = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request).read()


def answer(event, headers):
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "exit" in event:
        sys.exit(event["exit"])
    if event.get("detail-type"):
        print("EVENT " + json.dumps(event), flush=True)
    return {
        "pid": os.getpid(),
        "echo": event,
        "mode": os.environ.get("MODE"),
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
        "name": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "arn": headers["Lambda-Runtime-Invoked-Function-Arn"],
        "left": int(headers["Lambda-Runtime-Deadline-Ms"]) / 1000 - time.time(),
        "execute": event.get("tagHash") != "old",
    }


if os.environ.get("MODE") == "no-init":
    post("/init/error", {"errorType": "Toy.Init", "errorMessage": "cannot begin"})
    sys.exit(1)
while True:
    with urllib.request.urlopen(BASE + "/invocation/next") as response:
        headers, event = response.headers, json.load(response)
    path = f"/invocation/{headers['Lambda-Runtime-Aws-Request-Id']}"
    if event.get("fail"):
        post(path + "/error", {"errorType": "Toy.Failure", "errorMessage": event["fail"]})
    else:
        post(path + "/response", answer(event, headers))
