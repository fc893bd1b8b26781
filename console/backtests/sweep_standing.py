"""What is known of the runs of a sweep, and by which figure they are ranked. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from console.backtests.sweep_grid import Grid
from console.backtests.sweep_log import Place
from core.errors import UsageError
from core.sim.result import Metrics

_MONEY: Final = "_e12"
_SMALLER_IS_BETTER: Final = frozenset({"volatility", "max_drawdown_s", "exposure", "fees", "turnover", "rejected"})
_NO_AIMS: Final = frozenset({"initial", "return_interval_s"})
_PENDING, _DONE, _FAILED, _REFUSED = range(4)


def metric_names() -> list[str]:
    """What the figures of a run are called."""
    return [field.name.removesuffix(_MONEY) for field in attrs.fields(Metrics)]


@attrs.frozen
class Metric:
    """The figure that decides."""

    name: str

    @classmethod
    def named(cls, name: str) -> Metric:
        """The figure of that name. Raises `UsageError` when there is none."""
        names = [one for one in metric_names() if one not in _NO_AIMS]
        if name not in names:
            raise UsageError("unknown metric", ascii(name[:40]), hint=f"one of {', '.join(names)}")
        return cls(name)

    @property
    def smaller_is_better(self) -> bool:
        """Which way is better."""
        return self.name in _SMALLER_IS_BETTER

    def value(self, row: Mapping[str, Any]) -> float:
        """The figure in a row; NaN where it is not defined."""
        try:
            value = float(row[self.name])
        except (KeyError, TypeError, ValueError, OverflowError):
            return math.nan
        return value if math.isfinite(value) else math.nan

    def key(self, value: float) -> float:
        """What to sort by: less is better."""
        return value if self.smaller_is_better else -value


class Standing:
    """What is known of each combination of a grid so far: how it ended, its `metric`, and where its row is. `best` is
    the number of the best, None while there is none."""

    def __init__(self, grid: Grid, metric: Metric) -> None:
        self.grid, self.metric = grid, metric
        self.values: NDArray[np.float64] = np.full(len(grid), np.nan)
        self._states = np.zeros(len(grid), np.uint8)
        self._offsets = np.zeros(len(grid), np.int64)
        self._lengths = np.zeros(len(grid), np.int32)
        self.best: int | None = None
        self._first_failed = (len(grid), "")

    def take(self, number: int, row: Mapping[str, Any], place: Place) -> None:
        """Keep what a row says."""
        self._offsets[number], self._lengths[number] = place.offset, place.length
        if row.get("refused") is not None:
            self._states[number] = _REFUSED
        elif row["error"] is not None:
            self._states[number] = _FAILED
            self._first_failed = min(self._first_failed, (number, row["error"]))
        else:
            self._states[number] = _DONE
            self.values[number] = self.metric.value(row["metrics"])
            if not math.isnan(self.values[number]) and (
                self.best is None or self._rank(number) < self._rank(self.best)
            ):
                self.best = number

    def _rank(self, number: int) -> tuple[float, int]:
        return self.metric.key(float(self.values[number])), number

    def pending(self) -> list[int]:
        """The numbers that nothing is known of."""
        numbers: list[int] = np.flatnonzero(self._states == _PENDING).tolist()
        return numbers

    def place(self, number: int) -> Place:
        """Where its row is."""
        return Place(int(self._offsets[number]), int(self._lengths[number]))

    def ranked(self) -> list[int]:
        """The numbers that were run: the best first, those without the figure later, those that failed last."""
        order = np.argsort(self.values if self.metric.smaller_is_better else -self.values, kind="stable")
        states = self._states[order]
        numbers: list[int] = np.concatenate([order[states == _DONE], order[states == _FAILED]]).tolist()
        return numbers

    def best_of(self, first: int, end: int) -> int | None:
        """The best from number `first` up to and without `end`, the first of equals; None where none has the
        figure."""
        values = self.values[first:end]
        if np.isnan(values).all():
            return None
        return first + int(np.nanargmin(values) if self.metric.smaller_is_better else np.nanargmax(values))

    @property
    def first_error(self) -> str:
        """Why the first that failed did, in the order of the ranges; "" when none did."""
        return self._first_failed[1]

    @property
    def done(self) -> int:
        """How many brought figures."""
        return int((self._states == _DONE).sum())

    @property
    def failed(self) -> int:
        """How many failed."""
        return int((self._states == _FAILED).sum())

    @property
    def refused(self) -> int:
        """How many the strategy does not take."""
        return int((self._states == _REFUSED).sum())
