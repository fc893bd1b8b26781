"""The budget of restarts."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from console.restarts import DELAYS_S, HEALTHY_S, RestartBudget
from core.errors import NotFoundError, ResourceExhaustedError, TransientError

FAILURE = TransientError("streaming", "KRAKEN")


@pytest.mark.trio
async def test_the_budget_is_spent_and_renewed(autojump_clock: MockClock) -> None:
    """Growing delays, then none; a long healthy run makes the budget whole again."""
    budget = RestartBudget()
    for expected_s in (*DELAYS_S, None):
        budget.begin()
        assert budget.delay_s(FAILURE) == expected_s
    budget.begin()
    await trio.sleep(HEALTHY_S)
    assert budget.delay_s(FAILURE) == DELAYS_S[0]


@pytest.mark.trio
async def test_what_the_venue_asks_for_is_kept() -> None:
    """A venue that says when to come back is not asked before, and a permanent error is not tried again."""
    budget = RestartBudget()
    budget.begin()
    assert budget.delay_s(ResourceExhaustedError("streaming", "BINANCE", retry_after_s=3600)) == 3600
    assert budget.delay_s(NotFoundError("no such symbol", "FOOUSD")) is None
