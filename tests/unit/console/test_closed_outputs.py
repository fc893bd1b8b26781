"""The command when whoever starts it has closed its output."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("closed", "words", "code"), [(">&-", "--list", 0), (">&- 2>&-", "--list", 0), ("2>&-", "", 2)]
)
def test_closed_outputs_are_no_trouble(closed: str, words: str, code: int) -> None:
    """What would be printed goes nowhere: no traceback, and the exit code that there would be."""
    command = f"{sys.executable} -m console --batch backtest {words} {closed}"
    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")
