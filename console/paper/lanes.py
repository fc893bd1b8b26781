"""Who trades what on whose account: strategies are loaded and checked, each gets a lane on each of its symbols.

Nothing is begun before all of it makes sense. How it goes on from an earlier session is in `merging`.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from console.backtests.blame import Wishes, blamed, wishes
from console.backtests.execution import make_execution
from console.backtests.guard import time_limit
from console.paper.merging import merged
from console.paper.plan import PaperPlan, RunPlan
from core.bars.spec import BarDataMode, BarType
from core.errors import ConfigurationError, UsageError
from core.flow.printable import printable
from core.model.fixedpoint import QUANTITY_DECIMALS
from core.model.instruments import Instrument, Product
from core.sim.accounts import AccountsConfig, AccountSpec
from core.sim.fees import fees_of
from core.sim.models import Execution
from core.sim.positions import Key
from core.sim.state import DeskState, LaneSpec, LaneStart, MarketStart
from core.sim.trader import Sizing
from core.store.columns import exact
from core.strategy import Strategy
from strategies.catalogue import STRATEGIES, LoadedStrategy, make_strategy

LOADING_S = 30.0
"""So long may a strategy take to be loaded."""
_GIVEN = "settings"


@attrs.frozen(kw_only=True)
class Bench:
    """All that a session begins with: the `state` of its desk, the `strategies` by (label, key) of their lanes, and
    in words what is to be known of how it came about."""

    state: DeskState
    strategies: Mapping[tuple[str, Key], Strategy]
    notes: tuple[str, ...] = ()


@attrs.frozen
class Loaded:
    """A strategy of the plan that is loaded, and what it asks for."""

    run: RunPlan
    loaded: LoadedStrategy
    wishes: Wishes

    @property
    def names(self) -> tuple[str, ...]:
        """What the settings of accounts may call it, what counts most first."""
        return self.run.label, self.run.strategy, self.loaded.strategy.name


def load_runs(plan: PaperPlan) -> list[Loaded]:
    """The strategies of a plan. Raises as `make_strategy`, `StrategyError`, and `StrategyTimeoutError`."""
    found = []
    for run in plan.runs:
        # A user's file is a program: it may print, and it may never end.
        with contextlib.redirect_stdout(sys.stderr), time_limit(LOADING_S):
            loaded = make_strategy(run.strategy, run.parameters, plan.approved)
            with blamed(loaded, doing="saying what it wants"):
                found.append(Loaded(run, loaded, wishes(loaded.strategy)))
    return found


def make_bench(
    plan: PaperPlan, runs: Sequence[Loaded], instruments: Sequence[Instrument], last: DeskState | None = None
) -> Bench:
    """What a session on these `instruments` begins with; it goes on from `last`, if there is one.

    Raises:
        ConfigurationError: accounts, strategies and symbols do not go together, or not with what was before.
        NotFoundError: a strategy asks for an account that there is not.
        UsageError: bars, a mode, a size or how orders are carried out make no sense.
    """
    instruments = [*instruments, *_missing(plan, runs, instruments, last)]
    wanted = [(one, instrument) for one in runs for instrument in instruments if _trades(one.run, plan, instrument)]
    if not wanted:
        raise ConfigurationError(
            "nothing to trade", "no symbol of any strategy is streamed", hint=_streamed(instruments)
        )
    owners = {one.run.label: _owner(plan.accounts, one) for one in runs}
    accounts = _with_currency(plan, [(owners[one.run.label], instrument) for one, instrument in wanted], last)
    sharing = Counter(owners[one.run.label] for one, _ in wanted)
    lanes = []
    strategies: dict[tuple[str, Key], Strategy] = {}
    for one, instrument in wanted:
        _check_currency(accounts.by_id(owners[one.run.label]), instrument, one.run.label)
        _check_quantity(plan, instrument)
        owner = owners[one.run.label]
        lanes.append(LaneStart(spec=_spec(plan, one, instrument, owner, _share(plan.sizing, sharing[owner]))))
        strategies[one.run.label, instrument.key] = one.loaded.fresh(one.run.parameters)
    traded = {instrument.key: instrument for _, instrument in wanted}
    fresh = DeskState(
        markets=[
            MarketStart(instrument=one, execution=execution_of(plan, one.venue, one.product))
            for one in traded.values()
        ],
        lanes=lanes,
        accounts=[],
        limits={spec.id: spec.limits for spec in accounts.specs()},
    )
    known = {one.instrument.key: one.instrument for one in last.markets} if last else {}
    described = known | {one.key: one for one in instruments}
    executions = {key: execution_of(plan, one.venue, one.product) for key, one in described.items()}
    state, notes = merged(fresh, accounts.specs(), last, described=described, executions=executions)
    return Bench(state=state, strategies=strategies, notes=(*_strangers(accounts, runs), *notes))


def execution_of(plan: PaperPlan, venue: str, product: Product) -> Execution:
    """How orders on instruments of a venue are carried out. Raises `UsageError`."""
    given = argparse.Namespace(
        maker=plan.maker or None,
        taker=plan.taker or None,
        slippage=plan.slippage or "0",
        latency=plan.latency or "0",
        jitter=plan.jitter or "0",
        seed=0,
        touch=plan.touch,
    )
    return make_execution(given, fees_of(venue, product), given=_GIVEN)


def _trades(run: RunPlan, plan: PaperPlan, instrument: Instrument) -> bool:
    symbols = run.symbols or plan.symbols
    return not symbols or instrument.symbol in symbols


def wanted_keys(plan: PaperPlan, runs: Sequence[Loaded], instruments: Sequence[Instrument]) -> set[Key]:
    """Those of the `instruments` that are traded."""
    return {one.key for one in instruments if any(_trades(loaded.run, plan, one) for loaded in runs)}


def named_symbols(plan: PaperPlan, runs: Sequence[Loaded]) -> set[str]:
    """The symbols that are asked for; none when a strategy trades whatever is streamed."""
    named = [one.run.symbols or plan.symbols for one in runs]
    return {symbol for symbols in named for symbol in symbols} if all(named) else set()


def _missing(
    plan: PaperPlan, runs: Sequence[Loaded], instruments: Sequence[Instrument], last: DeskState | None
) -> list[Instrument]:
    # What is asked for and is not streamed now goes on waiting, if it was there before.
    named = named_symbols(plan, runs) - {one.symbol for one in instruments}
    return [one.instrument for one in last.markets if one.instrument.symbol in named] if last else []


def _streamed(instruments: Sequence[Instrument]) -> str:
    return "streamed: " + (", ".join(f"{one.symbol} ({one.venue})" for one in instruments) or "nothing")


def _owner(accounts: AccountsConfig, one: Loaded) -> str:
    named = one.run.account or one.wishes.account
    if named:
        return accounts.by_id(named).id
    for name in one.names:
        spec = accounts.account_for_strategy(name)
        if name in spec.strategies:
            return spec.id
    return accounts.default.id


def _with_currency(
    plan: PaperPlan, owned: Sequence[tuple[str, Instrument]], last: DeskState | None
) -> AccountsConfig:
    # A default account without a currency has the one that it needs.
    accounts = plan.accounts
    if plan.currency:
        return accounts
    currencies = {settled_in(one): one.symbol for owner, one in owned if owner == accounts.default.id}
    if not currencies:  # nobody uses it
        before = [line.currency for line in last.accounts if line.id == accounts.default.id] if last else []
        currencies = dict.fromkeys(before or [settled_in(one) for _, one in owned[:1]], "")
    if len(currencies) > 1:
        told = ", ".join(f"{symbol} in {currency}" for currency, symbol in currencies.items())
        hint = "set accounts.default.currency, and give the others an account of their own"
        raise ConfigurationError(
            "the default account has no currency", f"its symbols are settled in several: {told}", hint=hint
        )
    return attrs.evolve(accounts, default=attrs.evolve(accounts.default, currency=next(iter(currencies))))


def settled_in(instrument: Instrument) -> str:
    """The currency in which an instrument is paid."""
    return instrument.settle or instrument.quote


def _check_currency(spec: AccountSpec, instrument: Instrument, label: str) -> None:
    currency = settled_in(instrument)
    if spec.currency != currency:
        raise ConfigurationError(
            "wrong currency",
            f"account {spec.id} has {spec.currency}, "
            f"{instrument.symbol} on {instrument.venue} is settled in {currency}",
            hint=f"give {label} another account, or trade another symbol with it",
        )


def _check_quantity(plan: PaperPlan, instrument: Instrument) -> None:
    increment_e8, quantity_e8 = instrument.quantity_increment_e8, plan.sizing.quantity_e8
    if quantity_e8 % increment_e8:
        raise UsageError(
            "bad quantity",
            f"{exact(quantity_e8, QUANTITY_DECIMALS)} of {instrument.symbol}",
            hint=f"it is traded in steps of {exact(increment_e8, QUANTITY_DECIMALS)}",
        )


def _share(sizing: Sizing, lanes: int) -> Sizing:
    # Lanes that share an account share it in equal parts: else the first to buy would leave nothing for the others.
    return attrs.evolve(sizing, fraction_ppm=max(sizing.fraction_ppm // lanes, 1))


def _spec(plan: PaperPlan, one: Loaded, instrument: Instrument, account: str, sizing: Sizing) -> LaneSpec:
    run = one.run
    return LaneSpec(
        label=run.label,
        strategy=run.strategy,
        sha256=one.loaded.sha256,
        parameters=dict(run.parameters),
        account=account,
        venue=instrument.venue,
        symbol=instrument.symbol,
        bars=str(BarType.parse(run.bars) if run.bars else one.wishes.bars),
        mode=parse_mode(run.mode) if run.mode else one.wishes.mode,
        sizing=sizing,
    )


def parse_mode(text: str) -> BarDataMode:
    """When a strategy is called. Raises `UsageError`."""
    try:
        return BarDataMode(text)
    except ValueError:
        raise UsageError("bad mode", f"{text[:40]!a}", hint=f"one of {', '.join(BarDataMode)}") from None


def _strangers(accounts: AccountsConfig, runs: Sequence[Loaded]) -> list[str]:
    # Other strategies of ours may be meant for backtests; anything else is probably a slip.
    known = {*STRATEGIES, *(name for one in runs for name in one.names)}
    return [
        f"account {spec.id} is meant for {printable(name, 60)}, which nobody runs"
        for spec in accounts.specs()
        for name in spec.strategies
        if name not in known
    ]
