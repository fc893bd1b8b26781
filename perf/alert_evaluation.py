"""One look of ten thousand pairs of a rule and a thing it watches, and who is told of it.

Baselines in the same run: the same rules asked one by one in plain Python, and what is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from core.alerts.evaluate import Evaluator
from core.alerts.rules import Comparison, Rule, Severity
from core.alerts.telling import Teller
from core.clock import NS_PER_S
from core.telemetry.frame import Column, Frame
from perf.figures import Figure

PAIRS: Final = 10_000
NEEDED_MS: Final = 50.0
ROUNDS: Final = 15
_NAMES: Final = {"heat": ("venue", "symbol"), "count": ("venue", "symbol")}


def measure() -> list[Figure]:
    """Milliseconds, the slowest look of each run but the first, which also makes the table; less is better."""
    figures = []
    for rules, things in ((20, 500), (500, 20), (PAIRS, 1)):
        work = f"{rules:,} rules x {things:,} things"
        ours = _slowest_ms(_look(_rules(rules), things))
        plain = _slowest_ms(_plain(_rules(rules), things))
        figures += [
            Figure(work, ours, plain, "ms", "asked one by one in plain Python"),
            Figure(work, ours, NEEDED_MS, "ms", "needed at most"),
        ]
    storm = _slowest_ms(_look(_rules(20, threshold=-1.0), 500))
    figures.append(Figure("10,000 of 10,000 fire", storm, NEEDED_MS, "ms", "needed at most"))
    return figures


def _rules(count: int, threshold: float = 0.999) -> list[Rule]:
    # Half of them look at what a counter grew within five minutes.
    return [
        Rule(
            name=f"rule{number}",
            metric="count" if number % 2 else "heat",
            comparison=Comparison.ABOVE,
            threshold=threshold,
            severity=Severity.WARNING,
            window_s=300.0 if number % 2 else 0.0,
            group_by=("venue",),
        )
        for number in range(count)
    ]


def _frames(things: int) -> list[Frame]:
    chance = np.random.default_rng(7)
    frames, count = [], np.zeros(things)
    for look in range(ROUNDS + 1):
        labels = tuple(("KRAKEN", f"SYM{number:04}") for number in range(things))
        count = count + chance.random(things) / 20
        columns = {"heat": Column(labels, chance.random(things)), "count": Column(labels, count)}
        frames.append(Frame(look * 30 * NS_PER_S, columns))
    return frames


Looks = tuple[Callable[[Frame], Any], list[Frame]]


def _look(rules: list[Rule], things: int) -> Looks:
    evaluator, teller = Evaluator(rules, _NAMES), Teller(rules, _NAMES, instance="perf")

    def look(frame: Frame) -> None:
        evaluator.look(frame)
        teller.tell(evaluator.standings(), frame.time_ns, wall_ns=frame.time_ns)

    return look, _frames(things)


def _plain(rules: list[Rule], things: int) -> Looks:
    # What one would write first: a loop over rules and things, with a dictionary for what stands how.
    past: list[Frame] = []
    since: dict[tuple[str, tuple[str, ...]], int] = {}

    def look(frame: Frame) -> int:
        past.append(frame)
        firing = 0
        for rule in rules:
            column = frame.columns[rule.metric]
            before = past[max(len(past) - 11, 0)].columns[rule.metric].values
            for number, labels in enumerate(column.labels):
                value = column.values[number] - (before[number] if rule.window_s else 0.0)
                if value > rule.threshold:
                    begun_ns = since.setdefault((rule.name, labels), frame.time_ns)
                    firing += frame.time_ns - begun_ns >= rule.for_s * NS_PER_S
                else:
                    since.pop((rule.name, labels), None)
        return firing

    return look, _frames(things)


def _slowest_ms(looks: Looks) -> float:
    look, frames = looks
    look(frames[0])
    slowest_ns = 0
    for frame in frames[1:]:
        begun_ns = time.perf_counter_ns()
        look(frame)
        slowest_ns = max(slowest_ns, time.perf_counter_ns() - begun_ns)
    return slowest_ns / 1e6
