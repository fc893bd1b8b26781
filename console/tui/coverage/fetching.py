"""What the map has the command do, each in a process of its own: say what a hole costs, and fetch it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from console.tui.answers import Raw
from console.tui.child import COMMAND, Child, Progress, UnreadableError
from console.tui.coverage.document import Outcome, Plan
from console.tui.coverage.parsing import parse_outcome, parse_plan
from console.tui.coverage.place import Ask, Hole, fetch_ask, price_arguments
from console.tui.coverage.words import money_text

Answer = TypeVar("Answer")
_NO_COST: Final = Decimal(0)


class Fetching:
    """At most one price and one fetch at a time. Nothing here waits. `command` is what arguments are given to."""

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        self.hole: Hole | None = None
        self.store = ""
        self._command = tuple(command)
        self._price: Child[Plan] | None = None
        self._fetch: Child[Outcome] | None = None
        self._ended = True

    @property
    def busy(self) -> bool:
        """Whether a fetch is under way."""
        return self._fetch is not None and self._fetch.running

    @property
    def plan(self) -> Progress[Plan] | None:
        """How the question for the price of `hole` stands, None when nobody asked."""
        return None if self._price is None else self._price.progress

    @property
    def outcome(self) -> Progress[Outcome] | None:
        """How the fetch of `hole` stands, None when there was none."""
        return None if self._fetch is None else self._fetch.progress

    def price(self, hole: Hole, *, store: str) -> None:
        """Ask what fetching a hole comes to. No fetch may be under way."""
        assert not self.busy
        self.put_away()
        self.hole, self.store = hole, store
        self._price = Child(price_arguments(hole, store=store), _reader(parse_plan), command=self._command)
        self._price.start()

    def ask(self) -> Ask:
        """What fetching takes; the reason why it cannot be done where it cannot."""
        plan = None if self.plan is None else self.plan.answer
        if self.busy:
            return Ask(why="a fetch is under way; esc cancels it")
        if self.hole is None or self.plan is None:
            return Ask(why="p asks for the price first: nothing is fetched whose price was not seen")
        if plan is None:
            return Ask(why="its price is not known yet" if self.plan.state == "running" else self.plan.message)
        if why := why_not(plan):
            return Ask(why=why)
        price = _NO_COST if plan.row.bought or plan.price_usd is None else plan.price_usd
        return fetch_ask(self.hole, price, days_left=plan.row.days_left, store=self.store)

    def begin(self, ask: Ask) -> None:
        """Fetch what was asked for and confirmed. No fetch may be under way."""
        assert not self.busy
        if self._price is not None:
            self._price.stop()
        self.hole, self._ended = ask.hole, False
        self._fetch = Child(ask.arguments, _reader(parse_outcome), command=self._command)
        self._fetch.start()

    def take_end(self) -> bool:
        """Whether a fetch has ended that had not when this was last asked."""
        ended, self._ended = not self._ended and not self.busy, self._ended or not self.busy
        return ended

    def put_away(self) -> bool:
        """Cancel the fetch under way, or forget what was asked for; False when there was nothing."""
        if self.busy and self._fetch is not None:
            self._fetch.cancel()
            return True
        there = self.hole is not None
        if self._price is not None:
            self._price.stop()
        self.hole = self._price = self._fetch = None
        return there

    def stop(self) -> None:
        """End everything: what a fetch has stored is stored, and a later one goes on from there."""
        if self._price is not None:
            self._price.stop()
        if self._fetch is not None:
            self._fetch.stop()


def why_not(plan: Plan) -> str:
    """Why a plan cannot be carried out, "" when it can."""
    row = plan.row
    if row.problem:
        return row.problem
    if not row.days_left:
        return "nothing is left to be fetched: all that can be had is stored"
    if plan.price_usd is None and not row.bought:
        return "nobody says what it costs" + (f": {plan.notes[0]}" if plan.notes else "")
    price = _NO_COST if row.bought or plan.price_usd is None else plan.price_usd
    for left, period in ((plan.left_today_usd, "today's"), (plan.left_month_usd, "this month's")):
        if left is not None and price > left:
            return f"it costs {money_text(price)}, of {period} budget {money_text(left)} are left"
    return ""


def _reader(read: Callable[[Raw], Answer]) -> Callable[[Raw], Answer]:
    def answer(raw: Raw) -> Answer:
        try:
            return read(raw)
        except ValueError as error:
            raise UnreadableError(f"its answer cannot be read: {error}") from error

    return answer
