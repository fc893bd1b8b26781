"""Spans against plain sets of instants."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.model.spans import NO_SPANS, Spans, clip, intersect, spans_of, subtract, total_ns, union

PAIRS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12)


def instants(spans: Spans) -> set[int]:
    """The instants that lie in spans."""
    return {instant for start, end in spans.tolist() for instant in range(start, end)}


def of_pairs(pairs: list[tuple[int, int]]) -> set[int]:
    """The instants that lie in any of some stretches."""
    return {instant for start, end in pairs for instant in range(start, end)}


def assert_proper(spans: Spans) -> None:
    """Whether they are what spans promise to be: ascending, none empty, none touching another."""
    assert spans.dtype == np.int64
    assert spans.shape == (len(spans), 2)
    edges = spans.reshape(-1)
    assert (np.diff(edges) > 0).all()


@given(PAIRS)
def test_spans_hold_what_their_pairs_hold(pairs: list[tuple[int, int]]) -> None:
    """Whatever order they come in, overlapping, touching or empty; an array of them serves as well."""
    spans = spans_of(pairs)
    assert_proper(spans)
    assert instants(spans) == of_pairs(pairs)
    assert total_ns(spans) == len(of_pairs(pairs))
    again = spans_of(np.array(pairs, np.int64).reshape(-1, 2))
    assert again.tolist() == spans.tolist()


@given(PAIRS, PAIRS, PAIRS)
def test_the_arithmetic_is_that_of_sets(
    one: list[tuple[int, int]], other: list[tuple[int, int]], third: list[tuple[int, int]]
) -> None:
    """What lies in both, in any and in one without the other is what sets of their instants say."""
    first, second = spans_of(one), spans_of(other)
    for found, expected in (
        (intersect(first, second), of_pairs(one) & of_pairs(other)),
        (subtract(first, second), of_pairs(one) - of_pairs(other)),
        (union(first, second, spans_of(third)), of_pairs(one) | of_pairs(other) | of_pairs(third)),
    ):
        assert_proper(found)
        assert instants(found) == expected


@given(PAIRS, st.integers(-5, 45), st.integers(-5, 45))
def test_clipping_leaves_what_lies_in_the_range(pairs: list[tuple[int, int]], start: int, end: int) -> None:
    """And nothing, where the range ends before it begins."""
    found = clip(spans_of(pairs), start, end)
    assert_proper(found)
    assert instants(found) == of_pairs(pairs) & set(range(start, end))


def test_of_nothing_there_is_nothing() -> None:
    """No spans are empty for every operation."""
    some = spans_of([(1, 2)])
    assert union().tolist() == []
    assert intersect(some, NO_SPANS).tolist() == []
    assert subtract(NO_SPANS, some).tolist() == []
    assert subtract(some, NO_SPANS).tolist() == [[1, 2]]
    assert total_ns(NO_SPANS) == 0
