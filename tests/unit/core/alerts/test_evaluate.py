"""Which rules fire, and when."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.alerts.evaluate import Evaluator, Key
from core.alerts.measure import Measure, Past
from core.alerts.rules import Comparison
from core.clock import NS_PER_S
from core.telemetry.frame import Frame
from tests.unit.core.alerts.worlds import NAMES, at, frame, rule

BTC, ETH = ("KRAKEN", "BTCUSD"), ("KRAKEN", "ETHUSD")


def firing(evaluator: Evaluator) -> set[Key]:
    """What fires now."""
    return {one.key for one in evaluator.standings() if one.firing}


@pytest.mark.parametrize(
    ("comparison", "fires"),
    [
        (Comparison.ABOVE, {11.0}),
        (Comparison.AT_LEAST, {10.0, 11.0}),
        (Comparison.BELOW, {9.0}),
        (Comparison.AT_MOST, {9.0, 10.0}),
    ],
)
def test_a_rule_fires_on_its_side_of_the_threshold(comparison: Comparison, fires: set[float]) -> None:
    """On the threshold itself only where the comparison says so."""
    for value in (9.0, 10.0, 11.0):
        evaluator = Evaluator([rule(comparison=comparison)], NAMES)
        changes = evaluator.look(frame(0, heat={BTC: value}))
        assert [(change.key, change.firing, change.value) for change in changes] == (
            [(Key(0, BTC), True, value)] if value in fires else []
        )


def test_it_must_last() -> None:
    """With a duration the rule fires at the first look after it, and begins anew when it was interrupted."""
    evaluator = Evaluator([rule(for_s=60)], NAMES)
    assert evaluator.look(frame(0, heat={BTC: 11})) == []
    assert evaluator.look(frame(30, heat={BTC: 11})) == []
    assert [one.firing for one in evaluator.standings()] == [False]
    assert evaluator.look(frame(45, heat={BTC: 9})) == []
    assert evaluator.look(frame(50, heat={BTC: 11})) == []
    assert evaluator.look(frame(100, heat={BTC: 11})) == []
    (change,) = evaluator.look(frame(110, heat={BTC: 12}))
    assert (change.firing, change.since_ns, change.value) == (True, at(50), 12)


def test_it_ends_where_it_is_clear() -> None:
    """Between the threshold and where it clears it stands as it stood."""
    evaluator = Evaluator([rule(clear=8.0)], NAMES)
    assert evaluator.look(frame(0, heat={BTC: 9})) == []
    assert len(evaluator.look(frame(1, heat={BTC: 11}))) == 1
    assert evaluator.look(frame(2, heat={BTC: 9})) == []
    (change,) = evaluator.look(frame(3, heat={BTC: 8}))
    assert (change.firing, change.since_ns) == (False, at(1))
    assert evaluator.look(frame(4, heat={BTC: 9})) == []


def test_low_values_clear_above() -> None:
    """A rule about low values ends above where it began."""
    evaluator = Evaluator([rule(comparison=Comparison.BELOW, clear=12.0)], NAMES)
    assert len(evaluator.look(frame(0, heat={BTC: 9}))) == 1
    assert evaluator.look(frame(1, heat={BTC: 11})) == []
    assert [one.firing for one in evaluator.look(frame(2, heat={BTC: 12}))] == [False]


def test_each_thing_stands_alone() -> None:
    """What one symbol does says nothing of another, and patterns choose among them."""
    evaluator = Evaluator([rule(), rule(name="bitcoin", match=(("symbol", "btc*"),))], NAMES)
    evaluator.look(frame(0, heat={BTC: 11, ETH: 11}))
    assert firing(evaluator) == {Key(0, BTC), Key(0, ETH), Key(1, BTC)}
    evaluator.look(frame(1, heat={ETH: 11, BTC: 9}))
    assert firing(evaluator) == {Key(0, ETH)}


def test_what_is_not_measured_any_more_ends() -> None:
    """And says so; what was only pending is forgotten, and what returns begins anew."""
    evaluator = Evaluator([rule(), rule(name="slow", for_s=60)], NAMES)
    evaluator.look(frame(0, heat={BTC: 11, ETH: 1}))
    (change,) = evaluator.look(frame(1, heat={ETH: 1}))
    assert (change.key, change.firing, change.gone, change.value) == (Key(0, BTC), False, True, 11)
    (change,) = evaluator.look(frame(2, heat={ETH: 1, BTC: 12}))
    assert (change.firing, change.since_ns) == (True, at(2))
    assert evaluator.look(frame(61, heat={ETH: 1, BTC: 12})) == []


def test_others_come_and_go_without_a_trace() -> None:
    """A new symbol leaves what stood as it stood, its beginning included."""
    evaluator = Evaluator([rule(for_s=20)], NAMES)
    evaluator.look(frame(0, heat={BTC: 11}))
    assert evaluator.look(frame(10, heat={ETH: 0, BTC: 11})) == []
    (change,) = evaluator.look(frame(20, heat={ETH: 0, BTC: 11}))
    assert change.since_ns == at(0)
    assert evaluator.look(frame(21, heat={BTC: 11})) == []


def test_nothing_is_concluded_from_what_is_not_known() -> None:
    """A value that is no number leaves an alert as it is, firing or not."""
    evaluator = Evaluator([rule()], NAMES)
    assert evaluator.look(frame(0, heat={BTC: math.nan, ETH: 11})) != []
    assert firing(evaluator) == {Key(0, ETH)}
    assert evaluator.look(frame(1, heat={BTC: math.nan, ETH: math.nan})) == []
    assert firing(evaluator) == {Key(0, ETH)}
    assert [one.value for one in evaluator.standings()] == [11]


def test_growth_within_a_window() -> None:
    """A counter is looked at by what it grew; it begins at nothing."""
    evaluator = Evaluator([rule(metric="count", window_s=60)], NAMES)
    assert evaluator.look(frame(0, count={BTC: 10})) == []
    assert len(evaluator.look(frame(30, count={BTC: 11}))) == 1
    assert evaluator.look(frame(60, count={BTC: 21})) == []  # 11 within the last minute
    assert [one.value for one in evaluator.standings()] == [11]
    (change,) = evaluator.look(frame(90, count={BTC: 21}))
    assert (change.firing, change.value) == (False, 10)


def test_a_counter_that_began_anew_grew_by_what_it_is() -> None:
    """After a restart it counts from nothing."""
    evaluator = Evaluator([rule(metric="count", window_s=60)], NAMES)
    evaluator.look(frame(0, count={BTC: 1000}))
    evaluator.look(frame(60, count={BTC: 1000}))
    assert firing(evaluator) == set()
    evaluator.look(frame(90, count={BTC: 12}))
    assert firing(evaluator) == {Key(0, BTC)}


def test_what_was_away_did_not_grow_by_all_it_is() -> None:
    """A counter that is not there, or not known, for a while counts on from where it stood."""
    evaluator = Evaluator([rule(metric="count", window_s=60)], NAMES)
    gone: list[dict[tuple[str, ...], float]] = [{}, {BTC: math.nan}]
    evaluator.look(frame(0, count={BTC: 1}))
    evaluator.look(frame(60, count={BTC: 1}))
    for number in range(1, 20):
        away = gone[number // 4 % 2]
        evaluator.look(frame(60 + number * 30, count=away if number % 4 == 0 else {BTC: 1}))
        assert firing(evaluator) == set()
    evaluator.look(frame(660, count={BTC: 12}))
    assert firing(evaluator) == {Key(0, BTC)}


def test_what_left_long_ago_is_forgotten() -> None:
    """Of what is not measured any more nothing is kept for longer than the longest window."""
    past = Past([Measure("count", window_ns=60 * NS_PER_S)])
    for number in range(200):
        past.keep(frame(number * 30, count={("KRAKEN", f"S{number}"): 1}))
    assert len(past.before(at(10**6), "count").labels) <= 4


def test_a_share_of_others() -> None:
    """So much of one counter for each of another; of nothing nothing is known, and some of nothing is too much."""
    evaluator = Evaluator([rule(metric="count", per="each", window_s=60, threshold=0.1)], NAMES)
    evaluator.look(frame(0, count={BTC: 0, ETH: 0}, each={ETH: 0, BTC: 0}))
    assert evaluator.standings() == []
    evaluator.look(frame(60, count={BTC: 2, ETH: 1}, each={ETH: 10, BTC: 10}))
    assert firing(evaluator) == {Key(0, BTC)}
    evaluator.look(frame(120, count={BTC: 2, ETH: 2}, each={ETH: 10, BTC: 10}))
    assert firing(evaluator) == {Key(0, BTC), Key(0, ETH)}
    assert math.isinf(next(one.value for one in evaluator.standings() if one.key.labels == ETH))


def test_what_is_watched_is_counted() -> None:
    """For each rule how many things, and the worst of them."""
    low = rule(name="low", comparison=Comparison.BELOW)
    evaluator = Evaluator([rule(), low, rule(name="none", metric="whole")], NAMES)
    evaluator.look(frame(0, heat={BTC: 5, ETH: math.nan, ("BINANCE", "BTCUSD"): 7}))
    watched = evaluator.watched()
    assert watched[:2] == [(3, 7.0), (3, 5.0)]
    assert watched[2][0] == 0
    assert math.isnan(watched[2][1])


def test_a_label_that_a_series_lacks_matches_nothing() -> None:
    """A rule about it watches nothing, and does not fire for everything."""
    evaluator = Evaluator([rule(match=(("account", "*"),))], NAMES)
    assert evaluator.look(frame(0, heat={BTC: 11})) == []
    assert evaluator.watched()[0][0] == 0


def test_a_frame_without_anything_is_no_hindrance() -> None:
    """Nor are no rules at all."""
    assert Evaluator([], NAMES).look(Frame(1, {})) == []
    evaluator = Evaluator([rule()], NAMES)
    assert evaluator.look(Frame(1, {})) == []
    assert evaluator.look(frame(1, heat={BTC: 11})) != []
    assert np.array([one.gone for one in evaluator.look(Frame(at(2), {}))]).all()
    assert evaluator.standings() == []
