"""The form of the Backtest screen: what stands in its fields, and the command line they make. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, Final

import attrs

from console.backtests.sweep_grid import MOST_COMBINATIONS
from console.tui.backtest.fields import (
    FIELDS,
    PARAMETER,
    StoredTrades,
    StrategyChoice,
    at_home,
    check_parameter,
    check_parameter_list,
    data_files,
    is_range,
    values_in,
)
from console.tui.forms.field import YES_OR_NO, Field
from core.errors import UsageError

_EITHER: Final = {"quantity": "fraction", "fraction": "quantity"}
"""Of these only one may be given."""


@attrs.define
class Form:
    """What an operator has filled in. `values` are by the names of fields; `passed` are further arguments of the
    command line, handed on as they are."""

    title: ClassVar[str] = "Backtest"
    strategies: Sequence[StrategyChoice]
    stored: Sequence[StoredTrades] = ()
    values: dict[str, str] = attrs.Factory(dict)
    passed: tuple[str, ...] = ()

    @property
    def strategy(self) -> StrategyChoice | None:
        """The strategy chosen, None for a file."""
        return next((one for one in self.strategies if one.name == self.value("strategy")), None)

    def value(self, name: str) -> str:
        """What stands in a field, without space around it."""
        if name == "strategy" and not self.values.get(name):
            return self.strategies[0].name if self.strategies else ""
        return self.values.get(name, "").strip()

    def fields(self) -> list[Field]:
        """The fields there are now, in their order: those of the chosen strategy's parameters among them."""
        names = tuple(one.name for one in self.strategies)
        chosen = self.strategy
        about = chosen.help if chosen is not None else "a file of yours; it must have been approved by hash-strategy"
        return [
            Field(name="strategy", group="Strategy", choices=names, help=about),
            *self._parameters(chosen),
            *self._sources(),
            *(attrs.evolve(one, default=_bars_of(chosen)) if one.name == "bars" else one for one in FIELDS),
        ]

    def _parameters(self, chosen: StrategyChoice | None) -> list[Field]:
        if chosen is None:
            return [Field(name="param", group="Strategy", default="its defaults", check=check_parameter_list,
                          help="name=value, several with spaces between")]  # fmt: skip
        return [
            Field(
                name=PARAMETER + one.name, shown=one.name, group="Strategy", default=f"{one.default:g}",
                check=partial(check_parameter, one),
                help=f"{one.help or one.name}, from {one.minimum:g} to {one.maximum:g}; 5:50:5 sweeps",
            )
            for one in chosen.parameters
        ]  # fmt: skip

    @property
    def venues(self) -> tuple[str, ...]:
        """Where the symbol of the form is stored."""
        symbol = self.value("symbol").upper()
        return tuple(one.venue for one in self.stored if one.symbol.upper() == symbol)

    def _sources(self) -> list[Field]:
        symbols = tuple(dict.fromkeys(one.symbol for one in self.stored))
        symbol, venues = self.value("symbol").upper(), self.venues
        found = [one for one in self.stored if one.symbol.upper() == symbol
                 and self.value("venue").upper() in ("", one.venue.upper())]  # fmt: skip
        about = "; ".join(f"{one.venue}: {one.rows:,} trades, {one.first[:16]} to {one.last[:16]}" for one in found)
        return [
            Field(name="symbol", group="Data", choices=symbols, default="which?",
                  help=about or "a stored symbol like BTCUSD"),
            Field(name="venue", group="Data", choices=("", *venues),
                  default=venues[0] if len(venues) == 1 else "the only one", help=about or "where it is traded"),
            Field(name="data", group="Data", default="the store", check=data_files,
                  help="a .dbn or .dbn.zst file, or several, in place of the store"),
        ]  # fmt: skip

    def problem(self, name: str) -> UsageError | None:
        """What is wrong with the value of a field; None when nothing is."""
        field = next((one for one in self.fields() if one.name == name), None)
        value = self.value(name)
        if field is None:
            return None
        return field.problem(value) if value else self._missing(field)

    def concern(self, name: str) -> UsageError | None:
        """The same, and of the strategy and its parameters what is wrong with them together."""
        problem = self.problem(name)
        if problem is None and (name in ("strategy", "param") or name.startswith(PARAMETER)):
            return self.mismatch()
        return problem

    def remark(self, name: str) -> str:
        """Whether a parameter's value is swept."""
        return "sweep" if name.startswith(PARAMETER) and is_range(self.value(name)) else ""

    def _missing(self, field: Field) -> UsageError | None:
        if self.value("data"):
            return None
        if field.name == "venue" and len(self.venues) > 1:
            return UsageError("which venue", ", ".join(self.venues), hint="space takes the next")
        return UsageError("no symbol", "name one", hint=field.help) if field.name == "symbol" else None

    def mismatch(self) -> UsageError | None:
        """What is wrong with the parameters together; a sweep leaves out those that do not fit by itself."""
        chosen = self.strategy
        if chosen is None or self.sweeps:
            return None
        try:
            chosen.check(self._given_parameters())
        except UsageError as error:
            return error
        return None

    def first_problem(self) -> tuple[str, UsageError] | None:
        """The first field with a problem, and the problem."""
        for field in self.fields():
            problem = self.problem(field.name)
            if problem is not None:
                return field.name, problem
        together, chosen = self.mismatch(), self.strategy
        if self.value("walk_forward") and not self._ranges():
            return "walk_forward", UsageError(
                "nothing to choose from", "no parameter has a range", hint="like 5:50:5"
            )
        if self.combinations > MOST_COMBINATIONS:
            together = UsageError("too many combinations", f"{self.combinations:,}", hint="narrow a range")
        if together is not None and chosen is not None and chosen.parameters:
            return PARAMETER + chosen.parameters[0].name, together
        return None

    def put(self, name: str, text: str) -> None:
        """Fill in a field."""
        self.values[name] = text.strip()
        if text.strip() and name in _EITHER:
            self.values[_EITHER[name]] = ""

    def turn(self, name: str, step: int) -> bool:
        """Go to the next or previous choice of a field; False when it has none."""
        field = next((one for one in self.fields() if one.name == name), None)
        if field is None or not field.choices:
            return False
        self.values[name] = field.turned(self.value(name), step)
        if name == "symbol":
            self.values["venue"] = self.venues[0] if len(self.venues) > 1 else ""
        return True

    @property
    def sweeps(self) -> bool:
        """Whether several runs are asked for."""
        return bool(self.value("walk_forward") or self._ranges())

    def _ranges(self) -> list[str]:
        return [name for name, text in self._given_parameters().items() if is_range(text)]

    @property
    def combinations(self) -> int:
        """How many sets of parameters are asked for, those that a strategy will refuse among them; 0 where a range
        makes no sense."""
        chosen, count = self.strategy, 1
        given = self._given_parameters()
        for one in chosen.parameters if chosen is not None else ():
            if is_range(given.get(one.name, "")):
                try:
                    count *= values_in(one, given[one.name])
                except UsageError:
                    return 0
        return count

    def _given_parameters(self) -> Mapping[str, str]:
        chosen = self.strategy
        if chosen is not None:
            found = {one.name: self.value(PARAMETER + one.name) for one in chosen.parameters}
            return {name: value.replace(" ", "") for name, value in found.items() if value}
        return dict(part.split("=", 1) for part in self.value("param").split() if "=" in part)

    def without_ranges(self) -> dict[str, str]:
        """The values without those that ask for several runs."""
        several = {PARAMETER + name for name in self._ranges()}
        return {name: text for name, text in self.values.items() if name not in {*several, "walk_forward"}}

    def arguments(self) -> list[str]:
        """The command line without the program: `backtest --strategy sma …`."""
        line = ["backtest", "--strategy", at_home(self.value("strategy"))]
        for name, text in self._given_parameters().items():
            line += ["--sweep" if is_range(text) else "--param", f"{name}={text}"]
        for field in self.fields():
            value = self.value(field.name)
            if not value or field.name in ("strategy", "param") or field.name.startswith(PARAMETER):
                continue
            if field.choices == YES_OR_NO:
                line.append(field.option)
            elif field.name == "data":
                line += [word for path in _files_in(value) for word in (field.option, path)]
            elif field.name != "metric" or self.sweeps:
                line += [field.option, value]
        return [*line, *self.passed]


def _bars_of(chosen: StrategyChoice | None) -> str:
    return f"{chosen.bars}, its own" if chosen is not None and chosen.bars else "the strategy's own"


def _files_in(text: str) -> list[str]:
    # A quote that is not closed yet is part of a name: the command line is shown at any time.
    try:
        return data_files(text)
    except UsageError:
        return [text]
