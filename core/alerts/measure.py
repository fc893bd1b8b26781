"""What a rule looks at, as one array: a series as it is, its growth, or its growth for each of another.

Pure. What is not known is not a number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.alerts.rules import Rule
from core.clock import NS_PER_S
from core.telemetry.frame import Column, Frame, Labels

EMPTY: Final = Column((), np.empty(0))


@attrs.frozen
class Measure:
    """One way to look at one series; rules that look at it in the same way share it."""

    metric: str
    window_ns: int = 0
    per: str = ""

    @classmethod
    def of(cls, rule: Rule) -> Measure:
        """What `rule` looks at."""
        return cls(rule.metric, round(rule.window_s * NS_PER_S), rule.per)


class Past:
    """The frames that growth is counted from: no more than the longest window takes.

    Counters begin at 0: of what there was no frame yet everything is growth.
    """

    def __init__(self, measures: Iterable[Measure]) -> None:
        wanted = [measure for measure in measures if measure.window_ns]
        self._names = {name for measure in wanted for name in (measure.metric, measure.per) if name}
        self._longest_ns = max((measure.window_ns for measure in wanted), default=0)
        self._missing: dict[str, dict[Labels, int]] = {name: {} for name in self._names}
        self._times: list[int] = []
        self._kept: list[Mapping[str, Column]] = []

    def keep(self, frame: Frame) -> None:
        """Remember what may be asked for, and forget what no window reaches any more."""
        if not self._names:
            return
        self._times.append(frame.time_ns)
        before = self._kept[-1] if self._kept else {}
        self._kept.append(
            {
                name: self._whole(name, frame.columns.get(name, EMPTY), before.get(name, EMPTY), frame.time_ns)
                for name in self._names
            }
        )
        reached = bisect_right(self._times, frame.time_ns - self._longest_ns) - 1
        if reached > 0:
            del self._times[:reached], self._kept[:reached]

    def _whole(self, name: str, now: Column, before: Column, time_ns: int) -> Column:
        # What a frame does not know, because a process was started again for example, counts on from where it stood:
        # else all of it would be growth when the frame is what others are counted from.
        unknown = np.isnan(now.values)
        if unknown.any():
            now = Column(now.labels, np.where(unknown, aligned(before, now.labels), now.values))
        if before.labels is now.labels or before.labels == now.labels:
            return now
        here, missing = set(now.labels), self._missing[name]
        since = {labels: missing.get(labels, time_ns) for labels in before.labels if labels not in here}
        self._missing[name] = {
            labels: since_ns for labels, since_ns in since.items() if time_ns - since_ns <= self._longest_ns
        }
        left = tuple(self._missing[name])
        return Column((*now.labels, *left), np.concatenate([now.values, aligned(before, left)]))

    def before(self, instant_ns: int, name: str) -> Column:
        """A series as it was at `instant_ns`: at the newest frame that is not after it; empty before the first."""
        place = bisect_right(self._times, instant_ns) - 1
        return self._kept[place].get(name, EMPTY) if place >= 0 else EMPTY


def measured(measure: Measure, frame: Frame, past: Past) -> Column:
    """What `measure` says now, of whatever its series has labels for."""
    now = frame.columns.get(measure.metric, EMPTY)
    if not measure.window_ns:
        return now
    begin_ns = frame.time_ns - measure.window_ns
    grown = growth(now, past.before(begin_ns, measure.metric))
    if not measure.per:
        return Column(now.labels, grown)
    other = frame.columns.get(measure.per, EMPTY)
    by = aligned(Column(other.labels, growth(other, past.before(begin_ns, measure.per))), now.labels)
    with np.errstate(divide="ignore", invalid="ignore"):  # some of nothing is infinite, nothing of nothing unknown
        return Column(now.labels, grown / by)


def growth(now: Column, then: Column) -> NDArray[np.float64]:
    """How much each counter grew; one that went back began anew, and grew by what it stands at."""
    grown = now.values - aligned(then, now.labels)
    return np.where(grown < 0, now.values, grown)


def aligned(column: Column, labels: tuple[tuple[str, ...], ...]) -> NDArray[np.float64]:
    """The values of `column` for `labels`, 0 for those that it does not have."""
    if column.labels is labels or column.labels == labels:
        return column.values
    known = dict(zip(column.labels, column.values.tolist(), strict=True))
    return np.array([known.get(one, 0.0) for one in labels], dtype=np.float64)
