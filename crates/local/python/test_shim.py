"""Every patch is still needed, and repairs what it says.

Run with the local cloud's own Python: `python test_shim.py`. Each patch is tried in a fresh process, because patches
change moto for the whole process. A patch whose fault is gone upstream makes this fail: then remove the patch.
"""

import pathlib
import subprocess
import sys

from autodump_moto import PATCHES

_TRY = """
import importlib, sys
patch = importlib.import_module(sys.argv[1])
if not patch.broken():
    sys.exit("moto no longer has this fault: remove the patch")
patch.apply()
if patch.broken():
    sys.exit("the patch does not repair the fault: moto has changed, adapt it")
"""


def main() -> int:
    """Tries every patch; returns the number of failures."""
    failed = 0
    for patch in PATCHES:
        command = [sys.executable, "-B", "-c", _TRY, patch.__name__]
        here = pathlib.Path(__file__).parent
        run = subprocess.run(command, cwd=here, capture_output=True, text=True)
        if run.returncode == 0:
            print(f"ok {patch.__name__}")
        else:
            failed += 1
            print(f"FAILED {patch.__name__}: {run.stderr.strip()}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
