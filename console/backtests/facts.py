"""What is told of the data of a backtest: facts for its result, and warnings for who is to believe it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs
import numpy as np

from console.backtests.figures import duration
from console.backtests.validation import FAR, Counts
from core.bars.series import BarSeries
from core.bars.ticks import Ticks
from core.clock import NS_PER_S, iso_ns
from core.store.repository import Gap

SILENT_BARS: Final = 10
"""A stretch of more bars than this in which nothing was traded is told."""
MOST_TOLD: Final = 20


@attrs.frozen(kw_only=True)
class Silence:
    """A stretch in which nothing was traded, between two trades."""

    start_ns: int
    end_ns: int

    def described(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**_stretch(self.start_ns, self.end_ns), "length_s": self.length_s}

    @property
    def length_s(self) -> float:
        """How long it is."""
        return (self.end_ns - self.start_ns) / NS_PER_S


@attrs.frozen(kw_only=True)
class DataFacts:
    """What a backtest is run on. `first_ns` and `last_ns` are of the trades; `bars` those complete, `synthetic_bars`
    the made up ones among them; `silences` are the longest of `silent_stretches`."""

    source: str
    rows: int
    first_ns: int
    last_ns: int
    counts: Counts
    gaps: tuple[Gap, ...] = ()
    silences: tuple[Silence, ...] = ()
    silent_stretches: int = 0
    bars: int = 0
    synthetic_bars: int = 0

    @property
    def synthetic_share(self) -> float:
        """Which part of the bars is made up."""
        return self.synthetic_bars / self.bars if self.bars else 0.0


def silences(ticks: Ticks, interval_ns: int) -> tuple[tuple[Silence, ...], int]:
    """The longest stretches without a trade that are longer than `SILENT_BARS` bars, in order of time, and how many
    there are in all. `interval_ns` 0, of bars that are no lengths of time, has none."""
    if not interval_ns or len(ticks) < 2:
        return (), 0
    lengths = np.diff(ticks.ts_ns)
    long = np.flatnonzero(lengths > SILENT_BARS * interval_ns)
    longest = np.sort(long[np.argsort(lengths[long], kind="stable")[-MOST_TOLD:]])
    told = (Silence(start_ns=int(ticks.ts_ns[at]), end_ns=int(ticks.ts_ns[at + 1])) for at in longest)
    return tuple(told), len(long)


def make_facts(
    ticks: Ticks,
    counts: Counts,
    *,
    source: str,
    bars: BarSeries,
    interval_ns: int,
    gaps: Iterable[Gap] = (),
) -> DataFacts:
    """What is to be told of `ticks`, which are not empty; `bars` are the bars that close."""
    first_ns, last_ns = int(ticks.ts_ns[0]), int(ticks.ts_ns[-1])
    silent, count = silences(ticks, interval_ns)
    return DataFacts(
        source=source,
        rows=len(ticks),
        first_ns=first_ns,
        last_ns=last_ns,
        counts=counts,
        gaps=tuple(gap for gap in gaps if not gap.whole and gap.start_ns <= last_ns and gap.end_ns >= first_ns),
        silences=silent,
        silent_stretches=count,
        bars=len(bars),
        synthetic_bars=int(bars.is_synthetic.sum()),
    )


def described(facts: DataFacts) -> dict[str, Any]:
    """The facts as a result has them under `data`."""
    return {
        "source": facts.source,
        "rows": facts.rows,
        "first_ns": facts.first_ns,
        "first": iso_ns(facts.first_ns),
        "last_ns": facts.last_ns,
        "last": iso_ns(facts.last_ns),
        **attrs.asdict(facts.counts),
        "gaps": len(facts.gaps),
        "gap_list": [_gap(gap) for gap in facts.gaps[:MOST_TOLD]],
        "silent_stretches": facts.silent_stretches,
        "silence_list": [silence.described() for silence in facts.silences],
        "bars": facts.bars,
        "synthetic_bars": facts.synthetic_bars,
        "synthetic_share": round(facts.synthetic_share, 6),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {**_stretch(gap.start_ns, gap.end_ns), "rows": gap.rows or None, "cause": gap.explanation}


def _stretch(start_ns: int, end_ns: int) -> dict[str, Any]:
    return {"start_ns": start_ns, "start": iso_ns(start_ns), "end_ns": end_ns, "end": iso_ns(end_ns)}


def warnings(facts: DataFacts) -> list[str]:
    """What somebody who trusts the result should know of the data, one sentence each."""
    counts, told = facts.counts, []
    if facts.rows == 1:
        told.append("there is one trade: nothing can be bought and sold again")
    elif counts.equal_prices_share == 1.0:
        told.append("all prices are equal")
    if counts.duplicates:
        told.append(f"trades that were there twice and count once: {counts.duplicates:,}")
    if counts.out_of_order:
        told.append(f"trades out of order, which were put in order: {counts.out_of_order:,}")
    if counts.no_price:
        told.append(f"records without a price or a time, left out: {counts.no_price:,}")
    if counts.not_positive:
        told.append(f"trades with a price of 0 or below, left out: {counts.not_positive:,}")
    if counts.zero_quantities:
        told.append(f"trades without a quantity: {counts.zero_quantities:,}")
    if counts.outliers:
        told.append(f"prices more than {FAR} times as far from the median as usual: {counts.outliers:,}")
    if facts.gaps:
        missing = sum(gap.rows for gap in facts.gaps)
        known = f", trades missing at least: {missing:,}" if missing else ""
        told.append(f"gaps known in this time: {len(facts.gaps):,}{known}")
    if facts.silent_stretches:
        longest = duration(max(silence.length_s for silence in facts.silences))
        told.append(
            f"stretches of more than {SILENT_BARS} bars without a trade: {facts.silent_stretches:,}, "
            f"the longest of {longest}"
        )
    if facts.synthetic_share > 0.1:
        told.append(f"{facts.synthetic_share:.0%} of the bars are made up, because nothing was traded in them")
    return told
