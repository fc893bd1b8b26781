"""Which installed distributions a list of requirements comes to, by their own metadata."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from typing import Any

from onefile.project import requirement_name


class BuildError(Exception):
    """The file cannot be built: why, and what to do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class MissingError(BuildError):
    """A requirement is not installed, or in a version that does not do."""


def closure(
    requirements: Iterable[str], places: Sequence[str], *, version: str = "", lacking: list[str] | None = None
) -> dict[str, Distribution]:
    """The distributions in `places` that satisfy the requirements and what those require, by normalised name.

    Markers are those of the running interpreter, or of another `version` of it. What is not there is added to
    `lacking`, if that is given.

    Raises:
        MissingError: something is not there.
    """
    given = {"python_full_version": version} if version else {}
    installed = _installed(places)
    parse = _requirement_class()
    found: dict[str, Distribution] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    waiting = [(parse(text), "this project") for text in requirements]
    while waiting:
        requirement, wanted_by = waiting.pop()
        name = requirement_name(requirement.name)
        if (name, frozenset(requirement.extras)) in done:
            continue
        done.add((name, frozenset(requirement.extras)))
        try:
            distribution = _satisfying(installed, requirement, wanted_by)
        except MissingError:
            if lacking is None:
                raise
            lacking.append(f"{requirement.name}{requirement.specifier}")
            continue
        found[name] = distribution
        for text in distribution.requires or ():
            needed = parse(text)
            if _applies(needed, requirement.extras, given):
                waiting.append((needed, name))
    return dict(sorted(found.items()))


def _installed(places: Sequence[str]) -> Mapping[str, Distribution]:
    # The first of a name counts, as it does for imports.
    found: dict[str, Distribution] = {}
    for distribution in distributions(path=list(places)):
        if name := distribution.metadata["Name"]:
            found.setdefault(requirement_name(name), distribution)
    return found


def _satisfying(installed: Mapping[str, Distribution], requirement: Any, wanted_by: str) -> Distribution:
    distribution = installed.get(requirement_name(requirement.name))
    if distribution is None:
        raise MissingError(f"{requirement.name} is not installed, which {wanted_by} needs")
    if not requirement.specifier.contains(distribution.version, prereleases=True):
        raise MissingError(f"{requirement} is needed by {wanted_by}; installed is {distribution.version}")
    if distribution.files is None:
        raise MissingError(f"{requirement.name} is installed, but nothing says which its files are")
    return distribution


def _applies(requirement: Any, extras: Iterable[str], given: Mapping[str, str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra, **given}) for extra in (*extras, ""))


def _requirement_class() -> Any:
    # Not in the standard library; where pip is there is a copy.
    for name in ("packaging.requirements", "pip._vendor.packaging.requirements"):
        try:
            return importlib.import_module(name).Requirement
        except ModuleNotFoundError:
            continue
    raise BuildError("this Python has neither pip nor packaging", hint="install pip (apt install python3-pip)")
