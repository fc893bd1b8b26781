"""Exact numbers: prices as int64 at 1e-9, quantities as 64-bit at 1e-8 in two 32-bit words. Never a float.

DBN's `size` is 32 bits, and venues trade both 0.00012345 BTC and 74198.19125726 MINA. For our own publishers
(`publisher_id` >= `OWN_PUBLISHERS`) the low word of a quantity goes in `size` and the high word in
`ts_in_delta`; in book levels the low word goes in `bid_sz`/`ask_sz` and the high one in `bid_ct`/`ask_ct`.
For Databento's publishers `size` counts whole units and the other fields keep their own meaning.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

PRICE_DECIMALS = 9
QUANTITY_DECIMALS = 8
PRICE_SCALE = 10**PRICE_DECIMALS
QUANTITY_SCALE = 10**QUANTITY_DECIMALS
MAX_PRICE_E9 = 2**63 - 2  # 2**63 - 1 is DBN's undefined price
MAX_QUANTITY_E8 = 2**63 - 1  # kept within int64, so that sums over arrays stay integers
OWN_PUBLISHERS = 61_440

_LOW = 0xFFFF_FFFF
_MAX_CHARACTERS = 80
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,2})?")
_WIDE = Context(prec=200)


class FixedPointError(ValueError):
    """The text is not a number, or does not fit the scale or the range exactly."""


def parse_fixed(text: str, decimals: int) -> int:
    """The decimal number in `text` times 10**decimals, exactly.

    Accepts what JSON accepts, exponents included.

    Raises:
        FixedPointError: not a number, or finer than the scale.
    """
    if len(text) > _MAX_CHARACTERS:  # int() refuses thousands of digits, and Decimal would round them
        raise FixedPointError(f"not a number: {text!r:.40}")
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if len(fraction) <= decimals and digits.isascii() and digits.isdigit() and whole:
        return int(digits) * _POWERS[decimals - len(fraction)]
    return _parse_slowly(text, decimals)


def _parse_slowly(text: str, decimals: int) -> int:
    # Signs, exponents and surplus trailing zeros are rare enough on the wire to leave to Decimal, which alone
    # would take too much for a number: underscores, spaces, "NaN", digits of other scripts.
    if not _NUMBER.fullmatch(text):
        raise FixedPointError(f"not a number: {text[:40]!a}")
    scaled = Decimal(text).scaleb(decimals, _WIDE)
    if scaled != scaled.to_integral_value():
        raise FixedPointError(f"finer than 1e-{decimals}: {text[:40]!a}")
    return int(scaled)


@lru_cache(maxsize=65_536)  # prices and quantities repeat: a hit costs 0.1 us, a parse 0.5 us
def parse_price(text: str) -> int:
    """A price at 1e-9.

    Raises:
        FixedPointError: not a number, finer than 1e-9, or beyond int64.
    """
    price_e9 = parse_fixed(text, PRICE_DECIMALS)
    if not -MAX_PRICE_E9 <= price_e9 <= MAX_PRICE_E9:
        raise FixedPointError(f"price overflows 64 bits at 1e-9: {text[:40]!a}")
    return price_e9


@lru_cache(maxsize=65_536)
def parse_quantity(text: str) -> int:
    """A quantity at 1e-8, not negative.

    Raises:
        FixedPointError: not a number, negative, finer than 1e-8, or beyond 63 bits.
    """
    quantity_e8 = parse_fixed(text, QUANTITY_DECIMALS)
    if not 0 <= quantity_e8 <= MAX_QUANTITY_E8:
        raise FixedPointError(f"quantity out of range at 1e-8: {text[:40]!a}")
    return quantity_e8


def format_fixed(value: int, scale_decimals: int, decimals: int) -> str:
    """`value` at 10**-scale_decimals as text with `decimals` places, cut and never rounded up."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, fraction = divmod(value, _POWERS[scale_decimals])
    if decimals <= 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:0{scale_decimals}d}"[: len(sign) + len(str(whole)) + 1 + decimals]


def format_price(price_e9: int, decimals: int) -> str:
    """A price at 1e-9 in the instrument's own precision."""
    return format_fixed(price_e9, PRICE_DECIMALS, min(decimals, PRICE_DECIMALS))


def format_quantity(quantity_e8: int, decimals: int) -> str:
    """A quantity at 1e-8 in the instrument's own precision."""
    return format_fixed(quantity_e8, QUANTITY_DECIMALS, min(decimals, QUANTITY_DECIMALS))


def split_quantity(quantity_e8: int) -> tuple[int, int]:
    """The (low, high) unsigned 32-bit words of a quantity.

    Raises:
        FixedPointError: outside 0 .. `MAX_QUANTITY_E8`.
    """
    if not 0 <= quantity_e8 <= MAX_QUANTITY_E8:
        raise FixedPointError(f"quantity out of range at 1e-8: {quantity_e8}")
    return quantity_e8 & _LOW, quantity_e8 >> 32


def join_quantity(low: int, high: int) -> int:
    """The quantity whose words are `low` and `high`; a `high` read from a signed field is accepted."""
    return (low & _LOW) | ((high & _LOW) << 32)


def split_quantities(quantities_e8: ArrayLike) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The (low, high) words of an array of quantities.

    Raises:
        FixedPointError: any of them is outside 0 .. `MAX_QUANTITY_E8`.
    """
    values = np.asarray(quantities_e8)
    if values.dtype.kind not in "iu" or (values.size and (values.min() < 0 or values.max() > MAX_QUANTITY_E8)):
        raise FixedPointError("quantity out of range at 1e-8")
    words = values.astype(np.uint64)
    return (words & np.uint64(_LOW)).astype(np.uint32), (words >> np.uint64(32)).astype(np.uint32)


def join_quantities(low: NDArray[np.uint32], high: NDArray[np.uint32] | NDArray[np.int32]) -> NDArray[np.int64]:
    """The quantities whose words are `low` and `high`, as int64; `high` may come from a signed field."""
    return (low.astype(np.uint64) | (high.view(np.uint32).astype(np.uint64) << np.uint64(32))).astype(np.int64)


def quantities_e8(records: NDArray[np.void]) -> NDArray[np.int64]:
    """The traded quantities of an array of trades at 1e-8, whatever the publisher of each."""
    joined = join_quantities(records["size"], np.ascontiguousarray(records["ts_in_delta"]))
    whole = records["size"].astype(np.int64) * QUANTITY_SCALE
    return np.where(records["publisher_id"] >= OWN_PUBLISHERS, joined, whole)


_POWERS: tuple[int, ...] = tuple(10**n for n in range(40))
