"""How much worse than the record an order fares: price, delay, and what it takes to be filled. Pure."""

from __future__ import annotations

import hashlib
from typing import Final

import attrs

from core.clock import NS_PER_S
from core.errors import UsageError
from core.model.orders import Side
from core.sim.fees import MILLION, FeeSchedule

MAX_DELAY_NS: Final = 86_400 * NS_PER_S
MAX_INCREMENTS: Final = 1_000_000


@attrs.frozen
class Slippage:
    """How far the price moves against an order that takes: by `ppm` parts per million of it, and by `increments` of
    the instrument's price on top.

    Raises `UsageError` when it is below zero, or takes the whole price.
    """

    ppm: int = 0
    increments: int = 0

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.ppm < MILLION:
            raise UsageError("bad slippage", f"{self.ppm} parts per million", hint="from 0% to below 100%")
        if not 0 <= self.increments <= MAX_INCREMENTS:
            raise UsageError("bad slippage", f"{self.increments} increments", hint=f"from 0 to {MAX_INCREMENTS}")

    def price_e9(self, side: Side, price_e9: int, increment_e9: int) -> int:
        """What an order gets where `price_e9`, which is above zero, was to be had: a whole number of increments,
        rounded against the order, and above zero. Where nothing is moved the price stays as it is."""
        if not self.ppm and not self.increments:
            return price_e9
        step = MILLION * increment_e9
        if side is Side.BUY:
            steps = -(price_e9 * (MILLION + self.ppm) // -step) + self.increments
            return steps * increment_e9
        steps = price_e9 * (MILLION - self.ppm) // step - self.increments
        return max(steps * increment_e9, min(increment_e9, price_e9))


@attrs.frozen
class Latency:
    """How long an order is on its way: `base_ns`, and up to `jitter_ns` more that `seed` decides.

    Raises `UsageError` when it is below zero, or more than `MAX_DELAY_NS` in all.
    """

    base_ns: int = 0
    jitter_ns: int = 0
    seed: int = 0

    def __attrs_post_init__(self) -> None:
        if min(self.base_ns, self.jitter_ns) < 0 or self.base_ns + self.jitter_ns > MAX_DELAY_NS:
            given = f"{self.base_ns} ns and up to {self.jitter_ns} ns more"
            raise UsageError("bad latency", given, hint="not below zero, and a day at most")

    def delay_ns(self, order_number: int) -> int:
        """From `base_ns` to `base_ns + jitter_ns`, each equally likely; always the same for one order of a seed."""
        if not self.jitter_ns:
            return self.base_ns
        digest = hashlib.blake2b(f"{self.seed} {order_number}".encode(), digest_size=16).digest()
        return self.base_ns + int.from_bytes(digest, "big") % (self.jitter_ns + 1)


@attrs.frozen
class Execution:
    """How orders are carried out. A limit order that rests is filled when the price trades through it, with `touch`
    also when it trades at it: then it is taken to have stood first in the queue."""

    fees: FeeSchedule
    slippage: Slippage = Slippage()
    latency: Latency = Latency()
    touch: bool = False
