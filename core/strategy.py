"""What a strategy is: it is shown bars, one event at a time or all at once, and answers with signals. Pure.

A strategy knows no account, no order and no clock. The engine that asks it is the same for history and live.
"""

from __future__ import annotations

import enum
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import ClassVar

import attrs
import numpy as np
from numpy.typing import NDArray

from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode, BarType
from core.errors import UsageError
from core.model.fixedpoint import parse_price, parse_quantity

Number = str | int | float | Decimal


class Action(enum.IntEnum):
    """What to do; the numbers are those of the array form."""

    SELL = -1
    HOLD = 0
    BUY = 1


@attrs.frozen
class Signal:
    """What a strategy wants at one event.

    Without `quantity_e8` a BUY means "be long by the size of this run", a SELL "be flat" (or short by that size,
    where the run allows it): repeated, they do nothing more. With it, so much is bought or sold on top. `limit_e9`
    makes a limit order of it and `stop_e9` a stop order; 0 is none, both together are refused. `cancel` first takes
    back every order of this strategy that still waits.
    """

    action: Action = attrs.field(converter=Action)
    # Numbers of numpy are made Python's, which do not wrap; `TypeError` for one that is not whole.
    quantity_e8: int = attrs.field(default=0, converter=operator.index)
    limit_e9: int = attrs.field(default=0, converter=operator.index)
    stop_e9: int = attrs.field(default=0, converter=operator.index)
    cancel: bool = False


HOLD = Signal(Action.HOLD)
BUY = Signal(Action.BUY)
SELL = Signal(Action.SELL)
CANCEL = Signal(Action.HOLD, cancel=True)


def buy(quantity: Number = 0, *, limit: Number = 0, stop: Number = 0) -> Signal:
    """A signal to buy. Numbers may be text; raises `FixedPointError` (a `ValueError`) when one does not fit."""
    return _signal(Action.BUY, quantity, limit, stop)


def sell(quantity: Number = 0, *, limit: Number = 0, stop: Number = 0) -> Signal:
    """A signal to sell, as `buy`."""
    return _signal(Action.SELL, quantity, limit, stop)


def _signal(action: Action, quantity: Number, limit: Number, stop: Number) -> Signal:
    return Signal(action, parse_quantity(str(quantity)), parse_price(str(limit)), parse_price(str(stop)))


@attrs.frozen(kw_only=True)
class Parameter:
    """A number that a strategy can be given. `aliases` are other names for it; bounds are allowed values.

    Raises `ValueError` when its own default is not allowed, or a name is none.
    """

    name: str
    default: float
    minimum: float
    maximum: float
    whole: bool = True
    help: str = ""
    aliases: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if not all(name.isidentifier() for name in (self.name, *self.aliases)):
            raise ValueError(f"a parameter's name must be one as in Python: {self.name!a}")
        if not self.minimum <= self.default <= self.maximum:
            raise ValueError(f"the default of {self.name} is out of its own bounds")
        if self.whole and self.default != int(self.default):
            raise ValueError(f"{self.name} has a default that is not whole")

    def parse(self, text: str) -> float:
        """The number in `text`. Raises `UsageError` when there is none or it is out of bounds."""
        try:
            value = float(text)
        except ValueError:
            raise UsageError("bad parameter", f"{self.name}={text[:40]!a}", hint="a number") from None
        if not self.minimum <= value <= self.maximum:  # also refuses what is not a number
            bounds = f"from {self.minimum:g} to {self.maximum:g}"
            raise UsageError("parameter out of range", f"{self.name}={text[:40]}", hint=bounds)
        if self.whole and not value.is_integer():
            raise UsageError("bad parameter", f"{self.name}={text[:40]}", hint="a whole number")
        return int(value) if self.whole else value


class Strategy(ABC):
    """Derive from this, give it a `name`, and answer `on_bar_data`. The rest has defaults."""

    PARAMETERS: ClassVar[Sequence[Parameter]] = ()
    """What can be set; `initialize` refuses everything else. Two of one name make the class a `ValueError`."""

    def __init_subclass__(cls) -> None:
        names = [name for one in cls.PARAMETERS for name in (one.name, *one.aliases)]
        if len(set(names)) < len(names):
            raise ValueError(f"two parameters of {cls.__name__} have one name: {', '.join(names)}")

    def __init__(self) -> None:
        self.parameters: dict[str, float] = {one.name: one.default for one in self.PARAMETERS}

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called."""

    @abstractmethod
    def on_bar_data(self, bar: BarData) -> Signal | Sequence[Signal]:
        """What to do at this event. `bar` is good only until this returns: keep its values and not itself."""

    def bar_data_mode(self) -> BarDataMode:
        """At which events `on_bar_data` is called; asked after `initialize`."""
        return BarDataMode.ON_EACH_TICK

    def preferred_bar_type(self) -> BarType:
        """Which bars it is shown when nobody asks for others; asked after `initialize`."""
        return BarType()

    def account_id(self) -> str:
        """The account it trades on; empty leaves that to the settings."""
        return ""

    def initialize(self, params: Mapping[str, str]) -> None:
        """Take parameters; those not given have their defaults.

        Raises:
            UsageError: one is not known, no number, or out of range; the hint says what there is.
        """
        names = {alias: one for one in self.PARAMETERS for alias in (one.name, *one.aliases)}
        values = {one.name: one.default for one in self.PARAMETERS}
        given: set[str] = set()
        for key, text in params.items():
            if key not in names:
                known = ", ".join(one.name for one in self.PARAMETERS) or "it has none"
                raise UsageError("unknown parameter", f"{key[:40]!a} of {self.name}", hint=known)
            if names[key].name in given:
                raise UsageError("parameter given twice", f"{key[:40]} of {self.name}")
            given.add(names[key].name)
            values[names[key].name] = names[key].parse(text)
        self.parameters = values
        self.reset()

    def reset(self) -> None:  # noqa: B027 - a strategy that remembers nothing has nothing to forget
        """Forget everything seen; parameters stay."""

    def signals(self, bars: BarSeries) -> NDArray[np.int8] | None:
        """The answers to all events of `bars` at once, as `Action` numbers; None where there is no such form.

        It must be what `on_bar_data` would have answered, event by event, from a fresh start.
        """
        return None
