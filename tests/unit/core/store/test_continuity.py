"""Where the trades of a series do not go on where they left off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.records import UNDEF_TIMESTAMP
from core.store import continuity as module
from core.store.continuity import MOST_GAPS, Continuity, Reached
from core.store.holes import IdHoles
from core.store.repository import MISSED, NOT_STREAMED, Gap
from tests.conformance.ticks import T0, TRADES, ticks

HIGH = 2**33
Told = list[tuple[int, int, int, str]]


def following(newest_id: int = 0, newest_ns: int = 0) -> Continuity:
    """What follows a series that is stored so far."""
    return Continuity(TRADES, Reached(newest_id=newest_id, newest_ns=newest_ns))


def note(one: Continuity, *ids: int, lost: int = 0) -> None:
    """Trades with these ids, a nanosecond apart."""
    one.note(
        ticks([number % 2**32 for number in ids], stamps=[T0 + number % 2**32 for number in ids]), ids[-1], lost=lost
    )


def told(one: Continuity) -> Told:
    """The gaps found, with the ids around them for instants."""
    return [(gap.start_ns - T0, gap.end_ns - T0, gap.rows, gap.cause) for gap in one.take(ending=True)]


def test_a_restart_is_a_gap() -> None:
    """What is missing between what was stored and what comes first was not streamed; nothing before, no gap."""
    one = following(HIGH + 5, T0 + 5)
    note(one, HIGH + 4, HIGH + 5)
    note(one, HIGH + 9, HIGH + 10)
    note(one, HIGH + 12)
    assert told(one) == [(5, 9, 3, NOT_STREAMED), (10, 12, 1, MISSED)]
    assert told(one) == []
    one.resume()
    note(one, HIGH + 20)
    assert told(one) == [(12, 20, 7, NOT_STREAMED)]
    fresh = following()
    note(fresh, 1000, 1001)
    fresh.resume()
    note(fresh, 1002)
    note(fresh, 1004)
    assert told(fresh) == [(1002, 1004, 1, MISSED)]


def test_a_restart_without_ids_is_a_gap() -> None:
    """Where the venue gives no ids, the time between is a gap of which nobody knows what is missing."""
    one = following(0, T0 + 5)
    records = ticks([0, 0], stamps=[T0 + 50, T0 + 60])
    for _ in range(2):
        one.note(records, 0)
    assert told(one) == [(5, 50, 0, NOT_STREAMED)]
    one.resume()
    one.note(records, 0)
    fresh = following()
    fresh.note(records, 0)
    assert told(one) == told(fresh) == []


def test_what_comes_late_is_not_missing() -> None:
    """Within the time of grace ids that fill a hole close it, or make it smaller; so does what others lost."""
    one = following(3, T0 + 3)
    note(one, 4)
    note(one, 7, 6)
    note(one, 12, 13)
    note(one, 5, 10, 10, 9)
    assert one.take() == []
    note(one, 20, lost=5)
    note(one, 30, lost=9)
    assert told(one) == [(7, 12, 2, MISSED), (13, 20, 1, MISSED)]


def test_what_comes_late_twice_fills_once() -> None:
    """The same late id again, alone or among those of which others tell, closes no other's place."""
    one = following(0, T0)
    note(one, 1, 4)
    note(one, 2)
    note(one, 2)
    assert told(one) == [(1, 4, 1, MISSED)]
    note(one, 10)
    note(one, 6)
    one.known(5, 7, lost=2)
    note(one, 6)
    assert told(one) == [(4, 10, 2, MISSED)]


def test_grace_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hole is told once it was open for long enough, a stop at once."""
    one = following(4, T0 + 4)
    note(one, 6)
    note(one, 8)
    assert [gap.cause for gap in one.take()] == [NOT_STREAMED]
    assert one.take() == []
    monkeypatch.setattr(module, "GRACE_S", 0.0)
    assert [gap.rows for gap in one.take()] == [1]


def test_many_are_one() -> None:
    """A venue that skips ids all the time makes few gaps, whose numbers are right, and little is kept."""
    one = following(0, T0)
    note(one, *range(2, 1002, 2))
    assert told(one) == [(2, 1000, 499, MISSED)]
    for number in range(1002, 1002 + 8 * MOST_GAPS, 2):
        note(one, number)
    assert told(one) == [(1000, 1000 + 8 * MOST_GAPS, 4 * MOST_GAPS, MISSED)]
    for number in range(2000, 8000, 2):
        note(one, number)
    assert len(one._open) <= module._MOST_OPEN
    assert sum(rows for _, _, rows, _ in told(one)) == 3000 + (2000 - 1000 - 8 * MOST_GAPS) - 2


def test_times_that_are_none() -> None:
    """History that is sent anew, and an undefined time, make gaps that the books can hold."""
    one = following(4, T0 + 100)
    note(one, 8)
    one.note(ticks([10], stamps=[UNDEF_TIMESTAMP]), 10)
    assert [(gap.start_ns, gap.end_ns) for gap in one.take(ending=True)] == [
        (T0 + 8, T0 + 100),
        (T0 + 100, 2**63 - 1),
    ]


def test_what_others_tell_of_is_not_settled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of which a provider tells are missed by nobody else, whether it is heard before they are seen or after."""
    one = following(4, T0 + 4)
    note(one, 5, 9)
    one.known(6, 8, lost=3)
    assert told(one) == []
    one.known(11, 13, lost=2)
    note(one, 10, 12, 14)
    one.known(15, 16, lost=2)
    note(one, 19)
    note(one, 25)
    one.known(24, 30, lost=1)
    assert told(one) == [(14, 19, 2, MISSED), (19, 25, 4, MISSED)]
    one.resume()
    one.known(26, 29, lost=4)
    note(one, 30, 32)
    monkeypatch.setattr(module, "GRACE_S", 0.0)
    assert [gap.rows for gap in one.take()] == [1]


