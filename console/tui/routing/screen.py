"""The Routing screen's state: what is in the form, what the router says to it, and what fetching it comes to.

Not a widget. `tick` is called by the application and never waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import attrs

from console.tui.child import COMMAND
from console.tui.coverage.place import Ask
from console.tui.forms.screen import FormScreen
from console.tui.routing.directory import DirectoryReader
from console.tui.routing.form import HISTORICAL, REALTIME, RoutingForm
from console.tui.routing.planning import Arguments, Planning
from console.tui.routing.routerows import Side
from console.tui.routing.rows import View
from core.clock import NS_PER_MS, monotonic_ns
from providers.routing.router import Decision
from providers.routing.rules import Purpose

STEP_NS: Final = 90 * NS_PER_MS
"""Between the lighting up of one rule and the next."""
_CONFIGURATION: Final = "--config"
_ASSIGNED: Final = "--set"
_NAMES: Final[dict[Purpose, str]] = {HISTORICAL: "Historical", REALTIME: "Real-time"}


class Routing(FormScreen[RoutingForm]):
    """`open` it when the screen comes into sight, and stop its `planning` at the end. `command` is what that runs."""

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        super().__init__(RoutingForm())
        self.planning = Planning(command=command)
        self._reader = DirectoryReader()
        self._answers: dict[Purpose, tuple[object, int]] = {}

    def open(self) -> None:
        """Read the rules that are in force by now."""
        passed = self.form.passed
        at = passed.index(_CONFIGURATION) + 1 if _CONFIGURATION in passed[:-1] else 0
        assigned = [value for option, value in pairwise(passed) if option == _ASSIGNED]
        self._reader.read(Path(passed[at]) if at else None, assigned=assigned)

    def fill(self, passed: Sequence[str]) -> None:
        """Hand on arguments of the command line that began the console: which settings, which store."""
        self.form.passed = tuple(passed)

    def tick(self, *, looked_at: bool) -> str:
        """Take what ended, and begin what is due while somebody looks; a sentence to be said, or nothing."""
        self._take_typed()
        if not (looked_at or self.planning.is_untold):
            return ""
        return self.planning.tick(self._wanted(), monotonic_ns())

    def _take_typed(self) -> None:
        self.form.directory = self._reader.directory
        editor = self.place.editor
        self.form.typed = None if editor is None else (self.place.field, editor.text)

    def _wanted(self) -> Arguments | None:
        # What is to be planned, None while it makes no sense.
        decision = self.form.decision(HISTORICAL)
        if decision is None or decision.route is None or self.form.first_problem() is not None:
            return None
        return tuple(self.form.arguments())

    @property
    def is_free(self) -> bool:
        """Whether what serves the past of it sells nothing."""
        decision = self.form.decision(HISTORICAL)
        if decision is None or decision.route is None or self.form.directory is None:
            return False
        return not self.form.directory.providers[decision.route.provider].by_dataset

    # -- what is seen ------------------------------------------------------------------------------------------------

    def view(self) -> View:
        """What there is to be seen now."""
        self._take_typed()
        now_ns = monotonic_ns()
        first = REALTIME if self.form.value("purpose") == REALTIME else HISTORICAL
        other = HISTORICAL if first == REALTIME else REALTIME
        planning = self.planning
        return View(
            now_ns=now_ns,
            form=self.form,
            place=attrs.evolve(self.place, focused=self.pane == "form"),
            pane=self.pane,
            sides=(self._side(first, now_ns, chosen=True), self._side(other, now_ns, chosen=False)),
            shown=planning.shown,
            stale=planning.is_stale,
            free=self.is_free,
            planning=planning.planning,
            pricing=planning.pricing,
            fetch=planning.fetch,
            fetched=planning.fetched,
            unready=self._unready(),
            top=self.top,
        )

    def _side(self, purpose: Purpose, now_ns: int, *, chosen: bool) -> Side:
        decision = self.form.decision(purpose)
        if decision is None:
            reason = "type a symbol: who serves it is said at once" if self.form.directory else "reading the rules"
            problem = self._reader.problem
            return Side(name=_NAMES[purpose], decision=None, chosen=chosen, reason=problem or reason)
        return Side(name=_NAMES[purpose], decision=decision, chosen=chosen, lit=self._lit(purpose, decision, now_ns))

    def _lit(self, purpose: Purpose, decision: Decision, now_ns: int) -> int:
        # The tiers light up in the order in which they are asked, anew with every other answer.
        answer = tuple((one.tier, one.provider, one.dataset, one.accepted) for one in decision.considered)
        known, since_ns = self._answers.get(purpose, (None, 0))
        if answer != known:
            since_ns = now_ns
            self._answers[purpose] = (answer, now_ns)
        return 1 + (now_ns - since_ns) // STEP_NS

    def _unready(self) -> str:
        # Said only where there is no plan at all.
        found, decision = self.form.first_problem(), self.form.decision(HISTORICAL)
        if found is None:
            return ""
        if not self.form.value("symbols"):
            return "what of it is stored, what is left, and what that costs"
        return "no plan without a route" if decision is None or decision.route is None else str(found[1])

    # -- what is asked for -------------------------------------------------------------------------------------------

    def price(self) -> str:
        """Ask what the plan costs; a sentence that says why not, or nothing."""
        found = self.form.first_problem()
        return str(found[1]) if found is not None else self.planning.price()

    def ask_fetch(self) -> Ask:
        """What fetching takes; why it cannot be done where it cannot."""
        return self.planning.ask(free=self.is_free)

    def cancel(self) -> str:
        """End what is under way; a sentence where nothing is."""
        return "" if self.planning.cancel() else "nothing is running"
