"""Where a setting stands: its keys from the outermost inwards, numbers for what stands in a list."""

from __future__ import annotations

import json
import re
from typing import TypeAlias

from config.locate import MAX_DEPTH, read_key

Place: TypeAlias = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"\[(\d{1,6})\]")


def written(place: Place) -> str:
    """A place as it is said and typed: `accounts.simulation[0].id`, names in quotes where TOML needs them."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else json.dumps(part))
    return text


def read_place(text: str) -> tuple[Place, str]:
    """The place at the beginning of `text`, and what follows it. Raises `ValueError` when there is none."""
    place: list[str | int] = []
    rest = text
    while True:
        keys, rest = read_key(rest)
        place += keys
        while found := _NUMBER.match(rest):
            place.append(int(found[1]))
            rest = rest[found.end() :]
        if len(place) > MAX_DEPTH:
            raise ValueError("nested too deeply")
        if not rest.startswith("."):
            return tuple(place), rest
        rest = rest[1:]
