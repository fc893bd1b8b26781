"""How a desk goes on from its last session with what is configured now: what was held stays, whatever changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from msgspec.structs import replace

from core.errors import ConfigurationError
from core.model.fixedpoint import QUANTITY_DECIMALS
from core.model.instruments import Instrument
from core.sim.accounts import AccountSpec, format_amount
from core.sim.lines import AccountLine
from core.sim.models import Execution
from core.sim.positions import Key
from core.sim.state import DeskState, LaneStart, MarketStart
from core.store.columns import exact

GONE: Final = "it is not configured any more"
_IDENTITY: Final = ("product", "base", "quote", "settle")
_STEPS: Final = ("price_increment_e9", "quantity_increment_e8")
_RESET: Final = "`accounts reset` begins anew"


def merged(
    fresh: DeskState,
    specs: Sequence[AccountSpec],
    last: DeskState | None,
    *,
    described: Mapping[Key, Instrument],
    executions: Mapping[Key, Execution],
) -> tuple[DeskState, list[str]]:
    """The state that begins with the lanes, markets and limits of `fresh`, whose accounts are those of `specs`, and
    has all that `last` holds; and what to say of it. `described` and `executions` are of every instrument of either.

    Raises:
        ConfigurationError: what is configured contradicts what is held.
    """
    if last is None:
        return replace(fresh, accounts=[opened(spec) for spec in specs]), []
    notes: list[str] = []
    accounts = _accounts(specs, last, notes)
    lanes = _lanes(fresh, last, notes)
    markets = _markets(fresh, lanes, last, described, executions, notes)
    state = replace(
        last, markets=markets, lanes=lanes, accounts=accounts, limits=fresh.limits, orders=list(last.orders)
    )
    return state, notes


def opened(spec: AccountSpec) -> AccountLine:
    """An account as it begins."""
    return AccountLine(
        id=spec.id,
        currency=spec.currency,
        leverage=spec.leverage,
        initial_e12=spec.initial_e12,
        balances_e12={spec.currency: spec.initial_e12},
        locked_e12={},
        positions=[],
        margin_e12=0,
        fees_e12=0,
        halted="",
        liquidated=False,
        day_ns=0,
        day_e12=0,
    )


def _accounts(specs: Sequence[AccountSpec], last: DeskState, notes: list[str]) -> list[AccountLine]:
    before = {one.id: one for one in last.accounts}
    found = []
    for spec in specs:
        line = before.pop(spec.id, None)
        if line is None:
            notes.append(f"account {spec.id} is new")
            line = opened(spec)
        elif _is_untouched(line, last):
            line = replace(opened(spec), halted=line.halted)
        else:
            _check_account(spec, line)
        found.append(line)
    for line in before.values():
        notes.append(f"account {line.id} is not in the settings any more; it is kept")
        found.append(line)
    return found


def _is_untouched(line: AccountLine, last: DeskState) -> bool:
    # Nothing was ever bought, paid or set aside, and nothing waits: what it began with may still be another.
    touched = line.positions or line.locked_e12 or line.fees_e12 or line.liquidated
    waits = any(order.account == line.id for order in last.orders)
    return not (touched or waits) and line.balances_e12 == {line.currency: line.initial_e12}


def _check_account(spec: AccountSpec, line: AccountLine) -> None:
    for what, now, before in (
        ("currency", spec.currency, line.currency),
        ("initial balance", format_amount(spec.initial_e12), format_amount(line.initial_e12)),
        ("leverage", str(spec.leverage), str(line.leverage)),
    ):
        if now != before:
            raise ConfigurationError(
                f"the {what} of an account changed",
                f"{spec.id} has {before} on this desk and {now} in the settings",
                hint=f"set it back, or {_RESET}",
            )


def _lanes(fresh: DeskState, last: DeskState, notes: list[str]) -> list[LaneStart]:
    before = {(one.spec.label, one.spec.key): one for one in last.lanes}
    waiting = [(one.lane, (one.venue, one.symbol)) for one in last.orders]
    lanes = []
    for lane in fresh.lanes:
        place = lane.spec.label, lane.spec.key
        old = before.pop(place, None)
        lanes.append(lane if old is None else _continued(lane, old, waiting.count(place), notes))
    for place, old in before.items():
        if old.held_e8 or place in waiting:
            notes.append(_left(old, waiting.count(place)))
            lanes.append(replace(old, spec=attrs.evolve(old.spec, strategy=""), state="stopped", reason=GONE))
    return lanes


def _continued(lane: LaneStart, old: LaneStart, orders: int, notes: list[str]) -> LaneStart:
    spec, before = lane.spec, old.spec
    if spec.account != before.account and (old.held_e8 or orders):
        raise ConfigurationError(
            "the account of a strategy changed",
            f"{spec.label} holds {_held(old)} or has orders on {before.account}, and {spec.account} is configured",
            hint=f"set it back and flatten {spec.label} first, or {_RESET}",
        )
    if old.state == "paused":
        notes.append(f"{spec.label} on {spec.symbol} is still paused: {old.reason}")
        return replace(lane, held_e8=old.held_e8, state="paused", reason=old.reason)
    if old.state == "stopped":
        notes.append(f"{spec.label} on {spec.symbol} runs again; it was stopped: {old.reason}")
    return replace(lane, held_e8=old.held_e8)


def _held(lane: LaneStart) -> str:
    return f"{exact(lane.held_e8, QUANTITY_DECIMALS)} {lane.spec.symbol}"


def _left(lane: LaneStart, orders: int) -> str:
    waiting = f" and has {orders} orders that wait" if orders else ""
    return (
        f"{lane.spec.label} on {lane.spec.symbol} is not configured any more, holds {_held(lane)}{waiting}; "
        f"`accounts flatten {lane.spec.label}` closes it"
    )


def _markets(
    fresh: DeskState,
    lanes: Sequence[LaneStart],
    last: DeskState,
    described: Mapping[Key, Instrument],
    executions: Mapping[Key, Execution],
    notes: list[str],
) -> list[MarketStart]:
    held = {(one.venue, one.symbol) for line in last.accounts for one in line.positions if one.quantity_e8}
    busy = held | {(one.venue, one.symbol) for one in last.orders}
    known = {(one.venue, one.symbol) for line in last.accounts for one in line.positions}
    before = {one.instrument.key: one for one in last.markets}
    traded = [one.instrument.key for one in fresh.markets]
    kept = [key for key in before if key in busy | known | {lane.spec.key for lane in lanes}]
    found = []
    for key in dict.fromkeys((*traded, *kept)):
        instrument, old = described[key], before.get(key)
        if old is not None:
            _check_instrument(old.instrument, instrument, notes, busy=key in busy)
        found.append(
            MarketStart(
                instrument=instrument,
                execution=executions[key],
                mark_e9=0 if old is None else old.mark_e9,
                newest_ns=0 if old is None else old.newest_ns,
            )
        )
    return found


def _check_instrument(old: Instrument, new: Instrument, notes: list[str], *, busy: bool) -> None:
    for name in _IDENTITY:
        before, now = str(getattr(old, name)), str(getattr(new, name))
        if now != before and busy:
            raise ConfigurationError(
                "an instrument changed while it is held",
                f"{new.symbol} on {new.venue}: its {name} was {before} and is {now}",
                hint=f"trade it under another desk, or {_RESET}",
            )
    if any(getattr(old, name) != getattr(new, name) for name in _STEPS):
        notes.append(f"the steps of price or quantity of {new.symbol} on {new.venue} changed")
