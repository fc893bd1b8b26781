"""Finds an expression in lines of text, in time that grows with the length of the text and no faster.

Python's own `re` tries one way after another and takes minutes for `(a+)+$` on a line of forty letters, in which
nothing can stop it, and the screen stands still. Here all ways are followed at once, each set of them is remembered,
and a character costs one look-up. What is remembered is bounded, and forgotten when it is too much.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from console.logbook.syntax import Step, compile_steps, is_word

_MAX_MOVES: Final = 20_000
_START, _WORD, _OTHER, _END = "start", "word", "other", "end"
_MAX_SPANS: Final = 20
_MAX_VISITS: Final = 10_000
"""Steps that are looked at to find where it stands in one line: what is highlighted may be less than all."""
_SPECIAL: Final = frozenset("\\.[]()*+?{}|^$")

Span = tuple[int, int]


class _State:
    # A set of steps that were reached, before what needs no character, and what stands before.
    __slots__ = ("before", "moves", "pending")

    def __init__(self, pending: frozenset[int], before: str) -> None:
        self.pending, self.before = pending, before
        self.moves: dict[str, _State | None] = {}


class Expression:
    """A compiled expression; `!` before it inverts. Upper and lower case are alike.

    Raises:
        UsageError: it is none, with the reason in words.
    """

    def __init__(self, pattern: str) -> None:
        self.inverted = pattern.startswith("!")
        wanted = pattern.removeprefix("!").strip()
        self.empty = not wanted
        self._literal = "" if set(wanted) & _SPECIAL else wanted.lower()
        self._steps, self._first = compile_steps(wanted)
        self._states: dict[tuple[frozenset[int], str], _State] = {}
        self._moves = self._visits = 0

    def holds(self, text: str) -> bool:
        """Whether a line is one of those that are wanted."""
        return self.empty or self.found(text) != self.inverted

    def found(self, text: str) -> bool:
        """Whether it stands anywhere in `text`."""
        text = _lowered(text)
        if self._literal:
            return self._literal in text
        return self._run(text)

    def spans(self, text: str) -> list[Span]:
        """Where it stands in `text`, from the left, each as long as it can be; the first ones of many. None where it
        is inverted: what is shown does not hold it."""
        if self.empty or self.inverted:
            return []
        text, spans, at, most = _lowered(text), list[Span](), 0, self._visits + _MAX_VISITS
        while at < len(text) and len(spans) < _MAX_SPANS and self._visits < most:
            if self._literal:
                begin = text.find(self._literal, at)
                end: int | None = begin + len(self._literal)
                if begin < 0:
                    break
            else:
                begin, end = at, self._longest(text, at, most)
            if end is not None and end > begin:
                spans.append((begin, end))
                at = end
            else:
                at = begin + 1
        return spans

    def _longest(self, text: str, at: int, most: int) -> int | None:
        # Where the longest one that begins at `at` ends.
        state: _State | None = self._state(frozenset([self._first]), _before(text, at))
        end: int | None = None
        for place in range(at, len(text) + 1):
            after = text[place] if place < len(text) else _END
            if state is None or self._visits > most:
                break
            reached, matched = self._closed(state, after)
            if matched:
                end = place
            if after is not _END:
                state = self._stepped(reached, after, anchored=True)
        return end

    def _run(self, text: str) -> bool:
        state = self._state(frozenset([self._first]), _START)
        for character in text:
            try:
                following = state.moves[character]
            except KeyError:
                following = self._move(state, character)
            if following is None:
                return True
            state = following
        return self._closed(state, _END)[1]

    def _move(self, state: _State, character: str) -> _State | None:
        # None is a match.
        reached, matched = self._closed(state, character)
        following = None if matched else self._stepped(reached, character, anchored=False)
        self._moves += 1
        if self._moves > _MAX_MOVES:
            for known in self._states.values():
                known.moves.clear()
            self._states.clear()
            self._moves = 0
        state.moves[character] = following
        return following

    def _state(self, pending: frozenset[int], before: str) -> _State:
        key = (pending, before)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(pending, before)
        return state

    def _stepped(self, reached: Iterable[Step], character: str, *, anchored: bool) -> _State | None:
        pending = {step.to for step in reached if step.test is not None and step.test(character)}
        if not anchored:
            pending.add(self._first)
        elif not pending:
            return None
        return self._state(frozenset(pending), _kind(character))

    def _closed(self, state: _State, after: str) -> tuple[list[Step], bool]:
        # The steps that take a character, of all that can be reached without one, and whether the end can be.
        waiting, seen, reached, matched = list(state.pending), set(state.pending), list[Step](), False
        while waiting:
            step = self._steps[waiting.pop()]
            if step.kind == "test":
                reached.append(step)
                continue
            if step.kind == "match":
                matched = True
                continue
            if step.kind == "assert" and not _asserts(step.name, state.before, after):
                continue
            for number in (step.to, step.other) if step.kind == "split" else (step.to,):
                if number not in seen:
                    seen.add(number)
                    waiting.append(number)
        self._visits += len(seen)
        return reached, matched


def _lowered(text: str) -> str:
    lower = text.lower()
    # A few letters become two: then places in the text would no longer be those of the line.
    return (
        lower if len(lower) == len(text) else "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
    )


def _kind(character: str) -> str:
    return _WORD if is_word(character) else _OTHER


def _before(text: str, at: int) -> str:
    return _kind(text[at - 1]) if at else _START


def _asserts(name: str, before: str, after: str) -> bool:
    if name == "start":
        return before is _START
    if name == "end":
        return after is _END
    boundary = (before is _WORD) != (after is not _END and is_word(after))
    return boundary == (name == "boundary")
