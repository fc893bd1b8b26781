"""One who hears, and what waits for it: decides when it is told what, and remembers how that went.

A rule for storms: at most `max_per_minute` messages within any 60 s. Up to the last but one each is told for itself;
the last tells everything that waits, after `gather_s` in which more may come, so that it holds most of a burst. What
came when there was no place left is told in one message as soon as there is one. One place is kept for a critical
message, which waits for nothing. What could not be told is told in one message when the other side hears again.
"""

from __future__ import annotations

import enum
import logging
import random
from math import inf
from typing import Any, Final

import trio

from console.alerting.allowance import Allowance
from console.alerting.backlog import Backlog, Parcel
from console.alerting.handlers.base import Handler, PartlyToldError
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.sending import Uniform, send
from core.alerts.matching import pattern
from core.alerts.message import Message
from core.clock import WallClock, iso_ns, wall_ns
from core.errors import ConsoleError, PermanentError, ResourceExhaustedError

GATHER_S: Final = 5.0
PAUSE_S: Final = 30.0
"""After a message could not be told; doubled each time."""
LONGEST_PAUSE_S: Final = 300.0
LONGEST_ASKED_S: Final = 3600.0

logger = logging.getLogger("ringside.alerts")


class State(enum.StrEnum):
    """How it stands with one who hears."""

    OK = "ok"
    FAILING = "failing"
    """It cannot hear now, or only some of those behind it do; it is tried again."""
    OFF = "off"
    """It refused for good; it is tried again only when there is something new to tell."""


def wants(plan: HandlerPlan, message: Message) -> bool:
    """Whether it is to hear of that. A message about several rules, which names none, is for all."""
    if message.severity.rank < plan.min_severity.rank:
        return False
    return not plan.rules or not message.rule or any(pattern(one).fullmatch(message.rule) for one in plan.rules)


