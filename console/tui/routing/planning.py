"""What the Routing screen has the command do, each in a process of its own: plan, ask the price, fetch."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import attrs

from console.tui.child import COMMAND, Child, Progress
from console.tui.coverage.document import Outcome
from console.tui.coverage.fetching import why_not
from console.tui.coverage.place import Ask
from console.tui.coverage.words import count_text, money_text
from console.tui.routing.document import RoutePlan
from console.tui.routing.parsing import read_outcome, read_route_plan
from core.clock import NS_PER_MS

REST_NS: Final = 400 * NS_PER_MS
"""So long the form stays as it is before it is planned."""
_PLAN: Final = ("--dry-run", "--verbose", "--json")
_RUN: Final = ("--yes", "--progress", "json", "--json")
_NO_COST: Final = Decimal(0)

Arguments = tuple[str, ...]


class Planning:
    """At most one plan, `shown` when it is there, and one fetch, of what is `fetched`. Nothing here waits: `tick`
    begins what is due, and takes what has ended. `command` is what arguments are given to."""

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        self.shown: RoutePlan | None = None
        self.pricing = False
        self._command = tuple(command)
        self._wanted: Arguments | None = None
        self._since_ns = 0
        self._asked: Arguments | None = None
        self._shown_of: Arguments | None = None
        self._plan: Child[RoutePlan] | None = None
        self._fetch: Child[Outcome] | None = None
        self.fetched = ""
        self._fetched_of: Arguments = ()
        self._ended = True

    @property
    def planning(self) -> Progress[RoutePlan] | None:
        """How the last plan stands that was asked for."""
        return None if self._plan is None else self._plan.progress

    @property
    def fetch(self) -> Progress[Outcome] | None:
        """How the fetch stands, or how it ended; None where there was none of what is shown."""
        return None if self._fetch is None else self._fetch.progress

    @property
    def fetching(self) -> bool:
        """Whether a fetch is under way."""
        return self._fetch is not None and self._fetch.running

    @property
    def is_untold(self) -> bool:
        """Whether a fetch was begun whose end was not told yet."""
        return not self._ended

    @property
    def is_stale(self) -> bool:
        """Whether the plan is of another form than there is now."""
        return self._shown_of != self._wanted

    def tick(self, wanted: Arguments | None, now_ns: int) -> str:
        """Plan what is `wanted`, None for what cannot be planned, once it has rested; a sentence to be said, or
        nothing."""
        if wanted != self._wanted:
            self._wanted, self._since_ns = wanted, now_ns
            if self._ended and wanted != self._fetched_of:
                self._fetch = None  # what is told of it is of something else
        rested = now_ns - self._since_ns >= REST_NS
        if wanted is not None and wanted != self._asked and rested and not self.fetching:
            self._begin(wanted, price=False)
        if self._plan is not None and (answer := self._plan.progress.answer) not in (None, self.shown):
            self.shown, self._shown_of = answer, self._asked
        return self._take_end()

    def _begin(self, wanted: Arguments, *, price: bool) -> None:
        if self._plan is not None:
            self._plan.stop()
        self._asked, self.pricing = wanted, price
        options = (*_PLAN, "--price") if price else _PLAN
        self._plan = Child([*wanted, *options], read_route_plan, command=self._command)
        self._plan.start()

    def _take_end(self) -> str:
        if self._ended or self._fetch is None or self._fetch.running:
            return ""
        self._ended, self._asked = True, None  # there is less left by now
        state = self._fetch.progress.state
        return {"done": "the fetch has ended", "cancelled": "cancelled: what has come until then is stored"}.get(
            state, f"the fetch has failed: {self._fetch.progress.message}"
        )

    def price(self) -> str:
        """Ask what the plan costs; a sentence that says why not, or nothing."""
        if self.fetching:
            return "a fetch is under way: x cancels it"
        if self._wanted is None:
            return "there is no plan yet whose price could be asked"
        self._begin(self._wanted, price=True)
        return ""

    def ask(self, *, free: bool) -> Ask:
        """What fetching takes; why it cannot be done where it cannot. `free` history has no price."""
        if self.fetching:
            return Ask(why="a fetch is under way: x cancels it")
        if self.shown is None or self._wanted is None or self.is_stale:
            return Ask(why="there is no plan yet that could be fetched")
        plan = self.shown.plan
        if plan.price_usd is None and free:
            plan = attrs.evolve(plan, price_usd=_NO_COST)
        if not plan.priced and plan.price_usd is None and not plan.row.problem and plan.row.days_left:
            return Ask(why="p asks for the price first: nothing is fetched whose price was not seen")
        if why := why_not(plan):
            return Ask(why=why)
        price = _NO_COST if plan.row.bought or plan.price_usd is None else plan.price_usd
        cost = f"costs {money_text(price)}" if price else "costs nothing"
        return Ask(
            title=f"fetches {count_text(plan.row.days_left, 'day')} of {plan.row.symbol}, which {cost}",
            name=plan.row.symbol if price else "",
            arguments=(*_pinned(self._wanted, self.shown), f"--max-cost={price:f}", *_RUN),
        )

    def begin_fetch(self, ask: Ask) -> None:
        """Fetch what was asked for. No fetch may be under way."""
        assert not self.fetching
        if self._plan is not None:
            self._plan.stop()
        self._fetched_of, self._ended = self._wanted or (), False
        self.fetched = self.shown.plan.row.symbol if self.shown is not None else ""
        self._fetch = Child(ask.arguments, read_outcome, command=self._command)
        self._fetch.start()

    def cancel(self) -> bool:
        """End the fetch, or the question for the price; False where neither is under way."""
        if self._fetch is not None and self._fetch.running:
            self._fetch.cancel()
        elif self.pricing and self._plan is not None and self._plan.running:
            self._plan.cancel()
        else:
            return False
        return True

    def stop(self) -> None:
        """End everything at once: what a fetch has stored is stored, and a later one goes on from there."""
        for child in (self._plan, self._fetch):
            if child is not None:
                child.stop()


def _pinned(arguments: Arguments, shown: RoutePlan) -> Arguments:
    # For exactly the range whose price was seen: by now `-30d` means another one, and it would cost more.
    kept: list[str] = []
    for at, word in enumerate(arguments):
        is_value = at > 0 and arguments[at - 1] in ("--start", "--end")
        if not is_value and word.partition("=")[0] not in ("--start", "--end"):
            kept.append(word)
    return (*kept, f"--start={shown.start}", f"--end={shown.end}")
