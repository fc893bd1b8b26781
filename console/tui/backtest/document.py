"""What the command `backtest` answers, as frozen values: a result, a preview of the data, a sweep. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from console.backtests.heatmap import Heat
from console.tui.answers import Raw
from core.bars.candles import NO_BARS
from core.model.records import Records

Note = tuple[str, tuple[str, ...]]
"""A heading and the sentences below it."""


@attrs.frozen(kw_only=True)
class Deal:
    """A position from its opening to its closing, and what it brought after `fees`; `open` tells that the data ended
    first."""

    side: str
    entry_ns: int
    exit_ns: int
    quantity: Decimal
    entry: Decimal
    exit: Decimal
    profit: Decimal
    fees: Decimal
    open: bool


@attrs.frozen(kw_only=True)
class Series:
    """Curves over the same instants: the account's worth, how far it is below its highest (0 or less, a share), and
    the price; `price` is empty where there is none."""

    ts_ns: tuple[int, ...] = ()
    equity: tuple[float, ...] = ()
    drawdown: tuple[float, ...] = ()
    price: tuple[float, ...] = ()


@attrs.frozen(kw_only=True)
class DataFacts:
    """What the data is made of. `synthetic` is the share of bars that were made up, `gaps` how many are known."""

    source: str = ""
    rows: int = 0
    first_ns: int = 0
    last_ns: int = 0
    bars: int = 0
    synthetic: float = 0.0
    gaps: int = 0
    duplicates: int = 0
    out_of_order: int = 0


@attrs.frozen(kw_only=True, eq=False)
class Result:
    """One backtest. `metrics` are the figures by name, None where one is not defined; `setting` says what was run,
    `notes` all
    there is to know of how, and `raw` is the whole document as it came."""

    name: str
    setting: str
    currency: str
    metrics: Mapping[str, Decimal | None]
    series: Series
    deals: tuple[Deal, ...]
    data: DataFacts
    fingerprint: str
    warnings: tuple[str, ...]
    took_s: float
    notes: tuple[Note, ...] = ()
    raw: Raw = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True, eq=False)
class Preview:
    """What a backtest would run on. `bars` are `CANDLE` records, each of as many bars as it takes to have a
    few hundred."""

    name: str
    setting: str
    data: DataFacts
    bars: Records = NO_BARS
    price_decimals: int = 2
    warnings: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


@attrs.frozen(kw_only=True)
class Run:
    """One set of parameters, in the order of `Sweep.names`, and what it brought; `error` where it failed."""

    parameters: tuple[str, ...]
    metrics: Mapping[str, Decimal | None]
    error: str = ""


@attrs.frozen(kw_only=True)
class Fold:
    """One stretch of a walk-forward: the parameters found `inside`, before it, and the figures there and
    `outside`, in the stretch itself."""

    start_ns: int
    end_ns: int
    parameters: str
    inside: Mapping[str, Decimal | None]
    outside: Mapping[str, Decimal | None]
    error: str = ""


@attrs.frozen(kw_only=True, eq=False)
class Sweep:
    """Many backtests, the best first by `metric`: `runs` are the first of all `combinations`. One with `folds` is a
    walk-forward: `series`, `metrics` and `efficiency` are of what was traded on data that was not chosen from."""

    name: str
    names: tuple[str, ...]
    metric: str
    runs: tuple[Run, ...]
    heat: Heat | None
    combinations: int = 0
    refused: int = 0
    failed: int = 0
    resumed: int = 0
    took_s: float = 0.0
    folds: tuple[Fold, ...] = ()
    series: Series = attrs.field(factory=Series)
    metrics: Mapping[str, Decimal | None] = attrs.field(factory=dict)
    efficiency: Decimal | None = None
    data_sha256: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


Answer = Result | Preview | Sweep
