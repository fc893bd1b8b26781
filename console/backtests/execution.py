"""How orders are carried out, from options: fees, slippage, latency; and the rule of fills in words."""

from __future__ import annotations

import argparse

import attrs

from console.backtests.options import parse_duration_ns, parse_slippage
from core.model.instruments import Instrument, Product
from core.sim.fees import FeeSchedule, fees_of, parse_rate
from core.sim.models import Execution, Latency

GIVEN = "command line"


def make_execution(arguments: argparse.Namespace, published: FeeSchedule, *, given: str = GIVEN) -> Execution:
    """What the options name, which were `given` in that place; fees that they do not name are the `published` ones.
    Raises `UsageError`."""
    fees = published
    if arguments.maker is not None:
        fees = attrs.evolve(fees, maker_ppm=parse_rate(arguments.maker, maker=True))
    if arguments.taker is not None:
        fees = attrs.evolve(fees, taker_ppm=parse_rate(arguments.taker))
    latency = Latency(
        base_ns=parse_duration_ns(arguments.latency, option="latency"),
        jitter_ns=parse_duration_ns(arguments.jitter, option="jitter"),
        seed=arguments.seed,
    )
    return Execution(
        fees=attrs.evolve(fees, origin=_origin(arguments, published, given)),
        slippage=parse_slippage(arguments.slippage),
        latency=latency,
        touch=arguments.touch,
    )


def fee_warnings(arguments: argparse.Namespace, instrument: Instrument) -> tuple[str, ...]:
    """What to say when orders that take cost nothing because nobody knows what the venue charges."""
    if arguments.taker is not None or fees_of(instrument.venue, instrument.product).taker_ppm:
        return ()
    return (f"the fees of {instrument.venue} are not known and taken for 0: --taker and --maker say what they are",)


def _origin(arguments: argparse.Namespace, published: FeeSchedule, given: str) -> str:
    named = [name for name in ("maker", "taker") if getattr(arguments, name) is not None]
    if len(named) == 2:
        return given
    return f"{named[0]} from the {given}, else {published.origin}" if named else published.origin


def fill_rule(execution: Execution, *, depth: bool) -> str:
    """When and at which price orders are filled, in a sentence or two."""
    late = " that comes after its latency" if execution.latency.base_ns or execution.latency.jitter_ns else ""
    price = "walks the recorded book at" if depth else "takes the price of"
    limit = "at its price or through it" if execution.touch else "through its price"
    return (
        f"A market order {price} the first trade after the event that led to it{late}, never that of the event. "
        f"A resting limit order is filled at its price, by no more than is traded {limit}; a stop order becomes a "
        "market order at the trade after the one that triggers it."
    )


def assumptions(execution: Execution, product: Product, *, depth: bool) -> list[str]:
    """What every report states, one sentence each."""
    fees = execution.fees
    slippage = execution.slippage
    latency = execution.latency
    slipped = f"{rate_text(slippage.ppm)} of the price"
    if slippage.increments:
        slipped = f"{slippage.increments} price steps"
    rests, takes = rate_text(fees.maker_ppm), rate_text(fees.taker_ppm)
    longer = f", up to {latency.jitter_ns / 1e6:g} ms longer by chance" if latency.jitter_ns else ""
    told = [
        "Bars are stamped at their close; a strategy sees a bar only when it is complete, or the trades so far.",
        fill_rule(execution, depth=depth),
        f"Fees: {rests} for orders that rest, {takes} for orders that take ({fees.origin}).",
        f"Slippage of orders that take: {slipped if slippage.ppm or slippage.increments else 'none'}.",
        f"Latency: {latency.base_ns / 1e6:g} ms{longer}.",
        "Orders move no price; what they take is not missing for others.",
        "An order that still waits when the data ends is taken back; an open position is valued at the last price.",
        "Funding of perpetuals, interest and taxes are left out. A year has 365 days.",
    ]
    if not depth:
        told.insert(2, "Without books an order that takes gets all of its quantity at one price.")
    if product in {Product.LINEAR_FUTURE, Product.LINEAR_PERPETUAL}:
        told.append("One contract is one unit of what it is on: there is no multiplier.")
    return told


def rate_text(ppm: int) -> str:
    """A rate in parts per million as people write it."""
    return f"{ppm / 10_000:.4f}".rstrip("0").rstrip(".") + "%"
