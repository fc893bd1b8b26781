"""Asks a strategy, all events at once or one after the other, and trusts no answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.bars.series import BarSeries
from core.clock import iso_ns
from core.errors import ConsoleError, PermanentError
from core.strategy import HOLD, Action, Signal, Strategy

_ANSWERS = {action.value: Signal(action) for action in Action}


class StrategyError(PermanentError):
    """A strategy raised, or answered what is no answer: mend it."""

    category = "strategy"


def reset(strategy: Strategy) -> None:
    """Let a strategy begin anew. Raises `StrategyError`."""
    with _blamed(strategy, "beginning anew"):
        strategy.reset()


def all_at_once(strategy: Strategy, events: BarSeries) -> NDArray[np.int8] | None:
    """What a strategy answers to all `events` at once, None where it has no such form. Raises `StrategyError`."""
    with _blamed(strategy, "answering all events"):
        answers: Any = strategy.signals(events)
    if answers is None:
        return None
    if not isinstance(answers, np.ndarray) or answers.shape != (len(events),) or answers.dtype.kind not in "iu":
        raise StrategyError(f"{strategy.name} answers nonsense", "signals() must give one whole number an event")
    if len(answers) and (answers.min() < Action.SELL or answers.max() > Action.BUY):
        raise StrategyError(f"{strategy.name} answers nonsense", "signals() gives numbers beyond -1, 0 and 1")
    return answers.astype(np.int8, copy=False)


def of_array(answers: NDArray[np.int8]) -> Iterator[tuple[int, Signal]]:
    """The numbers of the events at which such answers are not HOLD, each with its signal."""
    found = np.flatnonzero(answers)
    for number, answer in zip(found.tolist(), answers[found].tolist(), strict=True):
        yield number, _ANSWERS[answer]


def one_by_one(
    strategy: Strategy, events: BarSeries, progress: Callable[[float], None]
) -> Iterator[tuple[int, Signal]]:
    """The numbers of the `events` at which a strategy wants something, each with a signal; asked as it is iterated.
    `progress` hears the part done, 0 to 1. Raises `StrategyError`."""
    ask = strategy.on_bar_data
    for first, end, bar in events.stretches():
        start, count = 0, end - first
        while start < count:
            answer: Signal | Sequence[Signal] = HOLD
            at = start
            try:
                for at in range(start, count):
                    bar.at = at
                    answer = ask(bar)
                    if answer is not HOLD:
                        break
            except (ConsoleError, KeyboardInterrupt):
                raise
            except BaseException as error:  # sys.exit() of a strategy ends its run, and not the program
                raise failure(strategy.name, f"at {iso_ns(events.ts_ns.item(first + at))}", error) from error
            start = at + 1
            for signal in checked(strategy, answer, events.ts_ns.item(first + at)):
                yield first + at, signal
        progress(end / len(events))


def checked(strategy: Strategy, answer: object, at_ns: int) -> Sequence[Signal]:
    """The signals in what `on_bar_data` returned at `at_ns`. Raises `StrategyError` when it is no answer."""
    signals = (answer,) if isinstance(answer, Signal) else answer
    if not isinstance(signals, (tuple, list)) or not all(isinstance(one, Signal) for one in signals):
        hint = "return HOLD, BUY, SELL, buy(...), sell(...) or a list of them"
        given = f"{type(answer).__name__} at {iso_ns(at_ns)}"
        raise StrategyError(f"{strategy.name} answers nonsense", given, hint=hint)
    return signals


@contextmanager
def _blamed(strategy: Strategy, doing: str) -> Iterator[None]:
    try:
        yield
    except (ConsoleError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise failure(strategy.name, doing, error) from error


def failure(name: str, doing: str, error: BaseException) -> StrategyError:
    """What to raise for something that came out of the strategy of that name."""
    return StrategyError(f"{name} failed {doing}", f"{type(error).__name__}: {str(error)[:200]!a}")
