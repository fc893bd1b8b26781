"""Finds an expression in lines of text, in time that grows with the length of the text and no faster.

Python's own `re` tries one way after another and takes minutes for `(a+)+$` on a line of forty letters, in which
nothing can stop it, and the screen stands still. RE2 follows all ways at once. It is loaded when the first expression
is compiled, not before: a screen on which nothing is looked for starts without it.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from core.clock import monotonic_ns
from core.errors import UsageError

MAX_PATTERN: Final = 200
_MAX_MEMORY_BYTES: Final = 1 << 20
_MAX_PROGRAM: Final = 2000
"""Steps of a compiled expression: each may cost time at each letter, so the size bounds what a line can cost."""
_MAX_SPANS, _MAX_LOOKS, _MAX_LOOKING_NS = 20, 100, 2_000_000
_MAX_WORDS: Final = 80

Span = tuple[int, int]


class Expression:
    """A compiled expression; `!` before it inverts. Upper and lower case are alike.

    Raises:
        UsageError: it is none, with the reason in words.
    """

    def __init__(self, pattern: str) -> None:
        self.inverted = pattern.startswith("!")
        wanted = pattern.removeprefix("!").strip()
        self.empty = not wanted
        self._compiled = None if self.empty else _compile(wanted)

    def holds(self, text: str) -> bool:
        """Whether a line is one of those that are wanted."""
        return self.empty or self.found(text) != self.inverted

    def found(self, text: str) -> bool:
        """Whether it stands anywhere in `text`."""
        return self._compiled is None or self._compiled.search(_encodable(text)) is not None

    def spans(self, text: str) -> list[Span]:
        """Where it stands in `text`, from the left; the first ones of many. None where it is inverted: what is shown
        does not hold it."""
        spans = list[Span]()
        if self._compiled is None or self.inverted:
            return spans
        until_ns = monotonic_ns() + _MAX_LOOKING_NS
        for match in islice(self._compiled.finditer(_encodable(text)), _MAX_LOOKS):
            begin, end = match.span()
            if begin < end <= len(text):  # `\C` finds bytes, and after the last letter there may be more of these
                spans.append((begin, end))
            if len(spans) == _MAX_SPANS or monotonic_ns() > until_ns:
                break
        return spans


def _compile(pattern: str) -> Any:
    import re2

    if len(pattern) > MAX_PATTERN:
        raise UsageError("not an expression", f"longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.case_sensitive = options.log_errors = False
    options.never_capture = True
    options.max_mem = _MAX_MEMORY_BYTES
    re2.purge()  # it would keep the last 128 that were typed, with what they remember
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise UsageError("not an expression", _words(error.args[0]), hint="docs/log.md says what is one") from error
    except UnicodeEncodeError as error:
        raise UsageError("not an expression", "it holds bytes that are no text") from error
    if compiled.programsize > _MAX_PROGRAM:
        raise UsageError("not an expression", "it repeats too much", hint="smaller numbers in {…}, fewer \\p{…}")
    return compiled


def _words(reason: bytes) -> str:
    # The reason quotes what was typed.
    text = reason.decode("utf-8", "replace")[:_MAX_WORDS]
    return "".join(one if one.isprintable() else "?" for one in text)


def _encodable(text: str) -> str:
    # One letter for one, so that places stay those of the line.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
