"""Whatever is said of batch orders: it is read, or left out, and never more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConsoleError
from providers.databento.order_answers import STATES, read_files, read_orders
from tests.unit.providers.databento.test_order_answers import FILE, TOLD

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(list(TOLD.values())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def changed(told: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """`told` with some of its values changed."""
    return st.dictionaries(st.sampled_from(sorted(told)), VALUES, max_size=3).map(lambda change: told | change)


@given(st.lists(VALUES | changed(TOLD), max_size=4))
def test_orders_are_read_or_left_out(entries: list[Any]) -> None:
    """The good one among them is there, what is read makes sense, and nothing is raised."""
    found = read_orders([*entries, json.loads(json.dumps(TOLD))])
    assert found[-1].order_id == TOLD["id"]
    for order in found:
        assert order.state in STATES
        assert order.order_id.isascii()
        assert order.order_id.isprintable()
        assert all(symbol.isprintable() and symbol for symbol in order.request.symbols)
        assert order.cost_usd is None or order.cost_usd >= 0


@given(changed(FILE))
def test_a_file_is_safe_or_an_error(entry: dict[str, Any]) -> None:
    """Its name is one of a directory, and it can be checked."""
    try:
        files = read_files([entry])
    except (ConsoleError, LookupError, TypeError, ValueError):
        return
    for file in files:
        assert "/" not in file.name
        assert not file.name.startswith(".")
        assert len(file.sha256) == 64
        assert file.size_bytes >= 0


@given(VALUES.filter(lambda value: not isinstance(value, list)))
def test_what_is_no_list_is_an_error(value: object) -> None:
    """It does not pass for an empty one."""
    with pytest.raises(TypeError):
        read_orders(value)
