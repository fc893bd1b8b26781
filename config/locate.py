"""Finds the line on which each key of a TOML document stands, which the parser of the standard library does not tell.

What is wrong is for the parser to tell: here the search ends there. It takes time and memory in proportion to the
document, so that it can go before the parser and refuse what is nested too deeply for it.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

import attrs

MAX_DEPTH: Final = 32
"""Keys and numbers of items that lead to a place at most; no setting stands deeper than seven."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PLAIN = re.compile(r"[^,\]}#\n]*")
# A quote that ends a text of several lines may be followed by two more that belong to it.
_TEXT = re.compile(
    r"""
      "{3} (?:\\.|[^\\])*? "{3} "{0,2}
    | '{3} .*? '{3} '{0,2}
    | " (?:\\.|[^"\\\n])* "
    | ' [^'\n]* '
    """,
    re.DOTALL | re.VERBOSE,
)


@attrs.frozen
class Position:
    """A line and a column, both counted from 1."""

    line: int
    column: int


class TooDeepError(ValueError):
    """A place deeper than `MAX_DEPTH`, and where it begins."""

    def __init__(self, position: Position) -> None:
        super().__init__("is nested too deeply")
        self.position = position


class _LostError(Exception):
    # From here on the document is no TOML.
    pass


def locate(text: str) -> Mapping[tuple[str | int, ...], Position]:
    """Where each key, each table and each item of a list begins, by its place: the keys that lead to it, and numbers
    for items. Of a table that is only implied, that is where it is first mentioned. Of what is no TOML, at least
    those before the first mistake. Raises `TooDeepError`."""
    return _Walk(text).places()


def read_key(text: str) -> tuple[list[str], str]:
    """The key at the beginning of `text`, a dotted one part by part, and what follows it.

    Raises `ValueError` when there is none, `TooDeepError` when it has too many parts.
    """
    walk = _Walk(text)
    parts = walk.key()
    if not parts:
        raise ValueError("no key")
    return parts, text[walk.at :]


class _Walk:
    def __init__(self, text: str) -> None:
        self.at = 0
        self._text = text
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._found: dict[tuple[str | int, ...], Position] = {}
        self._counts: dict[tuple[str | int, ...], int] = {}  # of tables in each array of tables so far

    def places(self) -> dict[tuple[str | int, ...], Position]:
        table: tuple[str | int, ...] = ()
        with contextlib.suppress(_LostError):
            while True:
                self._skip(_BETWEEN)
                if self.at >= len(self._text):
                    break
                if self._text[self.at] == "[":
                    table = self._header()
                else:
                    self._pair(table)
        return self._found

    def key(self) -> list[str]:
        """The parts of the key here; the position is behind it."""
        parts: list[str] = []
        start = end = self.at
        while True:
            if len(parts) > MAX_DEPTH:
                raise TooDeepError(self._position(start))
            self._skip(_BLANK)
            if quoted := _TEXT.match(self._text, self.at):
                parts.append(str(tomllib.loads(f"key = {quoted[0]}")["key"]))
                self.at = quoted.end()
            elif bare := _BARE.match(self._text, self.at):
                parts.append(bare[0])
                self.at = bare.end()
            else:
                self.at = end if parts else self.at  # a point with nothing behind it is no part of a key
                return parts
            end = self.at
            self._skip(_BLANK)
            if not self._passes("."):
                self.at = end
                return parts

    def _header(self) -> tuple[str | int, ...]:
        start = self.at
        several = self._text.startswith("[[", self.at)
        self.at += 2 if several else 1
        place: tuple[str | int, ...] = ()
        parts = self._some_key()
        for number, part in enumerate(parts, start=1):
            place = self._within(place, part, start)
            self._found.setdefault(place, self._position(start))
            if several and number == len(parts):
                count = self._counts.get(place, 0)
                self._counts[place] = count + 1
                place += (count,)
            elif place in self._counts:
                place += (self._counts[place] - 1,)
        self._found[place] = self._position(start)
        self._skip(_BLANK)
        while self._passes("]"):
            pass
        return place

    def _pair(self, table: tuple[str | int, ...]) -> None:
        start = self.at
        place = table
        for part in self._some_key():
            place = self._within(place, part, start)
            self._found.setdefault(place, self._position(start))
        self._skip(_BLANK)
        if not self._passes("="):
            raise _LostError
        self._value(place)

    def _some_key(self) -> list[str]:
        try:
            parts = self.key()
        except TooDeepError:
            raise
        except ValueError as error:  # of a part in quotes
            raise _LostError from error
        if not parts:
            raise _LostError
        return parts

    def _within(self, place: tuple[str | int, ...], part: str | int, start: int) -> tuple[str | int, ...]:
        if len(place) >= MAX_DEPTH:
            raise TooDeepError(self._position(start))
        return (*place, part)

    def _value(self, place: tuple[str | int, ...]) -> None:
        self._skip(_BLANK)
        if text := _TEXT.match(self._text, self.at):
            self.at = text.end()
        elif self._passes("["):
            self._items(place, "]")
        elif self._passes("{"):
            self._items(place, "}")
        else:
            self._skip(_PLAIN)

    def _items(self, place: tuple[str | int, ...], end: str) -> None:
        # Of a list, or the pairs of an inline table.
        number = 0
        while True:
            self._skip(_BETWEEN)
            if self._passes(end) or self.at >= len(self._text):
                return
            if end == "]":
                inner = self._within(place, number, self.at)
                self._found[inner] = self._position(self.at)
                self._value(inner)
                number += 1
            else:
                self._pair(place)
            self._skip(_BETWEEN)
            if not self._passes(",") and not self._text.startswith(end, self.at):
                raise _LostError

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self.at)
        self.at = found.end() if found else self.at

    def _passes(self, mark: str) -> bool:
        passed = self._text.startswith(mark, self.at)
        self.at += len(mark) if passed else 0
        return passed

    def _position(self, at: int) -> Position:
        line = bisect_right(self._line_starts, at)
        return Position(line, at - self._line_starts[line - 1] + 1)
