"""Orders of history that are paid for once, whatever happens in between.

What is going to be paid stands in the ledger before the vendor is asked, and what was paid on his own list of orders
afterwards. Whatever is interrupted is found again there: nothing is ordered that an order of the account holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import attrs
import trio

from console.backfill.source import Allowance, Say
from core.clock import NS_PER_S, wall_ns
from core.errors import (
    AuthenticationError,
    ConsoleError,
    NotFoundError,
    RefusedError,
    ResourceExhaustedError,
    TransientError,
    UsageError,
)
from core.store.spending import ASKED, BOUGHT, VOID, Budget, Ledger, Purchase, dollars
from providers.databento.history import History, RangeRequest
from providers.databento.order_answers import Order
from providers.databento.orders import Orders
from providers.venue.backoff import backoff_delays

T = TypeVar("T")

PROVIDER: Final = "databento"
SETTLE_S: Final = 5.0
"""An order that was asked for and is not on the vendor's list after so long was never placed."""
ATTEMPTS: Final = 6
ORDERED_S: Final = 3600.0
"""So long an order may be prepared."""
_FIRST_LOOK_S: Final = 0.1
_LONGEST_LOOK_S: Final = 10.0


@attrs.frozen(kw_only=True)
class Shop:
    """Where is bought, within what, and where that is written down: without a `ledger` prices alone are asked for.
    What is downloaded goes to the folder `staging`."""

    history: History
    ledger: Ledger | None
    budget: Budget
    staging: Path
    settle_s: float = SETTLE_S


