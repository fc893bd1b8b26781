"""From a command line to a backtest with everything loaded and checked."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Mapping
from typing import Any, Final

import attrs

from config.paths import Paths, find_paths
from console.backtests.accounts import chosen_account
from console.backtests.blame import Wishes, blamed, wishes
from console.backtests.data import Found, find_data
from console.backtests.execution import fee_warnings, make_execution
from console.backtests.facts import DataFacts, make_facts, warnings
from console.backtests.fingerprint import code_hash, data_hash
from console.backtests.guard import time_limit
from console.backtests.instruments import whole_instrument, words
from console.backtests.options import check, command_line, parse_parameters, parse_sizing
from console.backtests.prepared import Prepared
from console.backtests.sweep_options import starting
from console.backtests.validation import checked
from console.batch.settings_options import settings_from
from core.bars.history import bar_series
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.errors import NotFoundError, UsageError
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.model.instruments import Instrument
from core.sim.depth import Books
from core.sim.fees import fees_of
from core.sim.trader import Sizing
from core.store.columns import exact
from core.store.paging import Progress, unheard
from strategies.approval import LIST_NAME
from strategies.catalogue import LoadedStrategy, make_strategy

_DECIDING: Final = (
    "venue", "symbol", "base", "quote", "settle", "product", "price_increment_e9", "quantity_increment_e8",
)  # fmt: skip


@attrs.frozen(kw_only=True, eq=False)
class Market:
    """What is run on: checked trades, the bars of them that close, and what is known of both."""

    found: Found
    ticks: Ticks
    closed: BarSeries
    instrument: Instrument
    assumed: bool
    until_ns: int | None
    facts: DataFacts

    @property
    def warnings(self) -> tuple[str, ...]:
        """What finding them and looking at them brought up."""
        told = (*self.found.warnings, *warnings(self.facts))
        increment_e9 = self.instrument.price_increment_e9
        odd = int((self.ticks.price_e9 % increment_e9 != 0).sum())
        if odd:
            step = exact(increment_e9, PRICE_DECIMALS)
            told = (*told, f"prices that are no whole number of the instrument's steps of {step}: {odd:,}")
        if not self.assumed:
            return told
        what = f"{self.instrument.base} in {self.instrument.quote}, {words(self.instrument.product)}"
        return (*told, f"nobody described {self.instrument.symbol}: assumed to be {what}")


def load_market(arguments: argparse.Namespace, bar_type: BarType, progress: Progress = unheard) -> Market:
    """The data that the command line names, checked. Raises as `find_data`."""
    found = find_data(arguments, progress)
    ticks, counts = checked(found.trades)
    if not len(ticks):
        raise NotFoundError("no trades to run on", str(found.series), hint="none of the records has a price")
    until_ns = found.end_ns if found.reaches_end else None
    closed = bar_series(ticks, bar_type, BarDataMode.ON_CLOSE_BAR, until_ns=until_ns)
    instrument, assumed = whole_instrument(
        found.instrument, venue=found.series.venue, symbol=found.series.symbol, ticks=ticks
    )
    facts = make_facts(
        ticks,
        counts,
        source=found.source,
        bars=closed,
        interval_ns=0 if bar_type.ticks else bar_type.timeframe.interval_ns,
        gaps=found.gaps,
    )
    return Market(
        found=found,
        ticks=ticks,
        closed=closed,
        instrument=instrument,
        assumed=assumed,
        until_ns=until_ns,
        facts=facts,
    )


def load_strategy(arguments: argparse.Namespace, paths: Paths | None = None) -> LoadedStrategy:
    """The strategy that the command line names, with its parameters. Raises as `make_strategy`, and
    `StrategyTimeoutError`."""
    parameters = parse_parameters(arguments.param)
    swept = getattr(arguments, "sweep", None)  # what a result is verified with has none
    directory = (paths or find_paths()).configuration
    # A user's file is a program: it may print, and it may never end.
    with contextlib.redirect_stdout(sys.stderr), time_limit(arguments.timeout):
        loaded = make_strategy(arguments.strategy, {} if swept else parameters, directory / LIST_NAME)
    return starting(arguments, loaded) if swept else loaded


def loaded_wishes(arguments: argparse.Namespace, loaded: LoadedStrategy) -> Wishes:
    """What a strategy asks for. Raises `StrategyError`, and `StrategyTimeoutError`."""
    with (
        contextlib.redirect_stdout(sys.stderr),
        time_limit(arguments.timeout),
        blamed(loaded, doing="saying what it wants"),
    ):
        return wishes(loaded.strategy)


def prepare_run(arguments: argparse.Namespace, progress: Progress = unheard) -> Prepared:
    """Load everything that the command line asks for.

    Raises:
        UsageError: the command line makes no sense.
        NotFoundError: there is no such data, strategy or account.
        ConsoleError: something cannot be read, or is not allowed.
    """
    check(arguments)
    settings = settings_from(arguments).settings
    sizing = parse_sizing(arguments)
    bar_type = BarType.parse(arguments.bars) if arguments.bars else None
    loaded = load_strategy(arguments)
    strategy, wanted = loaded.strategy, loaded_wishes(arguments, loaded)
    market = load_market(arguments, bar_type or wanted.bars, progress)
    instrument = market.instrument
    _check_quantity(sizing, instrument)
    execution = make_execution(arguments, fees_of(instrument.venue, instrument.product))
    accounts, account = chosen_account(
        arguments, settings.accounts, instrument, strategy=strategy.name, wanted=wanted.account
    )
    books = market.found.books
    return Prepared(
        loaded=loaded,
        parameters=parse_parameters(arguments.param),
        instrument=instrument,
        ticks=market.ticks,
        closed=market.closed,
        accounts=accounts,
        account=account.id,
        execution=execution,
        sizing=sizing,
        bar_type=bar_type,
        until_ns=market.until_ns,
        books=None if books is None else Books.of_records(books),
        array_form=not arguments.events,
        data=market.facts,
        data_sha256=data_hash(
            market.ticks, books, start_ns=market.found.start_ns, until_ns=market.until_ns, gaps=market.facts.gaps
        ),
        code_sha256=code_hash(loaded.sha256),
        config={
            "instrument": {name: getattr(instrument, name) for name in _DECIDING},
            "account": attrs.asdict(account),
            "execution": _deciding(attrs.asdict(execution)),
            "sizing": attrs.asdict(sizing),
            "depth": books is not None,
        },
        assumed=market.assumed,
        seed=arguments.seed,
        timeout_s=arguments.timeout,
        command=command_line(arguments),
        warnings=(*market.warnings, *fee_warnings(arguments, instrument)),
    )


def _deciding(execution: Mapping[str, Any]) -> dict[str, Any]:
    # Where a rate comes from changes nothing; the seed only where something is left to chance.
    fees = {name: value for name, value in execution["fees"].items() if name != "origin"}
    latency = dict(execution["latency"])
    if not latency["jitter_ns"]:
        del latency["seed"]
    return {**execution, "fees": fees, "latency": latency}


def _check_quantity(sizing: Sizing, instrument: Instrument) -> None:
    increment_e8 = instrument.quantity_increment_e8
    if sizing.quantity_e8 % increment_e8:
        raise UsageError(
            "bad quantity",
            f"{exact(sizing.quantity_e8, QUANTITY_DECIMALS)} of {instrument.symbol}",
            hint=f"it is traded in steps of {exact(increment_e8, QUANTITY_DECIMALS)}",
        )
