"""The command line of the builder, and its steps: find, stage, compile, pack."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from onefile.archive import Built, RunsWith, pack
from onefile.closure import BuildError
from onefile.compiling import compile_tree, find_light
from onefile.project import read_project
from onefile.sources import Sources, find_distributions
from onefile.staging import stage

ROOT = Path(__file__).resolve().parents[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Build the file; the exit code."""
    arguments = _parser().parse_args(argv)
    began = time.monotonic()
    try:
        built = build(arguments.output, slim=arguments.slim, sources=_sources(arguments))
    except BuildError as error:
        talk(str(error), *([f"  {error.hint}"] if error.hint else []))
        return 1
    except KeyboardInterrupt:
        return 130
    size, unpacked = built.size_bytes / 1e6, built.unpacked_bytes / 1e6
    talk(f"{arguments.output}: {size:.1f} MB, {unpacked:.1f} MB unpacked, {time.monotonic() - began:.0f} s")
    sys.stdout.write(f"{built.sha256}  {arguments.output}\n")
    return 0


def build(output: Path, *, slim: bool = False, sources: Sources | None = None) -> Built:
    """Write the single file to `output`. The same packages, sources and interpreter make the same bytes.

    Raises:
        BuildError: it cannot be built, and why.
    """
    project = read_project(ROOT)
    with tempfile.TemporaryDirectory(prefix="ringside-build-") as name:
        try:
            wanted = project.without_databento() if slim else project.requirements
            found = find_distributions(wanted, Path(name) / "fetched", sources or Sources(), talk)
            tree = Path(name) / "tree"
            site = tree / "site"
            talk(f"copying {len(found.distributions)} distributions and our own packages")
            runs_with = RunsWith(found.least_python, stage(project, found.distributions, site))
            talk("compiling")
            compile_tree(site, project.packages)
            talk("packing")
            return pack(tree, output, project=project, light=find_light(site), runs_with=runs_with)
        except OSError as error:
            raise BuildError(f"{error.filename or output}: {error.strerror or error}") from error


def talk(*lines: str) -> None:
    """Say how far it is, on stderr."""
    sys.stderr.write("".join(f"zipapp.py: {line}\n" for line in lines))
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zipapp.py", description="Build Ringside as one file, with all it needs but Python itself."
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "dist" / "ringside.pyz", metavar="FILE", help="what to write"
    )
    parser.add_argument("--slim", action="store_true", help="leave out Databento's client and what only it needs")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--wheels", type=Path, metavar="DIR", help="take the packages from wheels in DIR, offline")
    where.add_argument(
        "--fetch", action="store_true", help="fetch the packages with pip, also those that this Python has installed"
    )
    where.add_argument("--offline", action="store_true", help="take nothing but what this Python has installed")
    return parser


def _sources(arguments: argparse.Namespace) -> Sources:
    return Sources(wheels=arguments.wheels, fetch=arguments.fetch, offline=arguments.offline)
