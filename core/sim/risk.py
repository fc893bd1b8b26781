"""What an account may not do, whatever its strategies want: limits, halts and the day's loss. Pure.

It has a word before an order is taken and hears what an account is worth. It reads no clock, so the same calls get
the same answers; time is the venue's, and stands still where that goes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

from core.clock import DAY_NS, NS_PER_S
from core.model.instruments import Instrument
from core.model.orders import Order, RefusedOrderError
from core.sim.accounts import Limits, format_amount
from core.sim.ledger import Ledger
from core.sim.positions import Key
from core.sim.settlement import flow_e12, settlement_of

DAY_LOSS: Final = "the day's loss reached its limit"
"""Why an account is halted until the next UTC day. Nobody else halts with these words."""

_MINUTE_NS: Final[int] = 60 * NS_PER_S
_UNLIMITED: Final = Limits()


class Risk:
    """The limits of the accounts on `ledger`, by id; one that has none in `limits` can still be halted.

    `halted` says of each account that is halted why; others only read it. Such an account gets no orders but those
    that reduce a position.
    """

    def __init__(self, limits: Mapping[str, Limits], ledger: Ledger) -> None:
        self.halted: dict[str, str] = {}
        self._limits = dict(limits)
        self._ledger = ledger
        self._days: dict[str, tuple[int, int]] = {}
        # Of an account with such a limit when its last orders were given, as many as the limit allows.
        self._given_ns: dict[str, deque[int]] = {}
        # Orders that may still change a position; those done go when the next one comes.
        self._open: dict[tuple[str, Key], list[Order]] = {}

    def check(self, order: Order, instrument: Instrument, price_e9: int) -> None:
        """Refuse an order that its account may not give now, at about `price_e9`, above 0; otherwise count it. For
        each order once, before money is locked for it.

        A position counts as what it would be if the order, and the account's other open orders of that side on the
        instrument, were filled whole; it is worth what opening all of it at `price_e9` would cost. What only reduces
        the position there is, which is an order the other way and no larger, is refused for the order rate alone, and
        when so many wait already that together they would leave a larger one the other way, beyond the limit.
        For that rate an order counts that passed here, whatever becomes of it; one refused here does not. What an
        operator gives, which has a reason, is not refused and not counted for the rate.

        Raises:
            RefusedOrderError: the account is halted, or the order is beyond one of its limits.
        """
        account = self._ledger.resolve(order.account).id
        limits = self._limits.get(account, _UNLIMITED)
        if not order.reason:
            held_e8 = self._ledger.position_e8(account, instrument)
            if account in self.halted and not _reduces(order, held_e8):
                raise RefusedOrderError("risk limit", f"account {account} is halted", hint=self.halted[account])
            self._check_position(order, instrument, account=account, held_e8=held_e8, price_e9=price_e9)
            if limits.orders_per_minute:
                self._count(account, limits.orders_per_minute, order.given_ns)
        if limits.position_e12:
            self.adopt(order, instrument)

    def adopt(self, order: Order, instrument: Instrument) -> None:
        """Count an open order with the position of its account; for those given in a session before this one."""
        place = self._ledger.resolve(order.account).id, instrument.key
        self._open[place] = [one for one in self._open.get(place, ()) if not one.done] + [order]

    def _check_position(
        self, order: Order, instrument: Instrument, *, account: str, held_e8: int, price_e9: int
    ) -> None:
        most_e12 = self._limits.get(account, _UNLIMITED).position_e12
        if not most_e12:
            return
        others = self._open.get((account, instrument.key), ())
        open_e8 = sum(one.left_e8 for one in others if one.side is order.side and not one.done)
        after_e8 = held_e8 + (order.quantity_e8 + open_e8) * order.side.sign
        if _reduces(order, held_e8) and abs(after_e8) <= abs(held_e8):
            return  # one that takes a gain and one that ends a loss may both wait
        settlement, sign = settlement_of(instrument.product), 1 if after_e8 > 0 else -1
        worth_e12 = abs(flow_e12(settlement, sign=sign, quantity_e8=abs(after_e8), price_e9=price_e9))
        if worth_e12 > most_e12:
            currency = self._ledger.resolve(account).currency
            worth, most = format_amount(worth_e12, 2), format_amount(most_e12)
            told = f"a position of {worth} {currency} in {instrument.symbol}"
            raise RefusedOrderError("risk limit", told, hint=f"account {account} may have {most}")

    def _count(self, account: str, most: int, given_ns: int) -> None:
        given = self._given_ns.get(account)
        if given is None:
            given = self._given_ns[account] = deque(maxlen=most)
        now_ns = max(given_ns, given[-1]) if given else given_ns
        if len(given) == most and now_ns - given[0] < _MINUTE_NS:
            raise RefusedOrderError("risk limit", f"{most} orders of account {account} in a minute")
        given.append(now_ns)

    def watch(self, account: str, *, equity_e12: int, ts_ns: int) -> bool:
        """Note what an account is worth now; whether its loss of the day has just reached its limit, so that it is
        halted from now on. An account that is halted already stays so for the reason it was.

        The first worth of a UTC day is that from which the loss is counted, and ends a halt for the loss of the day
        before. A time in a day before the newest belongs to the newest.
        """
        day_ns = ts_ns - ts_ns % DAY_NS
        known = self._days.get(account)
        if known is None or day_ns > known[0]:
            known = self._days[account] = day_ns, equity_e12
            if self.halted.get(account) == DAY_LOSS:
                del self.halted[account]
        most_e12 = self._limits.get(account, _UNLIMITED).day_loss_e12
        if not most_e12 or account in self.halted or known[1] - equity_e12 < most_e12:
            return False
        self.halted[account] = DAY_LOSS
        return True

    def halt(self, account: str, reason: str) -> None:
        """Halt an account until it is released, also one that was halted for the day only. `reason` is not empty."""
        assert reason, "a halt has a reason"
        self.halted[account] = reason

    def release(self, account: str) -> None:
        """End a halt of whatever kind, if there is one. What was lost today is forgiven: the loss is counted from
        what the account is worth at the next watch."""
        self.halted.pop(account, None)
        self._days.pop(account, None)

    def day(self, account: str) -> tuple[int, int]:
        """When the day began whose loss is counted, and the worth from which; (0, 0) before the first watch and
        between a release and the next."""
        return self._days.get(account, (0, 0))

    def restore(self, account: str, *, halted: str, day_ns: int, day_e12: int) -> None:
        """Go on with an account where another one stood: its `halted`, "" for none, and its `day`.

        Its open orders are given to `adopt`. The minute of the order rate begins anew: it is over before anybody has
        started again a few times, and nothing has to be kept for it.
        """
        self.release(account)
        if halted:
            self.halted[account] = halted
        if day_ns or day_e12:
            self._days[account] = day_ns, day_e12


def _reduces(order: Order, held_e8: int) -> bool:
    return order.quantity_e8 <= -held_e8 * order.side.sign
