"""Alerts over random figures: they fire as a plain model says, and people hear neither too much nor nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from core.alerts.evaluate import Evaluator, Key
from core.alerts.message import Kind
from core.alerts.rules import Comparison, Rule
from core.alerts.watch import Watch
from core.clock import NS_PER_S
from core.telemetry.frame import Labels
from tests.unit.core.alerts.worlds import NAMES, frame, rule

_LABELS = [("V", "A"), ("V", "B"), ("W", "A")]
_VALUES = st.sampled_from([0.0, 4.0, 5.0, 6.0, 9.0, 10.0, 11.0, math.nan])
_RULES = st.builds(
    rule,
    comparison=st.sampled_from(Comparison),
    threshold=st.just(5.0),
    for_s=st.sampled_from([0.0, 15.0, 40.0]),
    match=st.sampled_from([(), (("venue", "V"),), (("symbol", "a"),), (("venue", "*"), ("symbol", "B"))]),
)
_FRAMES = st.lists(
    st.tuples(st.integers(1, 40), st.dictionaries(st.sampled_from(_LABELS), _VALUES)), min_size=1, max_size=30
)
_BEYOND = {
    Comparison.ABOVE: lambda value, limit: value > limit,
    Comparison.AT_LEAST: lambda value, limit: value >= limit,
    Comparison.BELOW: lambda value, limit: value < limit,
    Comparison.AT_MOST: lambda value, limit: value <= limit,
}


def _cleared(one: Rule, gap: float) -> Rule:
    return attrs.evolve(one, clear=one.threshold - gap if one.comparison.is_upper else one.threshold + gap)


class Model:
    """One rule about one thing, the plain way."""

    def __init__(self, one: Rule) -> None:
        self.rule = one
        self.since: float | None = None
        self.firing = False

    def look(self, now: float, value: float | None) -> None:
        """Take in one value, None where it is not measured."""
        if value is None:
            self.since, self.firing = None, False
            return
        if not math.isnan(value):
            limit = self.rule.threshold if not self.firing or self.rule.clear is None else self.rule.clear
            if not _BEYOND[self.rule.comparison](value, limit):
                self.since, self.firing = None, False
            elif self.since is None:
                self.since = now
        if self.since is not None and now - self.since >= self.rule.for_s:
            self.firing = True


@settings(deadline=None)
@given(rules=st.lists(_RULES, min_size=1, max_size=4), gap=st.sampled_from([0.0, 1.0]), frames=_FRAMES)
def test_rules_fire_as_a_plain_model_does(
    rules: list[Rule], gap: float, frames: list[tuple[int, dict[Labels, float]]]
) -> None:
    """Whatever comes, goes and is not known, and whatever the rules are."""
    rules = [_cleared(one, gap) for one in rules]
    evaluator = Evaluator(rules, NAMES)
    models = {Key(number, labels): Model(one) for number, one in enumerate(rules) for labels in _LABELS}
    fired: set[Key] = set()
    now = 0
    for step, values in frames:
        now += step
        for change in evaluator.look(frame(now, heat=values)):
            assert (change.key in fired) != change.firing
            (fired.add if change.firing else fired.discard)(change.key)
        for key, model in models.items():
            wanted = _wanted(rules[key.rule], key.labels)
            model.look(now, values.get(key.labels) if wanted else None)
        assert fired == {key for key, model in models.items() if model.firing}
        assert fired == {one.key for one in evaluator.standings() if one.firing}


def _wanted(one: Rule, labels: Labels) -> bool:
    found = dict(zip(("venue", "symbol"), labels, strict=True))
    return all(text == "*" or found[name].lower() == text.lower() for name, text in one.match)


@settings(deadline=None)
@given(
    beats=st.lists(st.sets(st.sampled_from(_LABELS)), min_size=1, max_size=120),
    group_by=st.sampled_from([None, (), ("venue",)]),
)
def test_people_hear_of_a_group_once_a_cooldown_and_of_what_lasts_always(
    beats: Sequence[set[Labels]], group_by: tuple[str, ...] | None
) -> None:
    """Never twice within a cooldown, whatever flaps; and what fires for two of them in a row is heard of."""
    watch = Watch([rule(group_by=group_by, cooldown_s=120, max_cooldown_s=240)], NAMES, instance="a")
    heard: dict[str, list[int]] = {}
    history = 0
    for number, hot in enumerate(beats):
        found = watch.look(frame(number * 30, heat={labels: 11.0 if labels in hot else 0.0 for labels in _LABELS}))
        history += len(found.events)
        for message in found.messages:
            if message.kind is not Kind.RESOLVED:
                assert message.count <= len(hot)
                group = "" if group_by == () else message.lines[0].split(":")[0]
                group = group.rpartition("venue=")[2] if group_by == ("venue",) else group
                heard.setdefault(group, []).append(message.time_ns)
    for times in heard.values():
        assert all(later - earlier >= 120 * NS_PER_S for earlier, later in itertools.pairwise(times))
    changes = sum(len(before ^ after) for before, after in zip([set(), *beats], beats, strict=False))
    assert history == changes
    if all(_LABELS[0] in hot for hot in beats[:9]) and len(beats) >= 9:
        assert sum(map(len, heard.values())) >= 2
