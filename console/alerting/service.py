"""Watches over an engine: looks at its figures now and then, tells people, and keeps what happened.

Nothing that happens here stops the engine or delays it: handlers, disk and database are waited for by tasks of their
own, and a look that fails is said and tried again.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np
import trio

from console.alerting.dispatch import Dispatcher
from console.alerting.document import SCHEMA_VERSION, alert_rows, handler_rows, rule_rows, silence_rows
from console.alerting.handlers.make import make_handlers
from console.alerting.handlers.screen import BellHandler, ScreenHandler
from console.alerting.keeping import AlertKeeper
from console.alerting.recording import FrameRecorder
from console.alerting.silence_file import SilenceFile
from core.alerts.matching import Match
from core.alerts.silences import Silences
from core.alerts.watch import Event, Look, Watch
from core.clock import NS_PER_MS, NS_PER_S, monotonic_ns, wall_ns
from core.errors import ConsoleError, NotFoundError
from core.store.alert_history import AlertRow
from core.telemetry.frame import Column, Frame
from core.telemetry.series import PREFIX, SERIES

if TYPE_CHECKING:
    from console.alerting.plan import AlertPlan
    from console.supervise import Engine

DRAIN_S: Final = 5.0
SILENCE_LOOK_S: Final = 5.0
TOASTS: Final = 20

logger = logging.getLogger("ringside.alerts")


class AlertService:
    """The alerts of one engine, by its plan."""

    def __init__(self, engine: Engine, plan: AlertPlan) -> None:
        self._engine = engine
        self._plan = plan
        self._instance = engine.plan.instance
        self._watch = Watch(plan.rules, {name: one.labels for name, one in SERIES.items()}, instance=self._instance)
        self._turn = trio.Lock()  # a look is made in a thread, and nobody else may touch the watch meanwhile
        self._file = SilenceFile(engine.plan.state_directory)
        self._file_version: object = None
        self._unread = ""
        # Where there is a screen it rings the bell; a daemon rings that of its own terminal.
        handlers = make_handlers(plan.handlers, terminal=sys.stderr if engine.plan.host == "daemon" else None)
        self._screens = [handler for handler in handlers if isinstance(handler, ScreenHandler)]
        self._bells = [handler for handler in handlers if isinstance(handler, BellHandler)]
        self._dispatcher = Dispatcher(handlers)
        self._keeper = AlertKeeper(
            engine.plan.state_directory, engine.plan.store.database_url, keep_days=plan.keep_days
        )
        self._recorder = FrameRecorder(engine.plan.state_directory, self._instance, keep_days=plan.keep_days)
        self._keeping = trio.CancelScope(shield=True)
        self._took_ns = 0
        self._problem = ""
        self._counts = self._watch.counts()
        self._worst = ""
        self._fired: dict[str, int] = {}
        self._messages = 0
        engine.metrics.extra.append(self._columns)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled; what people have not been told by then is told for `DRAIN_S` more at most."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._dispatcher.run)
                nursery.start_soon(self._run_keeper)
                nursery.start_soon(self._follow_silences)
                task_status.started()
                try:
                    await self._keep_looking()
                finally:
                    with trio.move_on_after(DRAIN_S + 1, shield=True):
                        await self._dispatcher.drain(DRAIN_S)
                    self._keeping.cancel()
        finally:
            self._recorder.close()

    async def _run_keeper(self) -> None:
        # Ended by `run` alone, after the last look: what that brought is history too.
        with self._keeping:
            await self._keeper.run()

    async def _keep_looking(self) -> None:
        next_s = trio.current_time()
        while True:
            next_s = max(next_s + self._plan.interval_s, trio.current_time())
            await trio.sleep_until(next_s)
            if self._engine.state == "running":
                await self.look()

    async def look(self) -> None:
        """Look once, and tell."""
        try:
            frame = await self._engine.metrics.frame()
            begun_ns = monotonic_ns()
            async with self._turn:
                found = await trio.to_thread.run_sync(self._look, frame)
        except Exception as error:  # alerts must not be what ends an engine
            logger.exception("looking at the rules")
            self._problem = f"a fault in the program: {error!r:.200}"
            return
        self._problem = ""
        self._took_ns = monotonic_ns() - begun_ns
        self._note(found)

    def _look(self, frame: Frame) -> Look:
        # In a thread: thousands of things to look at take some milliseconds, and the disk is asked as well.
        found = self._watch.look(frame)
        self._sum_up()
        self._recorder.write(frame)
        return found

    def _sum_up(self) -> None:
        # Screens ask twice a second: what they are told is made once a look.
        self._counts = self._watch.counts()
        self._worst = next(
            (row["summary"] for row in alert_rows(self._watch, most=1) if row["state"] == "firing"), ""
        )

    def _note(self, found: Look) -> None:
        self._keep(found.events)
        for event in found.events:
            if event.state == "firing":
                self._fired[event.rule] = self._fired.get(event.rule, 0) + 1
        for message in found.messages:
            self._messages += 1
            self._dispatcher.tell(message)

    def _keep(self, events: tuple[Event, ...] | list[Event]) -> None:
        self._keeper.push([_row(self._instance, event) for event in events])

    async def _follow_silences(self) -> None:
        # They stand in a file that others write as well: a command, or another engine.
        while True:
            async with self._turn:
                await self._read_silences()
            await trio.sleep(SILENCE_LOOK_S)

    async def _read_silences(self) -> None:
        try:
            version, silences = await trio.to_thread.run_sync(self._changed_silences)
        except ConsoleError as error:
            if str(error) != self._unread:
                logger.warning("silences stay as they were: %s", error)
            self._unread = str(error)
            return
        self._file_version, self._unread = version, ""
        if silences is not None:
            self._watch.teller.silences = silences

    def _changed_silences(self) -> tuple[object, Silences | None]:
        version = self._file.version()
        return version, None if version == self._file_version else self._file.read()

    # -- what people ask and do -----------------------------------------------------------------------------------

    async def document(self, history: int) -> dict[str, Any]:
        """Everything there is to know, with the newest `history` lines of what happened."""
        newest = await self._keeper.newest(history)
        async with self._turn:
            return await trio.to_thread.run_sync(self._document, newest)

    def _document(self, newest: list[AlertRow]) -> dict[str, Any]:
        watch = self._watch
        return {
            "schema_version": SCHEMA_VERSION,
            "instance_id": self._instance,
            "now_ns": wall_ns(),
            "enabled": True,
            "interval_s": self._plan.interval_s,
            "looked_ns": watch.looked_ns,
            "took_ms": round(self._took_ns / NS_PER_MS, 3),
            "problem": self._problem or self._keeper.state.problem,
            "counts": watch.counts(),
            "rules": rule_rows(watch, self._plan.rules, self._plan.off),
            "alerts": alert_rows(watch),
            "alerts_total": len(watch.standings),
            "silences": silence_rows(watch),
            "handlers": handler_rows(self._dispatcher.states()),
            "history": [attrs.asdict(row) for row in newest],
        }

    async def acknowledge(self, rule: str, subject: str, *, by: str) -> dict[str, Any]:
        """Note that somebody knows of an alert, or of all of a rule. Raises `NotFoundError`."""
        async with self._turn:
            events = self._watch.acknowledge(rule, subject, by=by, now_ns=wall_ns())
            self._sum_up()
        if not events:
            raise NotFoundError("nothing of it fires", f"{rule} {subject}".strip(), hint="see `ringside alerts list`")
        self._keep(events)
        return {"acknowledged": len(events)}

    async def silence(self, rule: str, match: Match, *, for_s: float, by: str, comment: str) -> dict[str, Any]:
        """Tell nobody of some alerts for a while. Raises `ConsoleError`."""
        now_ns = wall_ns()
        until_ns = now_ns + round(for_s * NS_PER_S)
        async with self._turn:
            add = partial(self._file.add, rule, match, until_ns=until_ns, now_ns=now_ns, by=by, comment=comment)
            added = await trio.to_thread.run_sync(add)
            await self._read_silences()
            events = self._watch.silence(added, now_ns=now_ns)
        self._keep(events)
        return {"number": added.number, "until_ns": until_ns, "alerts": len(events)}

    async def unsilence(self, number: int) -> dict[str, Any]:
        """End a silence before its time. Raises `NotFoundError`."""
        async with self._turn:
            gone = await trio.to_thread.run_sync(partial(self._file.remove, number, now_ns=wall_ns()))
            await self._read_silences()
        if gone is None:
            raise NotFoundError("no such silence", str(number))
        return {"number": number, "rule": gone.rule}

    def describe(self) -> dict[str, Any]:
        """The alerts as the status shows them."""
        return {
            "enabled": True,
            **self._counts,
            "worst": self._worst,
            "messages": [_toast(row) for handler in self._screens for row in handler.since(0)[-TOASTS:]],
            "bells": sum(handler.rings for handler in self._bells),
        }

    def _columns(self) -> dict[str, Column]:
        states = self._dispatcher.states()
        severities = ("critical", "warning", "info")
        names = tuple((str(state["name"]),) for state in states)
        return {
            f"{PREFIX}alerts_firing": _column(
                ((one,) for one in severities), (self._counts[one] for one in severities)
            ),
            f"{PREFIX}alert_messages_total": _column(names, (state["sent"] for state in states)),
            f"{PREFIX}alert_failures_total": _column(names, (state["failed"] for state in states)),
        }

    def summary(self) -> dict[str, Any]:
        """What fired since the start, by rule, and how many messages that came to."""
        return {"fired": dict(sorted(self._fired.items())), "messages": self._messages}


def _column(labels: Iterable[tuple[str, ...]], values: Iterable[float]) -> Column:
    return Column(tuple(labels), np.array(list(values), dtype=np.float64))


def _toast(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("number", "kind", "severity", "title", "time_ns")}


def _row(instance: str, event: Event) -> AlertRow:
    return AlertRow(instance=instance, **attrs.asdict(event))