def test_what_is_settled_twice_or_makes_no_sense_counts_once() -> None:
    """Stretches that overlap, come again or have no ids take away no more than they hold; late ids do neither."""
    one = following(0, T0)
    note(one, 1, 21)
    for first, last in ((5, 8), (5, 8), (7, 10), (6, 7), (0, 0), (9, 3), (-5, 4), (0, 2)):
        one.known(first, last, lost=max(last - first + 1, 0))
    note(one, 6, 11)
    assert told(one) == [(1, 21, 12, MISSED)]
    fresh = following()
    fresh.known(3, 4, lost=2)
    note(fresh, 1)
    note(fresh, 6)
    assert told(fresh) == [(1, 6, 2, MISSED)]


def test_what_others_tell_of_many_holes() -> None:
    """Of holes that were joined into one, those are left out of which somebody tells before or afterwards."""
    one = following(0, T0)
    one.known(2, 2, lost=1)
    note(one, *range(1, 103, 2))
    one.known(50, 52, lost=2)
    one.known(50, 52, lost=2)
    one.known(90, 200, lost=7)  # goes beyond what was joined
    assert [rows for _, _, rows, _ in told(one)] == [50 - 1 - 2]
    for number in range(103, 103 + 6000, 2):
        note(one, number)
    assert len(one._open) <= module._MOST_OPEN
    one.known(4000, 4002, lost=2)
    assert sum(rows for _, _, rows, _ in told(one)) == 2999 - (200 - 103 - 1) // 2 - 2 - 1


def test_little_is_kept_of_what_others_tell() -> None:
    """However much a provider tells, the newest stretches stay known and the memory is bounded."""
    one = following(0, T0)
    note(one, 1)
    for number in range(2, 24_000, 4):
        one.known(number, number, lost=1)
    assert len(one._settled._firsts) == module._MOST_SETTLED
    note(one, 24_000)
    assert told(one) == [(1, 24_000, 23_998 - module._MOST_SETTLED, MISSED)]


@given(
    st.lists(st.tuples(st.integers(-3, 60), st.integers(-3, 60)), max_size=20),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_stretches_against_a_set(added: list[tuple[int, int]], first: int, last: int) -> None:
    """Whatever is told in any order, as many ids are left as a plain set says."""
    stretches, plain = module._Settled(), set[int]()
    for low, high in added:
        if 0 < low <= high:
            stretches.add(low, high)
            plain |= set(range(low, high + 1))
    assert stretches.left(first, last) == len(set(range(first, last + 1)) - plain)
    assert stretches._firsts == sorted(stretches._firsts)
    assert stretches._lasts == sorted(stretches._lasts)


@given(st.lists(st.lists(st.integers(2, 120), min_size=1, max_size=12), min_size=1, max_size=12), st.data())
def test_every_hole_that_is_stored_is_explained(batches: list[list[int]], data: st.DataObject) -> None:
    """However ids come, stop and go on, nothing that is missing from what is stored lacks a cause."""
    one, stored, gaps = following(), [1], list[Gap]()
    note(one, 1)
    for batch in batches:
        if data.draw(st.booleans()):
            gaps += one.take(ending=True)
            one = following(max(stored), T0 + max(stored))
        note(one, *batch)
        stored += batch
    gaps += one.take(ending=True)
    ids = np.array(sorted(set(stored)), np.int64)
    holes = IdHoles(gaps)
    holes.add(0, ticks(list(ids), stamps=[T0 + int(number) for number in ids]), ids)
    assert [hole for hole in holes.finish() if not hole.causes] == []


@given(
    st.lists(
        st.one_of(
            st.lists(st.integers(2, 90), min_size=1, max_size=12),
            st.tuples(st.integers(1, 90), st.integers(1, 90)),
        ),
        max_size=14,
    )
)
def test_every_missing_id_is_told_once(steps: list[list[int] | tuple[int, int]]) -> None:
    """However ids come and others tell of some, each id that is missing in the end is told by them or here."""
    one, stored, others = following(), {1}, set[int]()
    note(one, 1)
    for step in steps:
        if isinstance(step, list):
            note(one, *step)
            stored |= set(step)
        else:
            one.known(*step, lost=1)
            others |= set(range(step[0], step[1] + 1))
    missing = set(range(1, max(stored))) - stored - others
    assert sum(gap.rows for gap in one.take(ending=True)) == len(missing)
