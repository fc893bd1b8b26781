"""What venues take for a trade, and rates written by people. Pure."""

from __future__ import annotations

from typing import Final

import attrs

from core.errors import UsageError
from core.model.fixedpoint import FixedPointError, parse_fixed
from core.model.instruments import Product
from core.model.publishers import SIMULATED_PREFIX

MILLION: Final = 1_000_000

_DEMO_SUFFIX: Final = "_DEMO"
_UNITS: Final = (("%", 4), ("bps", 2), ("", 6))  # what follows the number, and its decimals in parts per million


@attrs.frozen
class FeeSchedule:
    """What a fill costs, in parts per million of its worth: for an order that rested, where it may be below zero and
    is then a rebate, and for one that took what others offered. `origin` says where the rates are from."""

    maker_ppm: int
    taker_ppm: int
    origin: str


_PUBLISHED: Final = {
    ("KRAKEN", True): FeeSchedule(2500, 4000, "KRAKEN first tier"),
    ("BINANCE", True): FeeSchedule(1000, 1000, "BINANCE first tier"),
    ("KRAKEN_FUTURES", False): FeeSchedule(200, 500, "KRAKEN_FUTURES first tier"),
}
_UNKNOWN: Final = FeeSchedule(0, 0, "none known")


def fees_of(venue: str, product: Product) -> FeeSchedule:
    """What `venue` publishes for accounts of its first tier; simulated and demonstration venues cost what theirs do.

    Of a venue whose rates are not known the rates are 0, and `origin` says "none known".
    """
    real = venue.removeprefix(SIMULATED_PREFIX).removesuffix(_DEMO_SUFFIX)
    return _PUBLISHED.get((real, product is Product.SPOT), _UNKNOWN)


def parse_rate(text: str, *, maker: bool = False, most_ppm: int = MILLION - 1) -> int:
    """The parts per million in `0.1%`, `10bps` or `0.001`, exactly; below zero only where a `maker` gets a rebate.

    Raises:
        UsageError: no rate, finer than one part per million, below zero, or more than `most_ppm`.
    """
    stripped = text.strip()
    unit, decimals = next(one for one in _UNITS if stripped.endswith(one[0]))
    try:
        ppm = parse_fixed(stripped.removesuffix(unit).rstrip(), decimals)
    except FixedPointError:
        hint = "like 0.1%, 10bps or 0.001, in whole parts per million"
        raise UsageError("bad rate", f"{text[:40]!a}", hint=hint) from None
    if ppm < 0 and not maker:
        raise UsageError("rate below zero", f"{text[:40]!a}", hint="only a maker's fee can be a rebate")
    if abs(ppm) > most_ppm:
        raise UsageError("rate out of range", f"{text[:40]!a}", hint=f"at most {most_ppm / 10_000:g}%")
    return ppm
