"""How long `ringside --help` takes as a whole process, beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from perf.figures import Figure

RUNS = 15


def measure() -> list[Figure]:
    """The medians of both, in turn, for each kind of help."""
    nothing = [sys.executable, "-c", "pass"]
    return [
        _compare(f"ringside {' '.join(options)}", [sys.executable, "-m", "console", *options], nothing)
        for options in (("--help",), ("--batch", "--help"), ("serve", "--help"))
    ]


def _compare(work: str, ours: Sequence[str], baseline: Sequence[str]) -> Figure:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        for command, into in zip((ours, baseline), times, strict=True):
            started = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            into.append((time.perf_counter() - started) * 1e3)
    ours_ms, baseline_ms = (sorted(found)[RUNS // 2] for found in times)
    return Figure(work, ours_ms, baseline_ms, "ms", "python -c pass")
