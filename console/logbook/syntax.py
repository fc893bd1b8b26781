"""Reads an expression: text in, a program of small steps out, or words about what is wrong with it. Pure.

The expressions are those of Python's `re` without what needs to look back or ahead. They find upper and lower case
alike.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Final

import attrs

from core.errors import UsageError

MAX_PATTERN: Final = 200
MAX_PROGRAM: Final = 600
_MAX_DEPTH: Final = 30
_MAX_REPEATS: Final = 200

Test = Callable[[str], bool]
"""Whether a character, in lower case, is meant."""


@attrs.frozen
class Step:
    """One step: `kind` is "test" (one character that `test` takes, then `to`), "split" (`to` and `other`), "assert"
    (`name` holds here, then `to`) or "match"."""

    kind: str
    to: int = 0
    other: int = 0
    name: str = ""
    test: Test | None = None


Node = Callable[["_Program", int], int]
"""Writes a part of an expression: given where to go on afterwards, the number of its first step."""


class _Program:
    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, step: Step) -> int:
        if len(self.steps) >= MAX_PROGRAM:
            raise UsageError("not an expression", "it repeats too much", hint="smaller numbers in {…}")
        self.steps.append(step)
        return len(self.steps) - 1


def compile_steps(pattern: str) -> tuple[list[Step], int]:
    """The steps of `pattern` and the number of the first.

    Raises:
        UsageError: it is none, with the reason in words.
    """
    if len(pattern) > MAX_PATTERN:
        raise UsageError("not an expression", f"longer than {MAX_PATTERN} characters")
    node = _Parser(pattern).whole()
    program = _Program()
    first = node(program, program.add(Step("match")))
    return program.steps, first


def _word(character: str) -> bool:
    return character.isalnum() or character == "_"


def is_word(character: str) -> bool:
    """Whether a character is a part of a word."""
    return _word(character)


_CLASSES: Final[dict[str, Test]] = {
    "d": str.isdigit,
    "w": _word,
    "s": str.isspace,
    "D": lambda one: not one.isdigit(),
    "W": lambda one: not _word(one),
    "S": lambda one: not one.isspace(),
}
_ASSERTIONS: Final = {"b": "boundary", "B": "inside", "A": "start", "Z": "end", "z": "end"}
_WRITTEN: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}
_AHEAD: Final = ("?=", "?!", "?<=", "?<!", "?>", "?(")


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._text, self._at, self._depth = pattern, 0, 0

    def whole(self) -> Node:
        node = self._alternatives()
        if self._at < len(self._text):
            raise self._error("the ) closes nothing")
        return node

    def _error(self, words: str, at: int | None = None) -> UsageError:
        where = self._at if at is None else at
        return UsageError("not an expression", f"{words} (character {where + 1})")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, expected: str) -> bool:
        if self._text.startswith(expected, self._at):
            self._at += len(expected)
            return True
        return False

    def _alternatives(self) -> Node:
        nodes = [self._sequence()]
        while self._take("|"):
            nodes.append(self._sequence())
        node = nodes.pop()
        while nodes:
            node = _either(nodes.pop(), node)
        return node

    def _sequence(self) -> Node:
        nodes: list[Node] = []
        while (character := self._peek()) and character not in "|)":
            nodes.append(self._repeated())

        def emit(program: _Program, then: int) -> int:
            for node in reversed(nodes):
                then = node(program, then)
            return then

        return emit

    def _repeated(self) -> Node:
        began = self._at
        node = self._atom()
        least_most = self._counts()
        if least_most is None:
            return node
        self._take("?")  # whether as few or as many as can be makes no difference to what is found
        if self._peek() == "+" or (again := self._counts()) is not None:
            raise self._error("what is repeated is repeated again", began)
        del again
        least, most = least_most
        if most is not None and most < least:
            raise self._error("at least more than at most", began)
        if max(least, most or 0) > _MAX_REPEATS:
            raise self._error(f"more than {_MAX_REPEATS} times", began)
        return _repeat(node, least, most)

    def _counts(self) -> tuple[int, int | None] | None:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return counts
        if self._peek() != "{":
            return None
        inner, closed, _ = self._text[self._at + 1 :].partition("}")
        least, comma, most = inner.partition(",")
        digits = all(part.isascii() and part.isdigit() for part in (least, most) if part)
        if not closed or not digits or not (least or most) or len(inner) > 9:
            return None  # a { that counts nothing stands for itself
        self._at += len(inner) + 2
        first = int(least or 0)
        return first, (int(most) if most else None) if comma else first

    def _atom(self) -> Node:
        began, character = self._at, self._peek()
        self._at += 1
        if character == "(":
            return self._group(began)
        if character == "[":
            return _one(self._set(began))
        if character == "\\":
            return self._escaped(began)
        if character in "*+?":
            raise self._error(f"the {character} repeats nothing", began)
        if character == ".":
            return _one(lambda _one: True)
        if character in "^$":
            return _asserted("start" if character == "^" else "end")
        return _one(_same(character))

    def _group(self, began: int) -> Node:
        if any(self._text.startswith(sign, self._at) for sign in _AHEAD):
            raise self._error("looking ahead or back is not understood here", began)
        if self._take("?P<"):
            name, closed, _ = self._text[self._at :].partition(">")
            if not closed or not name.isidentifier():
                raise self._error("a group without a name", began)
            self._at += len(name) + 1
        elif self._take("?i)"):
            return _nothing  # it is so anyway
        elif not self._take("?:") and self._peek() == "?":
            raise self._error("(? is followed by what is not understood here", began)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error("too many ( within each other", began)
        node = self._alternatives()
        self._depth -= 1
        if not self._take(")"):
            raise self._error("the ( is never closed", began)
        return node

    def _escaped(self, began: int) -> Node:
        character = self._peek()
        if not character:
            raise self._error("a \\ at the end", began)
        if character in _ASSERTIONS:
            self._at += 1
            return _asserted(_ASSERTIONS[character])
        return _one(self._class(began))

    def _class(self, began: int) -> Test:
        # What a character behind a backslash stands for, in a set and outside one.
        character = self._peek()
        self._at += 1
        if character in _CLASSES:
            return _CLASSES[character]
        if character in ("x", "u"):
            count = 2 if character == "x" else 4
            digits = self._text[self._at : self._at + count]
            if len(digits) < count or not set(digits) <= set(string.hexdigits):
                raise self._error(f"\\{character} needs {count} hexadecimal digits", began)
            self._at += count
            return _same(chr(int(digits, 16)))
        if character in _WRITTEN:
            return _same(_WRITTEN[character])
        if character.isdigit() or character in ("k", "g"):
            raise self._error("what was found before cannot be asked for here", began)
        if character.isascii() and character.isalpha():
            raise self._error(f"\\{character} means nothing", began)
        return _same(character)

    def _set(self, began: int) -> Test:
        negated = self._take("^")
        tests: list[Test] = []
        while True:
            character = self._peek()
            if not character:
                raise self._error("the [ is never closed", began)
            if character == "]" and tests:
                self._at += 1
                break
            tests.append(self._member(began))
        return lambda one: any(test(one) for test in tests) != negated

    def _member(self, began: int) -> Test:
        at, first = self._at, self._peek()
        self._at += 1
        if first == "\\":
            if not self._peek():
                raise self._error("the [ is never closed", began)
            if self._peek() == "b":
                self._at += 1
                return _same("\b")
            return self._class(at)
        ranged = self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("", "]")
        if not ranged:
            return _same(first)
        last = self._text[self._at + 1]
        self._at += 2
        if last == "\\":
            last = self._peek()
            self._at += 1
            if not last or last.isalnum():
                raise self._error("a range to what is no character", at)
        if ord(last) < ord(first):
            raise self._error(f"the range {first}-{last} is the wrong way round", at)
        return _between(first, last)


def _same(character: str) -> Test:
    lower = character.lower()
    return lambda one: one == lower


def _between(first: str, last: str) -> Test:
    return lambda one: first <= one <= last or first <= one.upper() <= last


def _nothing(_program: _Program, then: int) -> int:
    return then


def _one(test: Test) -> Node:
    return lambda program, then: program.add(Step("test", then, test=test))


def _asserted(name: str) -> Node:
    return lambda program, then: program.add(Step("assert", then, name=name))


def _either(node: Node, other: Node) -> Node:
    def emit(program: _Program, then: int) -> int:
        first, second = node(program, then), other(program, then)
        return program.add(Step("split", first, second))

    return emit


def _repeat(node: Node, least: int, most: int | None) -> Node:
    def emit(program: _Program, then: int) -> int:
        if most is None:
            loop = program.add(Step("split", then, then))
            program.steps[loop] = Step("split", node(program, loop), then)
            then = loop
        else:
            after = then
            for _ in range(most - least):
                then = program.add(Step("split", node(program, then), after))
        for _ in range(least):
            # Through a step of its own, so that what repeats nothing many times counts as well.
            then = node(program, program.add(Step("split", then, then)))
        return then

    return emit