class Counter:
    """Where orders are placed and found again. Blocking calls run in threads."""

    def __init__(self, shop: Shop) -> None:
        self.orders = Orders(shop.history)
        self._shop = shop

    async def order(self, request: RangeRequest, *, job_id: str, allowance: Allowance, say: Say) -> Order:
        """An order that holds the range and whose files are there: of those that there are, or a new one.

        Raises:
            RefusedError: it costs more than is allowed, or than the budget has left.
            ConsoleError: the vendor does not sell it, or does not answer.
        """
        placed = await self._order(request, job_id=job_id, allowance=allowance, say=say)
        return await self._finished(placed, say)

    async def pieces(self, request: RangeRequest) -> list[tuple[RangeRequest, bool]]:
        """The range in pieces, each of which one order holds that was paid for, or none; and whether one does."""
        placed = [order.request for order in await self.again(self.orders.placed) if _is_whole(order)]
        held = [each for each in placed if _alike(each, request.dataset, request.schema, request.symbols[0])]
        found, at_ns = list[tuple[RangeRequest, bool]](), request.start_ns
        while at_ns < request.end_ns:
            furthest_ns = max((each.end_ns for each in held if each.start_ns <= at_ns), default=0)
            paid = furthest_ns > at_ns
            following = [each.start_ns for each in held if each.start_ns > at_ns]
            until_ns = min(furthest_ns if paid else min(following, default=request.end_ns), request.end_ns)
            found.append((attrs.evolve(request, start_ns=at_ns, end_ns=until_ns), paid))
            at_ns = until_ns
        return found

    async def _order(self, request: RangeRequest, *, job_id: str, allowance: Allowance, say: Say) -> Order:
        # An order that holds the range: of those that there are, or a new one.
        failure: ConsoleError | None = None
        for delay_s in _delays():
            if (found := await self._paid(request)) is not None:
                return found
            try:
                return await self._buy(request, job_id=job_id, allowance=allowance, say=say)
            except (TransientError, ResourceExhaustedError) as error:
                # It may have been placed all the same: that is for the vendor's list to say.
                failure = error
                say(str(error))
                await trio.sleep(max(delay_s, getattr(error, "retry_after_s", 0.0)))
        assert failure is not None
        raise failure

    async def _paid(self, request: RangeRequest) -> Order | None:
        # What of ours nobody knows the end of is settled by the vendor's list.
        placed = await self.again(self.orders.placed)
        asked = await self._in_ledger(partial(self._ledger.purchases, states=(ASKED,)))
        for purchase in asked:
            if _is_of(purchase, request):
                await self._settle_asked(purchase, placed)
        return _holding(placed, request)

    async def _settle_asked(self, purchase: Purchase, placed: Sequence[Order]) -> None:
        found = await self._new_order(purchase, placed)
        age_s = (wall_ns() - purchase.spent_ns) / NS_PER_S
        if found is None and age_s < self._shop.settle_s:
            # Of one that a clock put into the future nobody knows how old it is.
            await trio.sleep(min(self._shop.settle_s - age_s, self._shop.settle_s))
            found = await self._new_order(purchase, await self.again(self.orders.placed))
        await self._settle(purchase, VOID if found is None else BOUGHT, found)

    async def _new_order(self, purchase: Purchase, placed: Sequence[Order]) -> Order | None:
        # The order that was placed for a purchase: one that no other purchase knows.
        bought = await self._in_ledger(partial(self._ledger.purchases, states=(BOUGHT,)))
        known = {each.order_id for each in bought}
        found = [each for each in placed if each.order_id not in known and _is_exactly(each.request, purchase)]
        return found[-1] if found else None

    async def _buy(self, request: RangeRequest, *, job_id: str, allowance: Allowance, say: Say) -> Order:
        estimated = await self.again(partial(self._shop.history.cost_usd, request))
        if allowance.most_usd is not None and estimated > allowance.most_usd:
            cost = f"{request.said} of {request.symbols[0]} for {dollars(estimated)}"
            left = f"{dollars(allowance.most_usd)} are left of what this command may cost"
            raise RefusedError("over budget", f"{cost}: {left}", hint="--max-cost says how much")
        wanted = Purchase(
            job_id=job_id,
            provider=PROVIDER,
            dataset=request.dataset,
            schema=request.schema,
            symbol=request.symbols[0],
            start_ns=request.start_ns,
            end_ns=request.end_ns,
            estimated_usd=estimated,
            spent_ns=wall_ns(),
        )
        purchase = await self._in_ledger(
            partial(self._ledger.reserve, wanted, self._shop.budget, now_ns=wanted.spent_ns)
        )
        say(f"ordering for {dollars(estimated)}")
        try:
            order = await self.ask(partial(self.orders.place, request))
        except (UsageError, NotFoundError, AuthenticationError, RefusedError):
            await self._settle(purchase, VOID, None)  # it was refused; of any other answer nobody knows what it meant
            raise
        await self._settle(purchase, BOUGHT, order)
        return order

    async def _settle(self, purchase: Purchase, state: str, order: Order | None) -> None:
        # A price that the vendor does not tell yet stays the estimate.
        await self._in_ledger(
            partial(
                self._ledger.settle,
                purchase.spend_id,
                state=state,
                paid_usd=None if order is None else order.cost_usd,
                rows=(order.records or 0) if order is not None else 0,
                billed_bytes=(order.billed_bytes or 0) if order is not None else 0,
                order_id=order.order_id if order is not None else "",
            )
        )

    async def _finished(self, order: Order, say: Say) -> Order:
        # The order once its files are there, with what it cost in the end in the ledger.
        look_s, waited_s = _FIRST_LOOK_S, 0.0
        while order.state != "done":
            if waited_s > ORDERED_S:
                raise TransientError(
                    "waiting for an order", f"{order.order_id} is still {order.state}", hint="go on later"
                )
            say(f"order {order.order_id} is {order.state}")
            await trio.sleep(look_s)
            waited_s, look_s = waited_s + look_s, min(look_s * 1.5, _LONGEST_LOOK_S)
            listed = {each.order_id: each for each in await self.again(self.orders.placed)}
            if order.order_id not in listed:
                raise TransientError("waiting for an order", f"{order.order_id} is not listed any more")
            order = listed[order.order_id]
        for purchase in await self._in_ledger(partial(self._ledger.purchases, states=(BOUGHT,))):
            known = purchase.order_id == order.order_id and _is_exactly(order.request, purchase)
            if known and (order.records or 0) != purchase.rows:
                await self._settle(purchase, BOUGHT, order)
        return order

    @property
    def _ledger(self) -> Ledger:
        assert self._shop.ledger is not None
        return self._shop.ledger

    async def ask(self, function: Callable[[], T]) -> T:
        """What `function` returns, in a thread."""
        return await self._shop.history.ask(function)

    async def _in_ledger(self, function: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(function)  # what is written there is never left behind half known

    async def again(self, function: Callable[[], T]) -> T:
        """What `function` returns, in a thread; it may be asked any number of times, and is while that may help."""
        failure: ConsoleError | None = None
        for delay_s in _delays():
            try:
                return await self.ask(function)
            except (TransientError, ResourceExhaustedError) as error:
                failure = error
                await trio.sleep(max(delay_s, getattr(error, "retry_after_s", 0.0)))
        assert failure is not None
        raise failure


def _delays() -> Iterator[float]:
    return islice(backoff_delays(), ATTEMPTS)


def _holding(placed: Sequence[Order], request: RangeRequest) -> Order | None:
    # The newest order whose files hold the range.
    able = [order for order in placed if _is_whole(order) and _contains(order.request, request)]
    return able[-1] if able else None


def _is_whole(order: Order) -> bool:
    # Whether its files can be had, and hold all of its range: what was not over when it was placed is not in them.
    return order.state != "expired" and order.request.end_ns <= order.received_ns


def _alike(request: RangeRequest, dataset: str, schema: str, symbol: str) -> bool:
    return (request.dataset, request.schema, request.stype_in, request.limit) == (
        dataset, schema, "raw_symbol", None,
    ) and request.symbols == (symbol,)  # fmt: skip


def _contains(placed: RangeRequest, wanted: RangeRequest) -> bool:
    return (
        _alike(placed, wanted.dataset, wanted.schema, wanted.symbols[0])
        and placed.start_ns <= wanted.start_ns
        and placed.end_ns >= wanted.end_ns
    )


def _is_exactly(placed: RangeRequest, purchase: Purchase) -> bool:
    return _alike(placed, purchase.dataset, purchase.schema, purchase.symbol) and (
        (placed.start_ns, placed.end_ns) == (purchase.start_ns, purchase.end_ns)
    )


def _is_of(purchase: Purchase, request: RangeRequest) -> bool:
    return (purchase.provider, purchase.dataset, purchase.schema, purchase.symbol) == (
        PROVIDER, request.dataset, request.schema, request.symbols[0],
    )  # fmt: skip
