"""Finds the interpreters that have other programs, and runs what is measured there.

Those programs have needs that are not ours and not each other's: `make bench-peers` makes environments of their own
beside our libraries, and `RINGSIDE_PEERS` names others, separated by colons. A program that none has is left out with
a word on stderr.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from core.bars.ticks import Ticks

_HERE = Path(__file__).parent
_LONGEST_S = 300


@cache
def interpreter_with(module: str) -> str | None:
    """The first interpreter that has `module`; None when there is none, which is said once."""
    named = [path for path in os.environ.get("RINGSIDE_PEERS", "").split(":") if path]
    beside = sorted(str(path) for path in Path(sys.prefix).glob("peers*/bin/python"))
    look = "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)"
    for interpreter in (*named, *beside, sys.executable):
        if subprocess.run([interpreter, "-c", look, module], check=False).returncode == 0:
            return interpreter
    print(f"{module} is not installed anywhere: left out (make bench-peers)", file=sys.stderr)
    return None


def output_of(interpreter: str, program: str, *arguments: object) -> str:
    """The last line that one of the programs in this folder prints."""
    with tempfile.TemporaryDirectory() as folder:  # some write where they stand
        command = [interpreter, str(_HERE / program), *map(str, arguments)]
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=_LONGEST_S)
    return found.stdout.splitlines()[-1]


def run_on_ticks(program: str, peer: str, *work: str, ticks: Ticks, runs: int) -> dict[str, Any] | None:
    """What a program says of `runs` on `ticks`, with the best of its runs as `best_ms`: the first, in which it may
    compile, only when it is the only one. None when `peer`, whose first word is its module, is not installed."""
    interpreter = interpreter_with(peer.split(maxsplit=1)[0])
    if interpreter is None:
        return None
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file, ts_ns=ticks.ts_ns, price_e9=ticks.price_e9, quantity_e8=ticks.quantity_e8)
        file.flush()
        said: dict[str, Any] = json.loads(output_of(interpreter, program, peer, *work, file.name, runs))
    return said | {"best_ms": min(said["ms"][1:] or said["ms"])}
