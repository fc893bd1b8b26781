"""Numbers of a settings file as the text they were written as, so that money loses no digit on its way."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

MAX_DIGITS = 40
"""Before or after the point of an amount; whether anybody has so much is for the accounts to say."""


class WrittenFloat(float):
    """A number with a point or an exponent, which knows how it was `written`; for `parse_float` of `tomllib`."""

    written: str

    def __new__(cls, written: str) -> WrittenFloat:
        """Raises `ValueError` when it is no number."""
        number = super().__new__(cls, written)
        number.written = written
        return number

    def __str__(self) -> str:
        return self.written  # so that it is also written back as it was


def amount_text(value: object, _kind: Any = None) -> str:
    """An amount of money as text: a text as it is, a number exactly, without an exponent and without idle zeros.

    Raises `TypeError` for anything else, and `ValueError` for a number that is no amount.
    """
    if isinstance(value, str):
        return value
    if (written := _written(value)) is None:
        raise TypeError(f"must be an amount, as text or a number, not {repr(value)[:MAX_DIGITS]}")
    try:
        number = Decimal(written)
    except InvalidOperation:  # an exponent beyond all bounds
        number = Decimal("nan")
    if not number.is_finite() or abs(number.adjusted()) > MAX_DIGITS:
        raise ValueError(f"must be an amount, not {written[:MAX_DIGITS]}")
    whole, _, fraction = f"{number:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0')}".rstrip(".")


def parameter_texts(value: object, _kind: Any = None) -> dict[str, str]:
    """The parameters in a table by name, each as the text that a command line would have. Raises `TypeError`."""
    if not isinstance(value, dict):
        raise TypeError(f"must be a table, not {repr(value)[:MAX_DIGITS]}")
    return {name: _parameter(name, one) for name, one in value.items()}


def _parameter(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    text = str(value).lower() if isinstance(value, bool) else _written(value)
    if text is None:
        raise TypeError(f"{name!a} must be text, a number, true or false, not {repr(value)[:MAX_DIGITS]}")
    return text


def _written(value: object) -> str | None:
    # What stands in the file for a number, None for what is none.
    if isinstance(value, bool) or not isinstance(value, (int, WrittenFloat)):
        return None
    return value.written.replace("_", "") if isinstance(value, WrittenFloat) else str(value)
