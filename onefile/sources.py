"""Where the packages come from: this interpreter's own environment when all are in it, else pip."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path

from onefile.closure import BuildError, MissingError, closure

_SAID_LINES = 4


@dataclass(frozen=True)
class Sources:
    """Where packages may come from: pip takes them from the directory `wheels` alone, or from the network unless
    `offline`; and with `fetch` also those that are installed."""

    wheels: Path | None = None
    fetch: bool = False
    offline: bool = False


@dataclass(frozen=True)
class Found:
    """The distributions by name, and the least version of Python that they run with."""

    distributions: Mapping[str, Distribution]
    least_python: str


def find_distributions(
    requirements: Sequence[str], directory: Path, sources: Sources, talk: Callable[[str], None]
) -> Found:
    """The distributions that satisfy the requirements. What pip has to install it installs into `directory`.

    Raises:
        BuildError: they cannot be had.
    """
    if sources.wheels is not None and not sources.wheels.is_dir():
        raise BuildError(f"{sources.wheels} is no directory")
    places = sys.path
    if sources.wheels is not None or sources.fetch:
        places = [str(directory)]
        _install(requirements, directory, sources.wheels)
    try:
        found = closure(requirements, places)
    except MissingError as error:
        if places != sys.path or sources.offline:
            raise
        talk(f"{error}; fetching all with pip")
        places = [str(directory)]
        _install(requirements, directory, None)
        found = closure(requirements, places)
    return _for_older(found, requirements, [*places, str(directory / "older")], sources, talk)


def _for_older(
    found: Mapping[str, Distribution],
    requirements: Sequence[str],
    places: Sequence[str],
    sources: Sources,
    talk: Callable[[str], None],
) -> Found:
    # Some libraries need more with the first releases of a Python than with this one; the file is for all of them.
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    lacking: list[str] = []
    older = closure(requirements, places, version=f"{minor}.0", lacking=lacking)
    if lacking and not sources.offline:
        with contextlib.suppress(BuildError):
            _install(lacking, Path(places[-1]), sources.wheels, "--no-deps", "--retries", "1")
            lacking = []
            older = closure(requirements, places, version=f"{minor}.0", lacking=lacking)
    if not lacking:
        return Found({**older, **found}, f"{minor}.0")
    for patch in range(1, sys.version_info[2] + 1):
        absent: list[str] = []
        closure(requirements, places, version=f"{minor}.{patch}", lacking=absent)
        if not absent:
            break
    talk(f"{', '.join(lacking)} is not here: the file will need Python {minor}.{patch} or newer")
    return Found({**older, **found}, f"{minor}.{patch}")


def _install(requirements: Sequence[str], directory: Path, wheels: Path | None, *options: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ringside-pip-") as spare:
        command = [_with_pip(Path(spare)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-compile", "--only-binary", ":all:", "--target", str(directory), *options]
        if wheels is not None:
            command += ["--no-index", "--find-links", str(wheels)]
        ended = subprocess.run(  # noqa: S603 - our own interpreter, our own requirements
            [*command, *requirements], stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False
        )
    if ended.returncode:
        said = [line.strip() for line in ended.stderr.splitlines() if line.strip()][-_SAID_LINES:]
        hint = "look into the directory of wheels" if wheels else "is there a network? else name wheels with --wheels"
        raise BuildError("\n  ".join(["pip could not get the packages:", *said]), hint=hint)


def _with_pip(spare: Path) -> str:
    # A Python without pip often has what makes one: then an environment of its own has it.
    if find_spec("pip") is not None:
        return sys.executable
    made = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "venv", str(spare)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise BuildError("this Python has no pip, and cannot make an environment that has", hint="install pip")
    return str(spare / "bin" / "python")
