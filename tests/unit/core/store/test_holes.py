"""Ids that are missing from a series, and what explains it."""

from __future__ import annotations

import attrs
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.model.records import Records
from core.store.holes import NAMED_HOLES, Hole, IdHoles
from core.store.repository import MISSED, NOT_STORED, NOT_STREAMED, Gap
from tests.conformance.ticks import T0, TRADES, ticks

S = 10**9


def day(ids: list[int]) -> tuple[Records, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Trades with these ids, ten seconds apart, and the ids."""
    return ticks(ids, stamps=[T0 + number % 10**6 * 10 * S for number in ids]), np.array(ids, np.int64)


def gap(start_s: int, end_s: int, *, rows: int = 0, cause: str = NOT_STREAMED) -> Gap:
    """A recorded gap between two instants."""
    return Gap(series=TRADES, start_ns=T0 + start_s * S, end_ns=T0 + end_s * S, rows=rows, cause=cause)


def found(ids: list[int], *gaps: Gap) -> list[tuple[int | None, int, tuple[str, ...]]]:
    """First id, number and causes of each hole in one day."""
    holes = IdHoles(gaps)
    holes.add(1, *day(ids))
    return [(hole.first, hole.missing, hole.causes) for hole in holes.finish()]


@given(
    present=st.dictionaries(st.integers(1, 100), st.integers(-3, 3), max_size=100),
    offset=st.sampled_from([0, 2**32 - 20, 2**40]),
)
def test_holes_against_a_set(present: dict[int, int], offset: int) -> None:
    """Wherever days end, and in whatever order ids come near midnight, as many are missing as a plain set says."""
    days: list[list[int]] = [[] for _ in range(7)]
    for number, strayed in present.items():
        days[(number + strayed) // 20 + 1].append(offset + number)
    holes = IdHoles()
    for index, numbers in enumerate(days):
        holes.add(index, *day([*numbers, 0]))
    told = holes.finish()
    missing = max(present) - min(present) + 1 - len(present) if present else 0
    assert sum(hole.missing for hole in told) == missing
    gone = set(range(min(present, default=1), max(present, default=0))) - set(present)
    named = {hole.first - offset + step for hole in told if hole.first is not None for step in range(hole.missing)}
    assert named <= gone
    assert len(told) > NAMED_HOLES or named == gone


def test_holes_of_days_in_order() -> None:
    """Days whose ids overlap near midnight miss nothing; each hole is told once, in the day before it goes on."""
    holes = IdHoles()
    for number, ids in enumerate(([1, 2, 3, 5], [4, 6, 7, 10], [11, 14]), start=1):
        holes.add(number, *day(ids))
    assert [(hole.day, hole.missing, hole.first) for hole in holes.finish()] == [(2, 2, 8), (3, 2, 12)]
    assert IdHoles().finish() == []


def test_a_gap_explains_what_lies_within_it() -> None:
    """A hole is explained by gaps that hold it and miss as many; by none that lies beside it or misses fewer."""
    assert found([1, 2, 5], gap(20, 50, rows=2)) == [(3, 2, (NOT_STREAMED,))]
    assert found([1, 2, 5], gap(20, 50)) == [(3, 2, (NOT_STREAMED,))]
    assert found([1, 2, 5], gap(20, 50, rows=1)) == [(3, 2, ())]
    both = (gap(20, 50, rows=1), gap(0, 60, rows=1, cause=NOT_STORED))
    assert found([1, 2, 5], *both) == [(3, 2, (NOT_STORED, NOT_STREAMED))]
    assert found([1, 2, 5], gap(50, 90), gap(30, 40), gap(-90, 20)) == [(3, 2, ())]
    assert found([1, 2, 5], gap(2**70, -(2**70))) == [(3, 2, ())]


def test_what_was_recovered_explains_nothing() -> None:
    """A gap that was recovered in full explains no hole; of another, what is known is told with the cause."""
    whole = attrs.evolve(gap(20, 50, cause="disconnect"), recovered=2)
    assert found([1, 2, 5], whole) == [(3, 2, ())]
    partly = attrs.evolve(gap(20, 50, rows=2, cause="disconnect"), recovered=7, reason="the venue refused")
    holes = IdHoles([whole, partly])
    holes.add(1, *day([1, 2, 5]))
    (hole,) = holes.finish()
    assert hole.causes == ("disconnect",)
    assert hole.message == "trade ids 3 to 4 are missing: disconnect (7 others were recovered; the venue refused)"
    assert attrs.evolve(partly, recovered=1, reason="").explanation == "disconnect (1 other was recovered)"
    many = [gap(20, 50, rows=1, cause=f"cause {number}") for number in range(4)]
    crowded = IdHoles([attrs.evolve(one, reason="x") for one in many])
    crowded.add(1, *day([1, 2, 5]))
    assert crowded.finish()[0].message.endswith("missing: cause 0 and cause 1 and cause 2 and cause 3")


def test_what_is_sent_anew_after_a_pause() -> None:
    """Trades with higher ids that are older than what came before leave a hole between the two instants."""
    stamps = [T0 + 100 * S, T0 + 110 * S, T0 + 50 * S, T0 + 120 * S]
    holes = IdHoles([gap(50, 110, rows=7)])
    holes.add(1, ticks([1, 2, 10, 11], stamps=stamps), np.array([1, 2, 10, 11]))
    (hole,) = holes.finish()
    assert (hole.start_ns, hole.end_ns, hole.causes) == (T0 + 50 * S, T0 + 110 * S, (NOT_STREAMED,))


def test_only_the_largest_are_told_one_by_one() -> None:
    """However many holes there are, the largest of each kind are named and the rest is summed, over all days."""
    ids, holes = [1], IdHoles([gap(0, 400, cause=MISSED)])
    while len(ids) < 200:
        ids.append(ids[-1] + 2 + len(ids) % 3)
    for number in range(4):
        holes.add(number, *day(ids[number * 50 : number * 50 + 50]))
    told = holes.finish()
    named = [hole for hole in told if hole.first is not None]
    assert sum(hole.missing for hole in told) == ids[-1] - ids[0] + 1 - len(ids)
    assert sum(hole.holes for hole in told) == 199
    assert len([hole for hole in named if not hole.causes]) == NAMED_HOLES
    rest = next(hole for hole in told if hole.first is None)
    assert rest.holes > NAMED_HOLES
    assert min(hole.missing for hole in named if not hole.causes) == 3
    assert (rest.day, rest.start_ns, rest.end_ns) == (None, None, None)
    assert rest.message == f"trade ids are missing in {rest.holes} smaller holes"


def test_what_is_said_of_a_hole() -> None:
    """One id and several are told apart, and all causes are named."""
    assert Hole(missing=1, first=7).message == "trade id 7 is missing"
    causes = (MISSED, NOT_STORED)
    assert Hole(missing=2, first=7, causes=causes).message == "trade ids 7 to 8 are missing: missed and not stored"
