"""The single file beside `python -m console` from the checkout: how large it is, how long its starts take."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from onefile.build import ROOT, build
from onefile.sources import Sources
from perf.figures import Figure

RUNS = 7
CHECKOUT = (sys.executable, "-m", "console")
WORK = ("--batch", "providers")
AGAINST = "python -m console from the checkout"


def measure() -> list[Figure]:
    """Both files are built, by level of what they hold, and started in a cache of their own."""
    with tempfile.TemporaryDirectory(prefix="ringside-perf-") as name:
        directory = Path(name)
        full, slim = directory / "full.pyz", directory / "slim.pyz"
        offline = Sources(offline=True)
        built = [build(full, sources=offline), build(slim, slim=True, sources=offline)]
        sizes = [
            Figure(f"{what} file, packed", found.size_bytes / 1e6, found.unpacked_bytes / 1e6, "MB", "unpacked")
            for what, found in zip(("full", "slim"), built, strict=True)
        ]
        return [*sizes, *_first(full, "full"), *_first(slim, "slim"), *_warm(slim)]


def _first(file: Path, what: str) -> list[Figure]:
    # The first start unpacks and imports; the baseline has everything installed and in the page cache.
    environment = _environment(file.with_suffix(".first"))
    ours_ms = _taken_ms([str(file), *WORK], environment)
    return [Figure(f"{what} file, first start of {WORK[-1]}", ours_ms, _median_ms([*CHECKOUT, *WORK]), "ms", AGAINST)]


def _warm(file: Path) -> list[Figure]:
    environment = _environment(file.with_suffix(".first"))
    return [
        Figure(
            f"slim file, {' '.join(words)} again", _median_ms([str(file), *words], environment),
            _median_ms([*CHECKOUT, *words]), "ms", AGAINST,
        )
        for words in (("--version",), ("--help",), WORK)
    ]  # fmt: skip


def _environment(cache: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"RINGSIDE_CACHE": str(cache), "PATH": path}


def _median_ms(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    return sorted(_taken_ms(command, environment) for _ in range(RUNS))[RUNS // 2]


def _taken_ms(command: Sequence[str], environment: Mapping[str, str] | None) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True)
    return (time.perf_counter() - began) * 1e3
