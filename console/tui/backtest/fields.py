"""The fields of the Backtest screen's form, and what may stand in them. Pure."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import attrs

from console.backtests.options import (
    MOST_SEED,
    parse_balance,
    parse_duration_ns,
    parse_parameters,
    parse_sizing,
    parse_slippage,
)
from console.backtests.sweep_grid import parse_grid
from console.batch.times import parse_instant
from console.tui.forms.field import YES_OR_NO, Field
from core.bars.spec import BarType
from core.bars.timeframes import Timeframe
from core.errors import UsageError
from core.sim.fees import parse_rate
from core.strategy import Parameter, Strategy

METRICS: Final = ("sharpe", "sortino", "total_return", "annual_return", "max_drawdown", "profit_factor", "win_rate")
PARAMETER: Final = "parameter "
"""What the names of fields that are parameters of the strategy begin with."""


@attrs.frozen(kw_only=True)
class StrategyChoice:
    """A strategy that comes with the program: its `name`, what it does, its `bars`, its parameters, and a function
    that raises `UsageError` when some of them do not go together."""

    name: str
    help: str = ""
    bars: str = ""
    parameters: Sequence[Parameter] = ()
    check: Callable[[Mapping[str, str]], object] = attrs.field(default=dict, repr=False)


def choice_of(kind: type[Strategy]) -> StrategyChoice:
    """A strategy of the catalogue as a choice."""
    return StrategyChoice(
        name=kind().name,
        help=(kind.__doc__ or "").strip().split("\n\n")[0].replace("\n", " "),
        bars=str(kind().preferred_bar_type()),
        parameters=tuple(kind.PARAMETERS),
        check=lambda values: kind().initialize(values),
    )


@attrs.frozen
class StoredTrades:
    """A symbol whose trades are stored: from `first` to `last`, as text."""

    symbol: str
    venue: str
    rows: int = 0
    first: str = ""
    last: str = ""


def _folds(text: str) -> None:
    from console.backtests.walkforward import parse_plan

    parse_plan(text, anchored=False)


def _metric(text: str) -> None:
    from console.backtests.sweep_standing import Metric

    Metric.named(text)


def _seed(text: str) -> None:
    if not (text.isascii() and text.isdigit() and int(text[:40]) <= MOST_SEED):
        raise UsageError("bad seed", text[:40], hint=f"from 0 to {MOST_SEED}")


def _quantity(text: str) -> None:
    parse_sizing(Namespace(quantity=text, fraction=None, shorts=False))


def _fraction(text: str) -> None:
    parse_sizing(Namespace(quantity=None, fraction=text, shorts=False))


def at_home(name: str) -> str:
    """The path `name` with the home of its user for a leading `~`, as it is where there is no such user."""
    try:
        return str(Path(name).expanduser()) if name.startswith("~") else name
    except RuntimeError:
        return name


def data_files(text: str) -> list[str]:
    """The files named in `text`, as a shell reads it: quoted where there are spaces in a name, `~` is the home.

    Raises:
        UsageError: a quote is not closed.
    """
    try:
        return [at_home(name) for name in shlex.split(text)]
    except ValueError as error:
        raise UsageError("bad file name", text[:60], hint=str(error)) from error


def check_parameter(parameter: Parameter, text: str) -> None:
    """See that `text` is a value of `parameter`, or several to be swept: `5:50:5` or `5,10,20`.

    Raises:
        UsageError: it is neither.
    """
    if is_range(text):
        values_in(parameter, text)
    else:
        parameter.parse(text)


@lru_cache(maxsize=64)
def values_in(parameter: Parameter, text: str) -> int:
    """How many values a range stands for. Raises `UsageError`."""
    grid = parse_grid([f"{parameter.name}={text}"], [parameter], strategy="the strategy", fixed={})
    return len(grid)


def check_parameter_list(text: str) -> None:
    """See that `text` is `name=value`, or several with spaces between. Raises `UsageError`."""
    parse_parameters(text.split())


def is_range(text: str) -> bool:
    """Whether a parameter's value stands for several."""
    return ":" in text or "," in text


FIELDS: Final = (
    Field(name="start", group="Data", default="the first stored", check=parse_instant,
          help="first instant, UTC: 2026-11-22 or 2026-11-22 07:15"),
    Field(name="end", group="Data", default="the last stored", check=parse_instant,
          help="first instant that is no longer wanted"),
    Field(name="bars", group="Data", choices=("", *Timeframe, "100t"), check=BarType.parse,
          help="a length, or like 100t: a hundred trades each"),
    Field(name="quantity", group="Account", default="the fraction's", check=_quantity,
          help="how much a signal is about, in units or contracts, like 0.5"),
    Field(name="fraction", group="Account", default="95%", check=_fraction,
          help="how much of the account a signal is about, like 50%"),
    Field(name="shorts", group="Account", default="no", choices=YES_OR_NO, free=False,
          help="whether SELL may go short, and not only flat"),
    Field(name="account", group="Account", default="the default one", help="an account of the settings"),
    Field(name="balance", group="Account", default="the account's", check=parse_balance,
          help="money at the start, like 50000 or 50000USDT"),
    Field(name="maker", group="Costs", default="the venue's", check=partial(parse_rate, maker=True),
          help="fee of orders that rest, like 0.1% or 10bps"),
    Field(name="taker", group="Costs", default="the venue's", check=parse_rate,
          help="fee of orders that take, like 0.1% or 10bps"),
    Field(name="slippage", group="Costs", default="none", check=parse_slippage,
          help="how much worse orders that take fill: 0.01%, or 2t for two price steps"),
    Field(name="latency", group="Costs", default="none", check=partial(parse_duration_ns, option="latency"),
          help="from the signal to the exchange, like 50ms"),
    Field(name="jitter", group="Costs", default="none", check=partial(parse_duration_ns, option="jitter"),
          help="up to so much longer, by chance, like 20ms"),
    Field(name="touch", group="Costs", default="no", choices=YES_OR_NO, free=False,
          help="whether a price that only touches a limit fills it"),
    Field(name="depth", group="Costs", default="no", choices=YES_OR_NO, free=False,
          help="fill against the stored order books (mbp-10)"),
    Field(name="seed", group="Run", default="0", check=_seed, help="of everything that is chance"),
    Field(name="walk_forward", group="Run", default="no", check=_folds,
          help="folds like 5: choose parameters on one stretch, trade the next"),
    Field(name="metric", group="Run", default=METRICS[0], choices=("", *METRICS[1:]), check=_metric,
          help="the figure by which a sweep chooses"),
)  # fmt: skip
"""Those that every strategy has, below its parameters and the source of the data."""
