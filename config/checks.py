"""What a setting may be: checks that say in words what is wrong, and kinds of values that TOML can write in several
ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import attrs

from config.problems import did_you_mean

Amount = Annotated[str, "amount"]
"""An amount of money as text, to its last digit; in a file a number will do."""
Parameters = Annotated[Mapping[str, str], "parameters"]
"""Parameters of a strategy by name, each as text; in a file numbers, true and false will do."""


class WordError(ValueError):
    """A word that is none of those there are; `hint` says which was probably meant."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


Check = Callable[[object, "attrs.Attribute[Any]", Any], None]
"""A validator of attrs, whose `ValueError` names the setting."""

MAX_TEXT = 4096
"""Characters of a text: as many as the path of a file may have."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def power_of_two(low: int, high: int) -> Check:
    """A power of two from `low` to `high`."""

    def check(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
        if not low <= value <= high or value & (value - 1):
            raise ValueError(f"{attribute.name} must be a power of two from {low} to {high}")

    return check


def whole(low: int, high: int) -> Check:
    """A whole number from `low` to `high`."""

    def check(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
        if not low <= value <= high:
            raise ValueError(f"{attribute.name} must be from {low} to {high}")

    return check


def above_zero(most: float) -> Check:
    """A number above 0, at most `most`."""

    def check(_instance: object, attribute: attrs.Attribute[float], value: float) -> None:
        if not 0 < value <= most:  # also refuses what is not a number, which TOML can write
            raise ValueError(f"{attribute.name} must be above 0 and at most {most:g}")

    return check


def one_of(*words: str) -> Check:
    """One of some words, or empty where that is the default."""

    def check(_instance: object, attribute: attrs.Attribute[str], value: str) -> None:
        if value not in words and (value or attribute.default != ""):
            message = f"{attribute.name} must be one of {', '.join(words)}, not {value[:40]!a}"
            raise WordError(message, hint=did_you_mean(value, words))

    return check


def name(_instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    """A name that a file can have, whatever the system, or empty where that is the default."""
    if value != attribute.default and not _NAME.fullmatch(value):
        hint = "letters, digits and _ . - inside, at most 64 of them"
        raise ValueError(f"{attribute.name} must be {hint}, not {value[:40]!a}")


def text(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """A text of a reasonable length, in characters that can be printed; or several, none of them empty."""
    given = (value,) if isinstance(value, str) else value
    if any(len(one) > MAX_TEXT or not one.isprintable() for one in given):
        raise ValueError(f"{attribute.name} must be text that can be printed, at most {MAX_TEXT} characters")
    if "" in given and given is value:
        raise ValueError(f"{attribute.name} must not hold an empty text")


def address(_instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    """Characters that an address can have."""
    if not value.isprintable():
        raise ValueError(f"{attribute.name} holds characters that no address has")


def parameters(_instance: object, attribute: attrs.Attribute[Any], value: Mapping[str, str]) -> None:
    """Names and values in characters that can be printed."""
    for key, one in value.items():
        if not key or not (key + one).isprintable() or len(key + one) > MAX_TEXT:
            raise ValueError(f"{attribute.name} must have names and values that can be printed, not {key[:40]!a}")
