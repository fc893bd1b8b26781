"""What histograms add up since the start, against counting one by one."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.clock import NS_PER_S
from core.telemetry.histograms import EDGES_NS, HALF_WINDOW_NS, LatencyHistogram, RecentHighest, WindowedHistogram

DELAYS = st.lists(st.integers(-(10**9), 2**45), max_size=300)
AT_EDGES = st.lists(st.sampled_from([edge + step for edge in EDGES_NS for step in (-1, 0, 1, 2)]), max_size=200)


@given(DELAYS | AT_EDGES)
def test_every_delay_is_on_the_right_side_of_every_edge(delays_ns: list[int]) -> None:
    """The counts are exactly those of the delays no longer than each edge, and the last is all of them."""
    histogram = LatencyHistogram()
    histogram.record_all(delays_ns)
    expected = [sum(delay_ns <= edge_ns for delay_ns in delays_ns) for edge_ns in EDGES_NS]
    assert histogram.cumulated().counts == (*expected, len(delays_ns))


@given(DELAYS)
def test_the_sum_is_at_most_a_thirtysecond_wrong(delays_ns: list[int]) -> None:
    """A delay counts as the middle of its bucket, a negative one as none."""
    histogram = LatencyHistogram()
    histogram.record_all(delays_ns)
    exact_ns = sum(max(delay_ns, 0) for delay_ns in delays_ns)
    assert abs(histogram.cumulated().sum_ns - exact_ns) <= exact_ns / 32 + 1


@given(st.lists(st.integers(-(10**6), 2**50), max_size=400))
def test_an_array_counts_as_its_delays_one_by_one(delays_ns: list[int]) -> None:
    """However many there are, the histogram is the same."""
    alone, together = LatencyHistogram(), LatencyHistogram()
    for delay_ns in delays_ns:
        alone.record(delay_ns)
    together.record_array(np.array(delays_ns, np.int64))
    assert (together.summary(), together.cumulated()) == (alone.summary(), alone.cumulated())


@given(st.lists(st.tuples(st.integers(0, 3 * HALF_WINDOW_NS), st.integers(0, 10**10)), max_size=40))
def test_a_window_forgets_and_the_sum_of_all_does_not(steps: list[tuple[int, int]]) -> None:
    """Whatever passes between two delays, all of them stay counted, and their sum never falls."""
    now_ns = 0
    windowed, plain = WindowedHistogram(lambda: now_ns), LatencyHistogram()
    sum_ns = 0
    for pause_ns, delay_ns in steps:
        now_ns += pause_ns
        windowed.record(delay_ns)
        plain.record(delay_ns)
        assert windowed.cumulated() == plain.cumulated()
        assert windowed.cumulated().sum_ns >= sum_ns
        sum_ns = windowed.cumulated().sum_ns
    now_ns += 3 * HALF_WINDOW_NS
    assert windowed.summary().count == 0
    assert windowed.cumulated().counts[-1] == len(steps)


def test_who_counts_in_a_thread_and_who_asks_lose_nothing_between_them() -> None:
    """Windows end on both sides at any moment; all that was counted is there."""
    ticks = iter(range(10**9))
    histogram = WindowedHistogram(lambda: next(ticks) * HALF_WINDOW_NS // 7)
    delays_ns = np.full(100, NS_PER_S)

    def count() -> None:
        for _ in range(300):
            histogram.record_array(delays_ns)

    worker = threading.Thread(target=count)
    worker.start()
    while worker.is_alive():
        histogram.summary()
    worker.join()
    assert histogram.cumulated().counts[-1] == 30_000


def test_the_highest_is_that_of_the_last_minute() -> None:
    """It falls back to what was noted since, half a window at a time, and to 0 when nothing was."""
    now_ns = 0
    highest = RecentHighest(lambda: now_ns)
    assert highest.highest() == 0
    highest.note(7)
    highest.note(3)
    now_ns = HALF_WINDOW_NS + 1
    highest.note(2)
    assert highest.highest() == 7
    now_ns = 2 * HALF_WINDOW_NS + 2
    assert highest.highest() == 2
    now_ns = 9 * HALF_WINDOW_NS
    assert highest.highest() == 0
