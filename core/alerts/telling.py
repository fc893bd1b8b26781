"""Who is told of what fires, and how often: groups, cooldowns that double, parents, silences, acknowledgements. Pure.

An alert that fires is always in the history. Whether somebody hears of it is decided here, once each look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from core.alerts import words
from core.alerts.evaluate import Key, LabelNames, Standing
from core.alerts.message import Kind, Message
from core.alerts.rules import Rule
from core.alerts.silences import Acknowledged, Silences
from core.clock import NS_PER_S
from core.telemetry.frame import Labels

SETTLING_S: Final = 30.0
"""What a parent has kept silent stays so for as long after the parent's end, to get well by itself. A parent that
does not fire yet keeps it silent for as long beyond its own `for_s`, once: one that never does hides nothing."""

Group = tuple[int, Labels]
"""What is told as one: a rule, by its number, and the values of the labels by which it groups."""

_Inhibiting = dict[int, list[tuple[Rule, tuple[int, ...], dict[Labels, bool]]]]
# By the number of a child: each parent that is beyond its threshold, where among its own labels the child has those
# of both, and their values at the parent with whether it fires.


@attrs.define
class _Told:
    # What was told of a group: when last, for how long it is not repeated, of which alerts, and with which labels.
    # Since `ended_ns` nothing of it fires; 0 while something does.
    at_ns: int
    wait_s: float
    keys: set[Key]
    labels: Labels
    ended_ns: int = 0


@attrs.frozen(kw_only=True)
class Quiet:
    """Why nobody is told of an alert that fires: `reason` is acknowledged, silenced or inhibited, `by` who or which
    rule does it, until `until_ns` where that is known."""

    reason: str
    by: str
    until_ns: int = 0


class Teller:
    """Decides for `rules` of the engine `instance`."""

    def __init__(self, rules: Sequence[Rule], label_names: LabelNames, *, instance: str) -> None:
        self.silences = Silences()
        self.acknowledged: dict[Key, Acknowledged] = {}
        self.quiet: dict[Key, Quiet] = {}
        self._rules = tuple(rules)
        self._names = [tuple(label_names.get(rule.metric, ())) for rule in rules]
        self._instance = instance
        self._wall_ns = 0
        self._groups: dict[Group, _Told] = {}
        self._held_ns: dict[Key, int] = {}
        numbers = {rule.name: number for number, rule in enumerate(self._rules)}
        self._grouping = [
            None if rule.group_by is None else _places(names, rule.group_by)
            for rule, names in zip(self._rules, self._names, strict=True)
        ]
        self._parents = [[numbers[name] for name in rule.parents if name in numbers] for rule in self._rules]

    def next_ns(self, key: Key) -> int:
        """When somebody would be told of it again, 0 when nobody was told yet."""
        told = self._groups.get(self._group(key))
        return 0 if told is None else told.at_ns + round(told.wait_s * NS_PER_S)

    def tell(self, standings: Sequence[Standing], now_ns: int, *, wall_ns: int) -> list[Message]:
        """What people are to be told now, the worst first, given everything that is beyond its threshold.

        `now_ns` never goes back; `wall_ns` is what clocks on walls show, by which silences end.
        """
        self._wall_ns = wall_ns
        self.silences.expire(wall_ns)
        firing = [one for one in standings if one.firing]
        if self.acknowledged:
            for key in self.acknowledged.keys() - {one.key for one in firing}:
                del self.acknowledged[key]
        self.quiet = self._find_quiet(firing, self._inhibiting(standings), now_ns)
        groups: dict[Group, list[Standing]] = {}
        for one in firing:
            groups.setdefault(self._group(one.key), []).append(one)
        told = []
        for group, members in groups.items():
            heard = [one for one in members if one.key not in self.quiet]
            if heard and (message := self._tell_firing(group, heard, now_ns)) is not None:
                told.append(message)
        told += self._tell_ended(groups, now_ns)
        return sorted(told, key=lambda message: -message.severity.rank)

    # -- why not -----------------------------------------------------------------------------------------------------

    def _find_quiet(self, firing: Sequence[Standing], inhibiting: _Inhibiting, now_ns: int) -> dict[Key, Quiet]:
        silenced = any(True for _ in self.silences)
        found: dict[Key, Quiet] = {}
        held: dict[Key, int] = {}
        for one in firing:
            key, rule = one.key, self._rules[one.key.rule]
            if not (silenced or self.acknowledged or self._parents[key.rule]):
                continue
            parent = self._parent_of(key, inhibiting)
            until_ns = self._held_until_ns(key, parent, now_ns)
            if until_ns:
                held[key] = until_ns
            if now_ns <= until_ns:
                found[key] = Quiet(reason="inhibited", by=parent[0].name if parent else "a rule that just ended")
            elif (known := self.acknowledged.get(key)) is not None:
                found[key] = Quiet(reason="acknowledged", by=known.by)
            elif silenced and (silence := self.silences.covering(rule.name, self.labels(key))) is not None:
                found[key] = Quiet(reason="silenced", by=silence.by, until_ns=silence.until_ns)
        self._held_ns = held
        return found

    def _held_until_ns(self, key: Key, parent: tuple[Rule, bool] | None, now_ns: int) -> int:
        # Until when its parents keep an alert silent; 0 when none ever did.
        before_ns = self._held_ns.get(key, 0)
        if parent is None:
            return before_ns
        rule, fires = parent
        if fires:
            return now_ns + round(max(self._rules[key.rule].for_s, SETTLING_S) * NS_PER_S)
        return before_ns or now_ns + round((rule.for_s + SETTLING_S) * NS_PER_S)

    def _inhibiting(self, standings: Sequence[Standing]) -> _Inhibiting:
        # Those that do not fire yet count as well: a child must not be heard a moment before its parent.
        parents = {number for numbers in self._parents for number in numbers}
        beyond: dict[int, dict[Labels, bool]] = {}
        for one in standings:
            if one.key.rule in parents:
                beyond.setdefault(one.key.rule, {})[one.key.labels] = one.firing
        found: _Inhibiting = {}
        for child, numbers in enumerate(self._parents):
            for number in numbers:
                if number in beyond:
                    theirs, mine = self._names[number], self._names[child]
                    shared = [name for name in theirs if name in mine]
                    there = _places(theirs, shared)
                    picked: dict[Labels, bool] = {}
                    for labels, fires in beyond[number].items():
                        here = tuple([labels[place] for place in there])
                        picked[here] = picked.get(here, False) or fires
                    found.setdefault(child, []).append((self._rules[number], _places(mine, shared), picked))
        return found

    def _parent_of(self, key: Key, inhibiting: _Inhibiting) -> tuple[Rule, bool] | None:
        # A parent that is beyond its threshold for the same labels, and whether it fires; one that does goes first.
        waits: tuple[Rule, bool] | None = None
        for parent, places, picked in inhibiting.get(key.rule, ()):
            fires = picked.get(tuple([key.labels[place] for place in places]))
            if fires:
                return parent, True
            if fires is not None:
                waits = parent, False
        return waits

    # -- what --------------------------------------------------------------------------------------------------------

    def _tell_firing(self, group: Group, members: list[Standing], now_ns: int) -> Message | None:
        rule, told, wait_s = self._rules[group[0]], self._groups.get(group), self._rules[group[0]].cooldown_s
        keys = {one.key for one in members}
        if told is not None:
            # Of what is new in a group people hear sooner than of what they know.
            due_s = told.wait_s if keys <= told.keys else min(told.wait_s, rule.cooldown_s)
            if now_ns < told.at_ns + round(due_s * NS_PER_S):
                return None
            wait_s = min(told.wait_s * 2, max(rule.max_cooldown_s, rule.cooldown_s))
        labels = members[0].key.labels if len(members) == 1 else self._several(members)
        self._groups[group] = _Told(now_ns, wait_s, keys if told is None else told.keys | keys, labels)
        kind = Kind.FIRING if told is None else Kind.REPEATED
        return self._message(group[0], kind, labels, members)

    def _tell_ended(self, firing: Mapping[Group, object], now_ns: int) -> list[Message]:
        # That something is over is told when it stayed so: what flaps is one alert, and nobody who was told that it
        # is over waits for hours to hear that it fires again.
        found = []
        for group, told in list(self._groups.items()):
            number = group[0]
            if group in firing:
                told.ended_ns = 0
                continue
            told.ended_ns = told.ended_ns or now_ns
            if now_ns - told.ended_ns < round(self._rules[number].cooldown_s * NS_PER_S):
                continue
            del self._groups[group]
            labels = words.by_name(self._names[number], told.labels)
            if self.silences.covering(self._rules[number].name, labels) is None:
                found.append(self._message(number, Kind.RESOLVED, told.labels, ()))
        return found

    def _message(self, number: int, kind: Kind, labels: Labels, members: Sequence[Standing]) -> Message:
        rule, names = self._rules[number], self._names[number]
        ordered = sorted(members, key=lambda one: one.value, reverse=rule.comparison.is_upper)
        title = words.summary_text(rule, names, labels)
        prefix = {Kind.REPEATED: "still: ", Kind.RESOLVED: "over: "}.get(kind, "")
        lines = [words.alert_line(rule, names, one.key.labels, one.value) for one in ordered[: words.MOST_LINES + 1]]
        lines += [""] * (len(ordered) - len(lines))  # counted only
        return Message(
            kind=kind,
            severity=rule.severity,
            instance=self._instance,
            rule=rule.name,
            title=prefix + title + (f" ({len(ordered):,})" if len(ordered) > 1 else ""),
            lines=words.cut_lines(lines),
            runbook="" if kind is Kind.RESOLVED else rule.runbook,
            count=max(len(ordered), 1),
            time_ns=self._wall_ns,
        )

    def labels(self, key: Key) -> Mapping[str, str]:
        """The labels of an alert by name."""
        return words.by_name(self._names[key.rule], key.labels)

    def names(self, number: int) -> Sequence[str]:
        """The names of the labels that a rule's alerts have."""
        return self._names[number]

    def _group(self, key: Key) -> Group:
        places = self._grouping[key.rule]
        return (key.rule, key.labels if places is None else tuple([key.labels[place] for place in places]))

    def _several(self, members: Sequence[Standing]) -> Labels:
        # The labels that all of them have in common, the others empty.
        columns = zip(*(one.key.labels for one in members), strict=True)
        return tuple(values[0] if len(set(values)) == 1 else "" for values in columns)


def _places(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...]:
    return tuple(names.index(name) for name in wanted if name in names)
