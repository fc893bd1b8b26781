"""What is wrong with settings: each problem with its place, where that stands, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from config.places import Place, written

_TELLING = 3
"""Letters of which a word must have so many for its beginning to say something."""


@attrs.frozen
class Origin:
    """Where a value comes from: a file with line and column as far as they are known, or something with a name, as
    `environment DATABASE_URL` or `--set`."""

    name: str = ""
    is_file: bool = False
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}"


@attrs.frozen(kw_only=True)
class Problem:
    """One thing that is wrong. An empty `place` is about the whole of its origin."""

    message: str
    place: Place = ()
    hint: str = ""
    origin: Origin = Origin()

    @property
    def key(self) -> str:
        """The place as it is typed."""
        return written(self.place)

    def __str__(self) -> str:
        said = ": ".join(part for part in (str(self.origin), self.key, self.message) if part)
        return f"{said} ({self.hint})" if self.hint else said

    def row(self) -> dict[str, Any]:
        """It as plain values; `file` and `line` are None for what stands in no file, `origin` is then its name."""
        return {
            "origin": str(self.origin),
            "file": self.origin.name if self.origin.is_file else None,
            "line": self.origin.line,
            "column": self.origin.column,
            "key": self.key,
            "message": self.message,
            "hint": self.hint,
        }


class SettingsError(Exception):
    """The settings cannot be used; `found` says why, `problems` says it in one line each."""

    def __init__(self, found: Sequence[Problem | str]) -> None:
        self.found = tuple(Problem(message=one) if isinstance(one, str) else one for one in found)
        self.problems = [str(one) for one in self.found]
        super().__init__("; ".join(self.problems))


def about_file(path: Path, message: str, *, line: int | None = None, column: int | None = None) -> Problem:
    """A problem of a whole file, or of a line that is no TOML."""
    return Problem(message=message, origin=Origin(str(path), is_file=True, line=line, column=column))


def did_you_mean(word: str, known: Iterable[str], *, prefix: str = "") -> str:
    """The hint that names the most similar of `known`; empty when none is."""
    by_lower = {one.lower(): one for one in known}
    lower = word.lower()[:64]
    near = difflib.get_close_matches(lower, by_lower, n=1)
    if not near and len(lower) >= _TELLING:  # the beginning of a long one is not similar to it
        near = [one for one in by_lower if one.startswith(lower)][:1]
    return f"did you mean {prefix}{by_lower[near[0]]}?" if near else ""
