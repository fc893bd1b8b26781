"""Which rules fire: a pure function of frames of figures, one after another.

All pairs of a rule and a thing it watches are rows of one table, so a look costs some array operations, however many
rules there are. The table is made anew only when things come or go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from core.alerts.matching import Matcher, index_of
from core.alerts.measure import EMPTY, Measure, Past, measured
from core.alerts.rules import Comparison, Rule
from core.clock import NS_PER_S
from core.telemetry.frame import Column, Frame, Labels

LabelNames = Mapping[str, Sequence[str]]
"""The names of a series' labels by its name."""

_NEVER: Final = -1


class Key(NamedTuple):
    """What one alert is about: a rule, by its number among all, and one of the things it watches."""

    rule: int
    labels: Labels


class Standing(NamedTuple):
    """How one pair stands: beyond its threshold since `since_ns`, and `firing` once that was long enough."""

    key: Key
    value: float
    since_ns: int
    firing: bool


class Change(NamedTuple):
    """One alert that began to fire, or ended. One that ended is `gone` when what it was about is not measured any
    more; its value is then the last that was."""

    key: Key
    firing: bool
    value: float
    since_ns: int
    gone: bool = False


class Evaluator:
    """Looks at frames in the order of their time. `label_names` are those of the series that `rules` look at."""

    def __init__(self, rules: Sequence[Rule], label_names: LabelNames) -> None:
        self.rules = tuple(rules)
        self._measures = tuple(dict.fromkeys(map(Measure.of, self.rules)))
        self._past = Past(self._measures)
        self._matchers = [Matcher(rule.match, label_names.get(rule.metric, ())) for rule in self.rules]
        self._table = _Table.make((), (), ())

    def look(self, frame: Frame) -> list[Change]:
        """Take in one frame; what began and what ended with it, in the order of the rules."""
        columns = tuple(measured(measure, frame, self._past) for measure in self._measures)
        self._past.keep(frame)
        gone = self._renew(columns)
        return gone + self._table.advance(np.concatenate([EMPTY.values, *(one.values for one in columns)]), frame)

    def standings(self) -> list[Standing]:
        """Every pair that is beyond its threshold, firing or not yet."""
        return self._table.standings()

    def watched(self) -> list[tuple[int, float]]:
        """For each rule how many things it watches, and the worst value of them: not a number where there is none."""
        table, found = self._table, []
        starts = np.searchsorted(table.rule, np.arange(len(self.rules) + 1))
        for number, rule in enumerate(self.rules):
            values = table.value[starts[number] : starts[number + 1]]
            known = values[~np.isnan(values)]
            worst = np.nan if not len(known) else known.max() if rule.comparison.is_upper else known.min()
            found.append((len(values), float(worst)))
        return found

    def _renew(self, columns: tuple[Column, ...]) -> list[Change]:
        # Most often the same things are measured as before, and nothing is to be done.
        table = self._table
        fresh = tuple(column.labels for column in columns)
        if len(fresh) == len(table.labels) and all(
            one is other or one == other for one, other in zip(fresh, table.labels, strict=True)
        ):
            return []
        rows = []
        at, starts = 0, {}
        for measure, labels in zip(self._measures, fresh, strict=True):
            starts[measure] = (at, labels, index_of(labels))
            at += len(labels)
        for number, (rule, matcher) in enumerate(zip(self.rules, self._matchers, strict=True)):
            start, labels, index = starts[Measure.of(rule)]
            rows += [(number, start + place, labels[place]) for place in matcher.places(labels, index)]
        self._table = _Table.make(self.rules, fresh, rows)
        return self._table.inherit(table)


@attrs.define(eq=False)
class _Table:
    # `source` is where in all measures, one after another, the value of a row stands; `key` is what the row is about.
    labels: tuple[tuple[Labels, ...], ...]
    key: list[Key]
    rule: NDArray[np.int64]
    source: NDArray[np.int64]
    sign: NDArray[np.float64]
    threshold: NDArray[np.float64]
    clear: NDArray[np.float64]
    strict: NDArray[np.bool_]
    for_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    since_ns: NDArray[np.int64]
    firing: NDArray[np.bool_]

    @classmethod
    def make(
        cls, rules: Sequence[Rule], labels: tuple[tuple[Labels, ...], ...], rows: Sequence[tuple[int, int, Labels]]
    ) -> _Table:
        number = np.array([row[0] for row in rows], dtype=np.int64)

        def of_rules(values: list[float]) -> NDArray[np.float64]:
            return np.array(values, dtype=np.float64)[number]

        # Low values that are bad are turned over, so that bad is always high.
        signs = [1.0 if rule.comparison.is_upper else -1.0 for rule in rules]
        clear = [rule.threshold if rule.clear is None else rule.clear for rule in rules]
        strict = [rule.comparison in {Comparison.ABOVE, Comparison.BELOW} for rule in rules]
        return cls(
            labels=labels,
            key=[Key(row[0], row[2]) for row in rows],
            rule=number,
            source=np.array([row[1] for row in rows], dtype=np.int64),
            sign=of_rules(signs),
            threshold=of_rules([rule.threshold for rule in rules]) * of_rules(signs),
            clear=of_rules(clear) * of_rules(signs),
            strict=np.array(strict, dtype=np.bool_)[number],
            for_ns=(of_rules([rule.for_s for rule in rules]) * NS_PER_S).astype(np.int64),
            value=np.full(len(rows), np.nan),
            since_ns=np.full(len(rows), _NEVER, dtype=np.int64),
            firing=np.zeros(len(rows), dtype=np.bool_),
        )

    def inherit(self, before: _Table) -> list[Change]:
        # Go on from the table before; the alerts that ended because what they were about is gone.
        places = {key: row for row, key in enumerate(self.key)}
        gone = []
        for row in np.flatnonzero(before.since_ns != _NEVER).tolist():
            place = places.get(before.key[row])
            if place is not None:
                self.since_ns[place], self.firing[place] = before.since_ns[row], before.firing[row]
                self.value[place] = before.value[row]
            elif before.firing[row]:
                gone.append(before.ended(row))
        return gone

    def advance(self, measures: NDArray[np.float64], frame: Frame) -> list[Change]:
        values = measures[self.source]
        known = ~np.isnan(values)
        self.value = np.where(known, values, self.value)
        bad = self.value * self.sign
        limit = np.where(self.firing, self.clear, self.threshold)
        # Of what is not known now nothing is concluded: it stands as it stood.
        beyond = np.where(known, np.where(self.strict, bad > limit, bad >= limit), self.since_ns != _NEVER)
        began = beyond & (self.since_ns == _NEVER)
        since_ns = np.where(beyond, np.where(began, frame.time_ns, self.since_ns), _NEVER)
        firing = beyond & (frame.time_ns - since_ns >= self.for_ns)
        rows = np.flatnonzero(firing != self.firing)
        began_ns = np.where(firing, since_ns, self.since_ns)[rows].tolist()  # of one that ended, when it had
        self.since_ns, self.firing = since_ns, firing
        values, states = self.value[rows].tolist(), firing[rows].tolist()
        keys = [self.key[row] for row in rows.tolist()]
        return list(map(Change, keys, states, values, began_ns))

    def ended(self, row: int) -> Change:
        return Change(self.key[row], False, float(self.value[row]), int(self.since_ns[row]), gone=True)

    def standings(self) -> list[Standing]:
        rows = np.flatnonzero(self.since_ns != _NEVER)
        keys = [self.key[row] for row in rows.tolist()]
        columns = (self.value[rows].tolist(), self.since_ns[rows].tolist(), self.firing[rows].tolist())
        return list(map(Standing, keys, *columns))
