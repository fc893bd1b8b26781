"""The ledger keeps a budget, whatever is asked for, sold or not sold, and in whatever order."""

from __future__ import annotations

import tempfile
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import DAY_NS, parse_rfc3339_ns
from core.errors import RefusedError
from core.store.spending import ASKED, BOUGHT, VOID, Budget, CatalogueLedger, Purchase

BEGIN_NS = parse_rfc3339_ns("2026-11-28T18:00:00Z")
BUDGET = Budget(daily_usd=Decimal("1"), monthly_usd=Decimal("2.5"))
NOTHING = Purchase(
    job_id="", provider="p", dataset="d", schema="trades", symbol="s", start_ns=0, end_ns=1, estimated_usd=Decimal(0)
)

amounts = st.integers(min_value=0, max_value=1_200_000).map(lambda millionths: Decimal(millionths).scaleb(-6))
steps = st.tuples(amounts, st.integers(min_value=0, max_value=DAY_NS // 2), st.sampled_from((ASKED, BOUGHT, VOID)))


def day_of(purchase: Purchase) -> int:
    """The UTC day that it counts to."""
    return purchase.spent_ns // DAY_NS


def month_of(purchase: Purchase) -> bool:
    """Whether it counts to December and not to November."""
    return purchase.spent_ns >= parse_rfc3339_ns("2026-12-01T00:00:00Z")


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, max_size=16), st.integers(min_value=0, max_value=100))
def test_what_is_spent_never_exceeds_a_budget(planned: list[tuple[Decimal, int, str]], percent: int) -> None:
    """As long as nobody asks for more than he said it would cost; and what fits what is left is never refused."""
    with tempfile.TemporaryDirectory() as folder, closing(CatalogueLedger(Path(folder) / "c.sqlite3")) as ledger:
        now_ns, kept = BEGIN_NS, list[Purchase]()
        for estimated, later_ns, state in planned:
            now_ns += later_ns
            wanted = attrs.evolve(NOTHING, estimated_usd=estimated, spent_ns=now_ns)
            same_day = sum(one.counted_usd for one in kept if day_of(one) == day_of(wanted))
            same_month = sum(one.counted_usd for one in kept if month_of(one) == month_of(wanted))
            assert (ledger.spent(now_ns).today_usd, ledger.spent(now_ns).month_usd) == (same_day, same_month)
            assert same_day <= Decimal("1")
            assert same_month <= Decimal("2.5")
            fits = same_day + estimated <= Decimal("1") and same_month + estimated <= Decimal("2.5")
            try:
                asked = ledger.reserve(wanted, BUDGET, now_ns=now_ns)
            except RefusedError:
                assert not fits
                continue
            assert fits
            paid = estimated * percent / 100
            if state != ASKED:
                ledger.settle(asked.spend_id, state=state, paid_usd=paid, rows=0, billed_bytes=0, order_id="")
            kept.append(attrs.evolve(asked, state=state, paid_usd=paid if state == BOUGHT else Decimal(0)))
        assert ledger.purchases(states=(ASKED, BOUGHT, VOID)) == kept
