"""Telling stored records from new ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.store.dedupe import SeenIds, full_ids


@given(reference=st.integers(0, 2**63 - 2**32), offset=st.integers(-(2**31), 2**31 - 1))
def test_full_ids_are_recovered(reference: int, offset: int) -> None:
    """Any id within 2**31 of the reference is recovered from its low 32 bits."""
    low = np.array([(reference + offset) & 0xFFFF_FFFF], np.uint32)
    assert full_ids(low, reference).tolist() == [reference + offset]


def test_growing_ids_need_no_memory() -> None:
    """While ids only go up the stored ones are never loaded."""

    def load() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        raise AssertionError("loaded")

    seen = SeenIds(None, load)
    for first in range(0, 100, 10):
        ids = np.arange(first, first + 10)
        assert seen.fresh(ids) is None
        seen.add(ids)
    assert seen.newest == 99


@given(st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=20))
def test_ids_against_a_set(batches: list[list[int]]) -> None:
    """Whatever the order, an id is fresh exactly when a plain set does not have it; forgetting changes nothing."""
    stored: list[int] = []
    seen = SeenIds(None, lambda: np.array(stored, np.int64))
    for number, batch in enumerate(batches):
        ids = np.array(batch, np.int64)
        mask = seen.fresh(ids)
        fresh = batch if mask is None else [kept for kept, chosen in zip(batch, mask, strict=True) if chosen]
        assert sorted(fresh) == sorted(set(batch) - set(stored))
        stored += fresh
        seen.add(np.array(fresh, np.int64))
        if number % 5 == 4:
            seen.forget()


def test_very_many_late_ids() -> None:
    """Late ids beyond what is kept apart are merged, and nothing is forgotten."""
    evens, odds = np.arange(0, 400_000, 2), np.arange(1, 400_000, 2)
    seen = SeenIds(int(evens[-1]), lambda: evens)
    for ids in np.array_split(odds, 7):
        mask = seen.fresh(ids)
        assert mask is None or mask.all()
        seen.add(ids)
    for ids in (evens, odds):
        mask = seen.fresh(ids)
        assert mask is not None
        assert not mask.any()
