"""Calls one function of this checkout in a process of its own and prints its answer as JSON (see `python_side`)."""

from __future__ import annotations

import json
import sys
from importlib import import_module


def main() -> None:
    """`… module:function {"arguments": "as JSON"}`."""
    function, arguments = sys.argv[1:3]
    module, _, name = function.partition(":")
    answer = getattr(import_module(module), name)(**json.loads(arguments))
    sys.stdout.flush()
    print("\n" + json.dumps(answer))