class Listener:
    """Tells one handler. Runs in one task; `tell` is called from the same thread."""

    def __init__(
        self,
        handler: Handler,
        *,
        now_ns: WallClock = wall_ns,
        uniform: Uniform = random.uniform,
        gather_s: float = GATHER_S,
    ) -> None:
        self.handler = handler
        self.state = State.OK
        self._now_ns, self._uniform, self._gather_s = now_ns, uniform, gather_s
        self._backlog = Backlog()
        self._allowance = Allowance(handler.plan.max_per_minute)
        self._wake = trio.Event()
        self._in_hand: Parcel | None = None
        self._ending = False
        self._held_back = False
        self._failed_s, self._pause_s, self._failures = -inf, 0.0, 0
        self._last_error = ""
        self._last_success_ns: int | None = None
        self._sent = self._failed = self._suppressed = 0

    def tell(self, message: Message) -> None:
        """Tell it of that when it may be told, if it wants to hear it. Never blocks."""
        if wants(self.handler.plan, message):
            self._backlog.add(message, trio.current_time())
            self._wake.set()

    def end(self) -> None:
        """Tell what waits, and end: at once, in one message, if the rate allows it."""
        self._ending = True
        self._wake.set()

    @property
    def waiting(self) -> int:
        """Messages that were not told yet, or that are just being told."""
        return self._backlog.waiting + (self._in_hand.tally.messages if self._in_hand is not None else 0)

    def row(self) -> dict[str, Any]:
        """How it stands, for the control channel and for figures. `sent` are messages that went out, `suppressed`
        those that were told within another, `failed` how often telling was given up."""
        last = self._last_success_ns
        return {
            "name": self.handler.name,
            "kind": self.handler.plan.kind,
            "state": str(self.state),
            "last_error": self._last_error,
            "last_success_ns": last,
            "last_success": None if last is None else iso_ns(last),
            "sent": self._sent,
            "failed": self._failed,
            "suppressed": self._suppressed,
            "waiting": self.waiting,
        }

    async def run(self) -> None:
        """Tell what comes, until it is told to end and has told what it can. May be run again after a cancellation,
        which leaves waiting what it cut off."""
        if self._in_hand is not None:
            self._backlog.put_back(self._in_hand)
            self._in_hand = None
        while True:
            self._wake = trio.Event()
            now_s = trio.current_time()
            parcel = self._due(now_s)
            if parcel is not None:
                await self._hand_over(parcel)
            elif self._ending and not self._worth_trying():
                return
            else:
                with trio.move_on_after(self._wait_s(now_s)):
                    await self._wake.wait()

    def _due(self, now_s: float) -> Parcel | None:
        room = self._allowance.room(now_s, urgent=self._backlog.urgent)
        if self._wait_s(now_s) > 0:
            self._held_back = self._held_back or (self._backlog.fresh > 0 and room < 1)
            return None
        alone = room >= 2 and not self._backlog.missed and not self._held_back and not self._ending
        parcel = self._backlog.take_one() if alone else None
        if parcel is None:
            self._held_back = False
            parcel = self._backlog.take_all(self._now_ns())
        return parcel

    def _wait_s(self, now_s: float) -> float:
        # How long until something is to be told; infinite when there is nothing.
        backlog = self._backlog
        if not self._worth_trying():
            return inf
        wait_s = self._allowance.wait_s(now_s, urgent=backlog.urgent or self._ending)
        if self._ending:
            return wait_s
        # Something critical that is new is reason enough to try again soon.
        pause_s = min(self._pause_s, PAUSE_S) if backlog.fresh_urgent else self._pause_s
        wait_s = max(wait_s, self._failed_s + pause_s - now_s)
        first_urgent = backlog.urgent and not self._allowance.had_urgent(now_s)
        is_last = self._allowance.room(now_s, urgent=backlog.urgent) < 2
        if wait_s <= 0 and is_last and backlog.fresh and not first_urgent:
            return backlog.since_s + self._gather_s - now_s
        return wait_s

    def _worth_trying(self) -> bool:
        if self._ending and self._failures:
            return False
        return bool(self._backlog.fresh or (self._backlog.missed and self.state is not State.OFF))

    async def _hand_over(self, parcel: Parcel) -> None:
        self._in_hand = parcel
        complaint: ConsoleError | None = None
        try:
            await send(self.handler, parcel.message, uniform=self._uniform)
        except ConsoleError as error:
            complaint = error
        self._in_hand = None  # not after a cancellation, which leaves it to be told once more
        if complaint is None or isinstance(complaint, PartlyToldError):
            self._told(parcel, complaint)
        else:
            self._in_vain(parcel, complaint)

    def _told(self, parcel: Parcel, complaint: ConsoleError | None) -> None:
        self._allowance.take(trio.current_time(), urgent=parcel.urgent)
        self._sent += 1
        self._suppressed += parcel.tally.messages - 1
        self._last_success_ns = self._now_ns()
        if self._failures:
            logger.info("%s hears of alerts again", self.handler.name)
        self._failures, self._pause_s = 0, 0.0
        self._note(State.OK if complaint is None else State.FAILING, complaint)

    def _in_vain(self, parcel: Parcel, error: ConsoleError) -> None:
        # It may have arrived all the same, so it counts against the rate.
        self._allowance.take(trio.current_time(), urgent=parcel.urgent)
        self._backlog.put_back(parcel)
        self._failed += 1
        self._failures += 1
        asked_s = error.retry_after_s if isinstance(error, ResourceExhaustedError) else 0.0
        usual_s = min(PAUSE_S * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE_S)
        self._failed_s, self._pause_s = trio.current_time(), max(usual_s, min(asked_s, LONGEST_ASKED_S))
        self._note(State.OFF if isinstance(error, PermanentError) else State.FAILING, error)

    def _note(self, state: State, error: ConsoleError | None) -> None:
        told = _words(error)
        if error is not None and (state, told) != (self.state, self._last_error):
            logger.warning("%s; %d messages wait", error, self.waiting)
        self.state, self._last_error = state, told


def _words(error: ConsoleError | None) -> str:
    if error is None:
        return ""
    return f"{error.subject} ({error.hint})" if error.hint else error.subject
