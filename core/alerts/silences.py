"""What people said they know already: acknowledged alerts, and silences that end by themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from core.alerts.matching import Match, matches, pattern

MOST: Final = 200


@attrs.frozen(kw_only=True)
class Silence:
    """Nobody is told of alerts of the rules that `rule` stands for, with labels that match, until `until_ns`."""

    number: int
    rule: str
    match: tuple[tuple[str, str], ...]
    until_ns: int
    by: str = ""
    comment: str = ""

    def covers(self, rule: str, labels: Mapping[str, str]) -> bool:
        """Whether it is about this alert."""
        return pattern(self.rule).fullmatch(rule) is not None and matches(self.match, labels)


class Silences:
    """Those that are in force, the oldest first. The next one gets `next_number`: none has that of another."""

    def __init__(self, known: Iterable[Silence] = (), *, next_number: int = 1) -> None:
        self._all = {one.number: one for one in known}
        self._of_rule: dict[str, list[Silence]] = {}
        self.next_number = max([next_number, *(number + 1 for number in self._all)])

    def __iter__(self) -> Iterator[Silence]:
        """The silences themselves, as they are now."""
        return iter(tuple(self._all.values()))

    def add(self, rule: str, match: Match, *, until_ns: int, by: str = "", comment: str = "") -> Silence:
        """One more; it gets the next number. Beyond `MOST` the oldest goes."""
        number, self.next_number = self.next_number, self.next_number + 1
        added = Silence(number=number, rule=rule, match=tuple(match), until_ns=until_ns, by=by, comment=comment)
        self._all[number] = added
        self._of_rule.clear()
        if len(self._all) > MOST:
            del self._all[next(iter(self._all))]
        return added

    def remove(self, number: int) -> Silence | None:
        """Take one back; None when there is none of that number."""
        self._of_rule.clear()
        return self._all.pop(number, None)

    def expire(self, now_ns: int) -> list[Silence]:
        """Forget those that are over, and return them."""
        over = [one for one in self._all.values() if one.until_ns <= now_ns]
        for one in over:
            self.remove(one.number)
        return over

    def covering(self, rule: str, labels: Mapping[str, str]) -> Silence | None:
        """The one that lasts longest of those that are about an alert."""
        if rule not in self._of_rule:
            self._of_rule[rule] = [one for one in self._all.values() if pattern(one.rule).fullmatch(rule)]
        found = [one for one in self._of_rule[rule] if matches(one.match, labels)]
        return max(found, key=lambda one: one.until_ns, default=None)


@attrs.frozen
class Acknowledged:
    """Somebody said that they know of an alert; it counts until that ends."""

    by: str
    time_ns: int
