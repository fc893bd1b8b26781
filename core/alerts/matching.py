"""Which labels a rule, a silence or a question means: patterns by the name of a label, `*` standing for anything."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import translate
from functools import lru_cache

from core.telemetry.frame import Labels

Match = Sequence[tuple[str, str]]
"""Pairs of a label's name and a pattern."""
Index = Mapping[tuple[int, str], Sequence[int]]
"""Where labels have a value, by the label's number and the value in lower case."""


@lru_cache(maxsize=4096)
def pattern(text: str) -> re.Pattern[str]:
    """What `text` stands for, in any case: `*` for any characters, everything else for itself. It takes its time by
    the length of what it is matched with, however many stars there are."""
    return re.compile(translate(re.sub(r"[\[?]", r"[\g<0>]", text)), re.IGNORECASE)


def index_of(labels: Sequence[Labels]) -> Index:
    """Where in `labels` each value of each label stands."""
    found: dict[tuple[int, str], list[int]] = {}
    for place, one in enumerate(labels):
        for at, value in enumerate(one):
            found.setdefault((at, value.lower()), []).append(place)
    return found


class Matcher:
    """Tells which labels match, of a series that has those of these `names`. A label that it does not have matches
    nothing."""

    def __init__(self, match: Match, names: Sequence[str]) -> None:
        self._impossible = any(name not in names for name, _ in match)
        wanted = [] if self._impossible else [(names.index(name), text) for name, text in match]
        wanted.sort(key=lambda one: "*" in one[1])  # what is exact is looked up, not searched
        self._wanted = [(at, pattern(text), None if "*" in text else text.lower()) for at, text in wanted]

    def places(self, labels: Sequence[Labels], index: Index) -> list[int]:
        """Where in `labels`, which `index` is of, those stand that match."""
        if not self._wanted:
            return [] if self._impossible else list(range(len(labels)))
        at, _, exact = self._wanted[0]
        among = range(len(labels)) if exact is None else index.get((at, exact), ())
        return [place for place in among if self.matches(labels[place])]

    def matches(self, labels: Labels) -> bool:
        """Whether these match."""
        return not self._impossible and all(wanted.fullmatch(labels[at]) for at, wanted, _ in self._wanted)


def matches(match: Match, labels: Mapping[str, str]) -> bool:
    """Whether labels by name match all of `match`."""
    return all(name in labels and pattern(text).fullmatch(labels[name]) for name, text in match)
