"""Levels of the log as other programs write them: `info`, or `info,feed=debug`."""

from __future__ import annotations

from typing import Any, Final

from config.operations import LEVELS
from config.problems import Origin, Problem, SettingsError, did_you_mean

LOG_VARIABLE: Final = "RINGSIDE_LOG"
LOG_VARIABLE_OF_OTHERS: Final = "RUST_LOG"
"""Heard when the first is not set: its level for everything and those of Ringside's own parts. What it says of other
programs' parts is not ours to judge."""

OWN: Final = "ringside"
_MEANT: Final = {level: level for level in LEVELS} | {"warn": "warning", "trace": "debug", "off": "error"}


def log_levels(text: str, origin: Origin, *, strict: bool) -> dict[str, Any]:
    """The `[log]` that a list of levels describes. What is none is left out, or with `strict` raises `SettingsError`
    with all of it."""
    level = ""
    levels: dict[str, str] = {}
    problems: list[Problem] = []
    for one in filter(None, (part.strip() for part in text.split(","))):
        target, _, word = (part.strip() for part in one.rpartition("="))
        target = target.replace("::", ".")
        meant = _MEANT.get(word.lower())
        if not strict and target and target.partition(".")[0] != OWN:
            continue
        if meant is None:
            problems.append(_no_level(word, target, origin))
        elif target in ("", OWN):
            level = meant
        else:
            levels[target.removeprefix(f"{OWN}.")] = meant
    if problems and strict:
        raise SettingsError(problems)
    return ({"level": level} if level else {}) | ({"levels": levels} if levels else {})


def _no_level(word: str, target: str, origin: Origin) -> Problem:
    message = f"must be one of {', '.join(LEVELS)}, not {word[:40]!a}"
    place = ("log", "levels", target) if target else ("log", "level")
    return Problem(place=place, message=message, hint=did_you_mean(word, _MEANT), origin=origin)
