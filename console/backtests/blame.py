"""Whatever a user's strategy does wrong is said in words, with the line, and is not taken for an error of our own."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import attrs

from core.bars.spec import BarDataMode, BarType
from core.errors import ConsoleError
from core.sim.asking import StrategyError
from core.strategy import Strategy
from strategies.approval import real_path
from strategies.catalogue import LoadedStrategy
from strategies.loading import line_in

_LONGEST = 200


@attrs.frozen
class Wishes:
    """What a strategy asks for: when it is called, which bars it is shown, and its account, "" for any."""

    mode: BarDataMode
    bars: BarType
    account: str


def wishes(strategy: Strategy) -> Wishes:
    """What `strategy` asks for. Raises `StrategyError` when that is nothing of the kind."""
    mode = _asked(strategy, "bar_data_mode")
    bars = _asked(strategy, "preferred_bar_type")
    account = _asked(strategy, "account_id")
    if not isinstance(mode, BarDataMode):
        raise StrategyError(f"{strategy.name} answers nonsense", "bar_data_mode() must give a BarDataMode")
    if not isinstance(bars, BarType):
        raise StrategyError(f"{strategy.name} answers nonsense", "preferred_bar_type() must give a BarType")
    if not isinstance(account, str):
        raise StrategyError(f"{strategy.name} answers nonsense", "account_id() must give a text")
    return Wishes(mode, bars, account)


def _asked(strategy: Strategy, question: str) -> object:
    method = getattr(strategy, question)
    if not callable(method):
        raise StrategyError(f"{strategy.name} answers nonsense", f"{question} must be a method")
    return method()


def parameters_of(strategy: Strategy) -> dict[str, float | str]:
    """The parameters of a strategy, fit for JSON whatever it made of them."""
    known: object = strategy.parameters
    if not isinstance(known, dict):
        return {}
    return {str(name)[:_LONGEST]: _plain(value) for name, value in known.items()}


def _plain(value: object) -> float | str:
    if isinstance(value, (int, float)) and math.isfinite(value):
        return value
    return str(value)[:_LONGEST]


@contextlib.contextmanager
def blamed(loaded: LoadedStrategy, *, doing: str) -> Iterator[None]:
    """Let errors that come out of the code of a user's file out as `StrategyError`; others pass as they are."""
    try:
        yield
    except ConsoleError:
        raise
    except SystemExit as error:
        raise StrategyError(f"{loaded.strategy.name} failed {doing}", "it ended the program") from error
    except Exception as error:
        place = _place(loaded, error)
        if not place:
            raise
        told = f"{place}: {type(error).__name__}: {str(error)[:_LONGEST]!a}"
        raise StrategyError(f"{loaded.strategy.name} failed {doing}", told) from error


def _place(loaded: LoadedStrategy, error: Exception) -> str:
    # File and line of the user's code that was running last; "" when none was.
    if loaded.source_path is None:
        return ""
    file = str(real_path(loaded.source_path))
    line = line_in(file, error)
    return f"{file}:{line}" if line else ""
