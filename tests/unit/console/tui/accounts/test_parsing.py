"""The answer to `accounts` as values: what is right is read, what is odd or hostile harms nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.accounts.document import Desk, copy_account
from console.tui.accounts.parsing import parse_desk
from tests.unit.console.tui.accounts.documents import NOW_NS, document, main, symbols

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def read(**fields: Any) -> Desk:
    """The desk of the document, with some `fields` of its own."""
    desk = parse_desk(document(**fields))
    assert desk is not None
    return desk


def test_a_document_is_read_whole() -> None:
    """Accounts, positions, strategies, orders, fills, symbols, acts and delays are there, amounts exact."""
    desk = read()
    assert (desk.name, desk.running, desk.host, desk.pid) == ("default", True, "test", 4711)
    assert desk.account_ids == ["main", "futures"]
    assert desk.labels == ["sma", "breakout", "mine"]
    first = desk.accounts[0]
    assert first.equity == Decimal("101234.567890123")
    assert first.locked == (("USD", Decimal(4000)),)
    assert (len(first.curve.ts_ns), first.most_orders, first.most_position) == (120, 30, Decimal(50_000))
    assert desk.accounts[1].most_position is None
    assert (desk.positions[2].quantity, desk.orders[1].stop, desk.orders[1].limit) == (
        Decimal("-0.194"), Decimal(41_500), None,
    )  # fmt: skip
    assert (desk.fills[0].maker, desk.lanes[3].reason[:17]) == (True, "ZeroDivisionError")
    assert desk.newest_ns == NOW_NS - 10**9
    assert desk.delays is not None
    assert desk.acts[0].target == "breakout"


def test_who_does_not_trade_has_no_desk() -> None:
    """An engine without paper trading says so, and that is no empty desk."""
    assert parse_desk({"enabled": False}) is None
    assert parse_desk({}) == Desk()


def test_nobody_counted_is_not_none_at_all() -> None:
    """Trades that came late are not on disk: of a desk read from there their number is not known."""
    rows = symbols()
    rows[0]["late"] = None
    assert [one.late for one in read(symbols=rows).streams] == [None, 0, 0]


@pytest.mark.parametrize("amount", ["9" * 61, "1e40", "NaN", "Infinity", "-Infinity", "ten", "", None, True, [], {}])
def test_what_is_no_amount_is_not_known(amount: object) -> None:
    """Neither is the beginning of one that is too long."""
    desk = read(accounts=[main(equity=amount, initial=amount)])
    assert (desk.accounts[0].equity, desk.accounts[0].initial) == (None, None)


def test_an_amount_too_fine_is_cut() -> None:
    """One with an exponent of a million takes no memory when it is written out."""
    desk = read(accounts=[main(equity="1e-1000000", today="0.1234567890123456789")])
    assert (desk.accounts[0].equity, desk.accounts[0].today) == (Decimal(0), Decimal("0.123456789012345678"))


def test_control_characters_do_not_come_through() -> None:
    """Every text is safe to draw."""
    evil = "\x1b[2J\u202e\r\n"
    desk = read(
        desk=evil, notes=[evil], accounts=[main(id=evil, halted=evil, balances={evil: "1"})], acts=[{"by": evil}]
    )
    texts = [desk.name, desk.notes[0], desk.accounts[0].id, desk.accounts[0].halted, desk.accounts[0].balances[0][0],
             desk.acts[0].by]  # fmt: skip
    for text in texts:
        assert text
        assert text.isprintable()
        assert "\x1b" not in text


def test_a_curve_only_goes_forward() -> None:
    """Points out of order, of no time or no worth are left out."""
    points = [[10, "1"], [9, "2"], [11, "x"], [12], "no", [13, "3", 4], [14, "5"], [-1, "6"], [14, "7"]]
    curve = read(accounts=[main(curve=points)]).accounts[0].curve
    assert (curve.ts_ns, curve.values) == ((10, 14), (1.0, 5.0))


def test_of_two_of_one_name_the_last_counts() -> None:
    """Accounts and strategies are found by their names."""
    desk = read(accounts=[main(free="1"), main(free="2")])
    assert [one.free for one in desk.accounts] == [Decimal(2)]


@given(fields=st.dictionaries(st.sampled_from(sorted(document())), JSON, max_size=6))
def test_no_document_takes_the_screen_down(fields: dict[str, Any]) -> None:
    """Whatever is answered, a desk comes of it, or that there is none."""
    assert isinstance(parse_desk({**document(), **fields}), Desk | None)


@given(odd=st.dictionaries(st.sampled_from(sorted(main())), JSON, max_size=6), other=JSON)
def test_no_account_takes_the_screen_down(odd: dict[str, Any], other: object) -> None:
    """Whatever stands in one of its fields."""
    desk = parse_desk(document(accounts=[{**main(), **odd}, other], strategies=other, fills=[other, odd]))
    assert desk is not None
    assert len(desk.accounts) <= 2
    assert all(one.id for one in desk.accounts)  # one without a name cannot be chosen


def test_an_account_is_copied_exactly() -> None:
    """Tab-separated, every digit of it, nothing for what is not known."""
    account = attrs.evolve(read().accounts[0], fees=None)
    assert copy_account(account) == "main\tUSD\t100000\t101234.567890123\t54216.297890123\t1233.929690123\t213.08\t"
