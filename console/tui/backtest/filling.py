"""From the command line of `backtest` to the form of the screen: what was typed stands in it. Pure."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from console.backtests.options import parse_parameters
from console.tui.backtest.fields import PARAMETER
from console.tui.backtest.form import Form

_WITH_VALUE: Final = ("store", "config", "timeout", "jobs")
_SWITCHES: Final = ("events", "anchored", "fresh")


@attrs.frozen
class Filling:
    """The values of the form's fields by name, and the arguments that it has no field for, to be handed on; `opened`
    tells that the console begins with that screen."""

    values: Mapping[str, str] = attrs.field(factory=dict)
    passed: Sequence[str] = ()
    opened: bool = False


def store_words(passed: Sequence[str]) -> list[str]:
    """Those of the arguments handed on that say which store is meant, by name or by the settings."""
    named = ("--store", "--config", "--set")
    return [word for at, word in enumerate(passed) if word in named or (at > 0 and passed[at - 1] in named)]


def filling_of(arguments: argparse.Namespace, defaults: argparse.Namespace, form: Form) -> Filling:
    """What differs from `defaults`, which is what no options at all are parsed to.

    Raises:
        UsageError: a parameter is none.
    """
    given = {name: value for name, value in vars(arguments).items() if value != getattr(defaults, name, None)}
    values = {"strategy": str(given.get("strategy", ""))}
    # The parameters of a strategy are fields once it is known which it is.
    values |= _parameters(given, attrs.evolve(form, values=values))
    if given.get("data"):
        values["data"] = shlex.join(str(path) for path in given["data"])
    for field in form.fields():
        if field.name in given and field.name not in ("strategy", "param", "data"):
            given_value = given[field.name]
            values[field.name] = "yes" if given_value is True else str(given_value)
    return Filling({name: value for name, value in values.items() if value}, _passed(given), opened=True)


def _parameters(given: Mapping[str, Any], form: Form) -> dict[str, str]:
    chosen = form.strategy
    values = parse_parameters(given.get("param", [])) | parse_parameters(given.get("sweep", []))
    if chosen is None:
        return {"param": " ".join(f"{name}={value}" for name, value in values.items())}
    names = {alias: one.name for one in chosen.parameters for alias in (one.name, *one.aliases)}
    if not values.keys() <= names.keys():
        chosen.check(values)  # which says what there is
    return {PARAMETER + names[name]: value for name, value in values.items() if name in names}


def _passed(given: Mapping[str, Any]) -> list[str]:
    passed = []
    for name in _WITH_VALUE:
        if given.get(name) is not None:
            passed += [f"--{name}", f"{given[name]}"]
    passed += [f"--{name}" for name in _SWITCHES if given.get(name)]
    for one in given.get("assigned", ()):
        passed += ["--set", one]
    for path in given.get("book_data", ()):
        passed += ["--book-data", str(path)]
    return passed
