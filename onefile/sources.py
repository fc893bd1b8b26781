"""Where the packages come from: this interpreter's own environment when all are in it, else pip."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path

from onefile.closure import BuildError, MissingError, closure

_SAID_LINES = 4


def find_distributions(
    requirements: Sequence[str],
    directory: Path,
    *,
    wheels: Path | None,
    fetch: bool,
    talk: Callable[[str], None],
) -> Mapping[str, Distribution]:
    """The distributions that satisfy the requirements, by name. What pip has to install it installs into `directory`.

    Raises:
        BuildError: they cannot be had.
    """
    if wheels is None and not fetch:
        try:
            return closure(requirements, sys.path)
        except MissingError as error:
            talk(f"{error}; fetching all with pip")
    if wheels is not None and not wheels.is_dir():
        raise BuildError(f"{wheels} is no directory")
    _install(requirements, directory, wheels)
    return closure(requirements, [str(directory)])


def _install(requirements: Sequence[str], directory: Path, wheels: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="ringside-pip-") as spare:
        command = [_with_pip(Path(spare)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-compile", "--only-binary", ":all:", "--target", str(directory)]
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
