"""Watches over an engine: looks at its figures now and then, tells people, and keeps what happened.

Nothing that happens here stops the engine or delays it: handlers, disk and database are waited for by tasks of their
own, and a look that fails is said and tried again.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from console.alerting.dispatch import Dispatcher
from console.alerting.document import SCHEMA_VERSION, alert_rows, handler_rows, rule_rows, silence_rows
from console.alerting.figures import alert_columns
from console.alerting.handlers.make import make_handlers
from console.alerting.handlers.screen import BellHandler, ScreenHandler
from console.alerting.keeping import AlertKeeper
from console.alerting.recording import FrameRecorder
from console.alerting.rules import check_silence
from console.alerting.silence_file import SilenceFile, Version
from core.alerts.matching import Match
from core.alerts.silences import Silences
from core.alerts.watch import Event, Look, Watch
from core.clock import NS_PER_MS, NS_PER_S, monotonic_ns, wall_ns
from core.errors import ConsoleError, NotFoundError
from core.store.alert_history import AlertRow
from core.telemetry.frame import Frame
from core.telemetry.series import SERIES

if TYPE_CHECKING:
    from console.alerting.plan import AlertPlan
    from console.supervise import Engine

DRAIN_S: Final = 5.0
CLOSE_S: Final = 2.0
FIRST_LOOK_S: Final = 3.0
WAITING_FRAMES: Final = 4
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
        self._file_version: Version | None = None
        self._reading = trio.Lock()
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
        self._to_record, _ = trio.open_memory_channel[Frame](0)
        self._took_ns = 0
        self._problem = ""
        self._counts = self._watch.counts()
        self._worst = ""
        self._fired: dict[str, int] = {}
        self._messages = 0
        engine.metrics.extra.append(lambda: alert_columns(self._counts, self._dispatcher.states()))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled; what people have not been told by then is told for `DRAIN_S` more at most."""
        self._to_record, frames = trio.open_memory_channel[Frame](WAITING_FRAMES)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._dispatcher.run)
                nursery.start_soon(self._run_keeper)
                nursery.start_soon(self._follow_silences)
                nursery.start_soon(self._record, frames)
                task_status.started()
                try:
                    await self._keep_looking()
                finally:
                    self._keep(self._watch.end(wall_ns()))
                    with trio.move_on_after(DRAIN_S + 1, shield=True):
                        await self._dispatcher.drain(DRAIN_S)
                    self._keeping.cancel()
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await trio.to_thread.run_sync(self._recorder.close, abandon_on_cancel=True)

    async def _run_keeper(self) -> None:
        # Ended by `run` alone, after the last look: what that brought is history too.
        with self._keeping:
            await self._keeper.run()

    async def _keep_looking(self) -> None:
        # The first look is soon, so that nobody has to wait to see that all is watched.
        next_s = trio.current_time() + min(self._plan.interval_s, FIRST_LOOK_S)
        while True:
            await trio.sleep_until(next_s)
            if self._engine.state == "running":
                await self.look()
            next_s = max(next_s + self._plan.interval_s, trio.current_time())

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
        with suppress(trio.WouldBlock):  # a disk that hangs costs rehearsals some looks, and alerts none
            self._to_record.send_nowait(frame)

    async def _record(self, frames: trio.MemoryReceiveChannel[Frame]) -> None:
        async for frame in frames:
            await trio.to_thread.run_sync(self._recorder.write, frame, abandon_on_cancel=True)

    def _look(self, frame: Frame) -> Look:
        # In a thread: thousands of things to look at take some milliseconds.
        found = self._watch.look(frame)
        self._sum_up()
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
            await self._read_silences()
            await trio.sleep(SILENCE_LOOK_S)

    async def _read_silences(self) -> None:
        # One at a time: what was read before another change must not come into force after it.
        async with self._reading:
            try:
                # The end of the engine does not wait for a disk that hangs.
                version, silences = await trio.to_thread.run_sync(
                    self._file.changed_since, self._file_version, abandon_on_cancel=True
                )
            except ConsoleError as error:
                if str(error) != self._unread:
                    logger.warning("silences stay as they were: %s", error)
                self._unread = str(error)
                return
            self._file_version, self._unread = version, ""
            if silences is not None:
                async with self._turn:
                    self._take_silences(silences)

    def _take_silences(self, silences: Silences) -> None:
        known = {one.number for one in self._watch.teller.silences} if self._watch.looked_ns else None
        self._watch.teller.silences = silences
        for one in silences:
            if known is not None and one.number not in known:
                self._keep(self._watch.silence(one, now_ns=wall_ns()))

    # -- what people ask and do -----------------------------------------------------------------------------------

    async def document(self, history: int) -> dict[str, Any]:
        """Everything there is to know, with the newest `history` lines of what happened."""
        newest = await self._keeper.newest(history)
        async with self._turn:
            # Who hears is asked here, where they are told.
            handlers, problem = handler_rows(self._dispatcher.states()), self._problem or self._keeper.state.problem
            document = await trio.to_thread.run_sync(self._document)
        return document | {
            "problem": problem,
            "handlers": handlers,
            "history": [attrs.asdict(row) for row in newest],
        }

    def _document(self) -> dict[str, Any]:
        watch = self._watch
        return {
            "schema_version": SCHEMA_VERSION,
            "instance_id": self._instance,
            "now_ns": wall_ns(),
            "enabled": True,
            "interval_s": self._plan.interval_s,
            "looked_ns": watch.looked_ns,
            "took_ms": round(self._took_ns / NS_PER_MS, 3),
            "counts": watch.counts(),
            "rules": rule_rows(watch, self._plan.rules, self._plan.off),
            "alerts": alert_rows(watch),
            "alerts_total": len(watch.standings),
            "silences": silence_rows(watch),
        }

    async def acknowledge(self, rule: str, subject: str, *, by: str) -> dict[str, Any]:
        """Note that somebody knows of an alert, or of all of a rule. Raises `NotFoundError`."""
        async with self._turn:
            events = self._watch.acknowledge(rule, subject, by=by, now_ns=wall_ns())
            self._sum_up()
        if not events:
            hint = "it may be acknowledged already: see `ringside alerts list`"
            raise NotFoundError("nothing of it fires", f"{rule} {subject}".strip(), hint=hint)
        self._keep(events)
        return {"acknowledged": len(events)}

    async def silence(self, rule: str, match: Match, *, for_s: float, by: str, comment: str) -> dict[str, Any]:
        """Tell nobody of some alerts for a while. Raises `ConsoleError`."""
        check_silence((*self._plan.rules, *self._plan.off), rule, match)
        now_ns = wall_ns()
        until_ns = now_ns + round(for_s * NS_PER_S)
        add = partial(self._file.add, rule, match, until_ns=until_ns, now_ns=now_ns, by=by, comment=comment)
        added = await trio.to_thread.run_sync(add, abandon_on_cancel=True)
        await self._read_silences()
        async with self._turn:
            covered = len(self._watch.silence(added, now_ns=now_ns))
        return {"number": added.number, "until_ns": until_ns, "alerts": covered}

    async def unsilence(self, number: int) -> dict[str, Any]:
        """End a silence before its time. Raises `NotFoundError`."""
        remove = partial(self._file.remove, number, now_ns=wall_ns())
        gone = await trio.to_thread.run_sync(remove, abandon_on_cancel=True)
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

    def summary(self) -> dict[str, Any]:
        """What fired since the start, by rule, and how many messages that came to."""
        return {"fired": dict(sorted(self._fired.items())), "messages": self._messages}


def _toast(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("number", "kind", "severity", "title", "time_ns")}


def _row(instance: str, event: Event) -> AlertRow:
    return AlertRow(instance=instance, **attrs.asdict(event))
