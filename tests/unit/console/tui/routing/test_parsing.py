"""What the command prints of a fetch is read with bounds: nothing it may say breaks the screen."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.child import UnreadableError
from console.tui.routing.document import CLOSED, LEFT, PARTIAL, STORED
from console.tui.routing.parsing import read_outcome, read_route_plan
from tests.unit.console.tui.routing import documents

_ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


def test_a_plan_is_read_as_it_is_printed() -> None:
    """Days, figures, price and budget are what the document says."""
    shown = read_route_plan(documents.plan(price="1.2534", days=documents.days(condition="available")))
    assert (shown.plan.price_usd, shown.plan.left_today_usd) == (Decimal("1.2534"), Decimal("48.75"))
    assert [shown.count(state) for state in (STORED, PARTIAL, LEFT, CLOSED)] == [7, 1, 17, 5]
    assert len(shown.days) == 30
    assert not any(day.is_doubtful for day in shown.days)
    assert read_outcome(documents.outcome()).stored == 1_234_567


@pytest.mark.parametrize("document", [{}, {"kind": "plan", "rows": []}, {"kind": "fetch"}, documents.outcome()])
def test_what_is_no_plan_is_refused(document: dict[str, Any]) -> None:
    """A document of something else is said to be none."""
    with pytest.raises(UnreadableError):
        read_route_plan(document)


def test_days_that_are_none_are_left_out() -> None:
    """Neither nonsense nor days out of order are drawn."""
    good = documents.days(3)
    bad = [*good, good[0], {"day": "2026-13-40", "state": "left"}, {"day": "9999-01-01", "state": "\x1b"}, 7, {}]
    assert len(read_route_plan(documents.plan(days=good)).days) == 3
    assert len(read_route_plan({**documents.plan(), "rows": [{**documents.row(), "days": bad}]}).days) == 3


@given(st.sampled_from([*documents.plan(), *documents.row()]), _ANYTHING)
def test_any_value_may_stand_anywhere(name: str, value: Any) -> None:
    """Whatever is put into a document, it is read or refused, and what is read is safe to draw."""
    document = copy.deepcopy(documents.plan(price="1"))
    (document if name in document else document["rows"][0])[name] = value
    try:
        shown = read_route_plan(document)
    except UnreadableError:
        return
    texts = (shown.venue, shown.schema, shown.start, shown.end, shown.calendar, shown.plan.row.problem)
    assert all(text.isprintable() for text in (*texts, *shown.plan.notes))
    assert shown.plan.price_usd is None or shown.plan.price_usd >= 0
