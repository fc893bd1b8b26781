"""Parses TOML that anybody may have written: what would take the parser beyond all bounds is refused before."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from config.locate import Position, locate
from config.numbers import WrittenFloat
from config.places import Place


def parsed(text: str) -> tuple[dict[str, Any], Mapping[Place, Position]]:
    """The tree of a document, its floats as `WrittenFloat`, and where each of its places stands.

    Raises:
        TooDeepError: it is nested too deeply.
        ValueError: it is no TOML, or has a number of more digits than Python reads.
    """
    # The parser takes time and memory with the square of a key's parts. Up to the first mistake, where the parser
    # ends, the locator sees the same keys.
    positions = locate(text.replace("\r\n", "\n"))
    return tomllib.loads(text, parse_float=WrittenFloat), positions
