"""Finds the line on which each key of a TOML document stands, which the parser of the standard library does not tell.

The document has been parsed before: what stands here need not be told right from wrong, only be found.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping

import attrs

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


def locate(text: str) -> Mapping[tuple[str | int, ...], Position]:
    """Where each key, each table and each item of a list begins, by its place: the keys that lead to it, and numbers
    for items. Of a table that is only implied, that is where it is first mentioned."""
    return _Walk(text).places()


def read_key(text: str) -> tuple[list[str], str]:
    """The key at the beginning of `text`, a dotted one part by part, and what follows it.

    Raises `ValueError` when there is none.
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
        while True:
            self._skip(_BETWEEN)
            if self.at >= len(self._text):
                return self._found
            before = self.at
            if self._text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self.at = max(self.at, before + 1)

    def key(self) -> list[str]:
        """The parts of the key here; the position is behind it."""
        parts: list[str] = []
        end = self.at
        while True:
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
        parts = self.key()
        for number, part in enumerate(parts, start=1):
            place += (part,)
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
        start = self._position(self.at)
        place = table
        for part in self.key():
            place += (part,)
            self._found.setdefault(place, start)
        self._skip(_BLANK)
        if self._passes("="):
            self._value(place)

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
            before = self.at
            if end == "]":
                self._found[(*place, number)] = self._position(self.at)
                self._value((*place, number))
                number += 1
            else:
                self._pair(place)
            self._skip(_BETWEEN)
            self._passes(",")
            self.at = max(self.at, before + 1)

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
