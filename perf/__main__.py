"""Runs the benchmarks: all of them, or those whose name contains the argument."""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import subprocess
import sys

import perf

NOT_BENCHMARKS = frozenset({"__main__", "figures"})
"""What is in this folder besides benchmarks; names with an underscore are what several of them share."""


def main(only: str = "") -> int:
    """Print one row a figure; 1 when no benchmark has that name."""
    found = (module.name for module in pkgutil.iter_modules(perf.__path__))
    names = [name for name in found if name not in NOT_BENCHMARKS and not name.startswith("_")]
    chosen = [name for name in names if only in name]
    if not chosen:
        print(f"no benchmark is called {only!r}; there are {', '.join(names)}", file=sys.stderr)
        return 1
    print(f"# {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, commit {_commit()}")
    print(f"{'work':58} {'ours':>12} {'baseline':>12} {'unit':10} {'ratio':>7}  baseline is")
    for name in chosen:
        for figure in importlib.import_module(f"perf.{name}").measure():
            print(
                f"{figure.work:58} {figure.ours:12,.{figure.digits}g} {figure.baseline:12,.{figure.digits}g}"
                f" {figure.unit:10} {figure.ratio:7.3g}  {figure.against}",
                flush=True,
            )
    return 0


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
