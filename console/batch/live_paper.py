"""`live --paper-trading`: trades on paper on what running engines stream, in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

import trio

from config.paths import find_paths
from console.batch.clean_stdout import clean_stdout
from console.batch.engine_plan import cache_plan
from console.batch.giving_up import giving_up
from console.batch.live_paper_options import plan_of
from console.batch.live_paper_output import Teller
from console.batch.live_rings import LiveRings
from console.batch.log_options import log_plan
from console.batch.settings_options import settings_from
from console.control_server import Operation, serve_control
from console.instance_lock import instance_lock, ring_directory
from console.journal import closing_journal, open_journal
from console.paper.desks import desk_place, refuse_taken
from console.paper.host import PaperHost, last_session
from console.paper.memory import limit_memory
from console.paper.operations import paper_operations
from console.paper.plan import PaperPlan
from console.stores import opened_cache
from core.clock import NS_PER_S, monotonic_ns
from core.errors import UsageError, single_error
from ringbuf import control

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.sim.lines import ActKind

STATUS_S: Final = 10.0
REPEATED_S: Final = 1.0
"""A signal so soon after another is the same: a terminal and who watches the process both send it."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_paper(arguments: argparse.Namespace) -> int:
    """Trade until the time is over or a signal comes; 128 more than the signal is then the exit code."""
    if arguments.format == "csv":
        raise UsageError("no table of what goes on", "--format csv", hint="--json is one object a line")
    paths = find_paths()
    settings = settings_from(arguments).settings
    plan = plan_of(arguments, settings, paths)
    rings = _rings_of(plan, venue=(arguments.venue or "").upper(), instance=arguments.instance or "")
    refuse_taken(plan.state_directory, plan.desk)
    # What an engine has in memory cannot be read from here.
    shared = cache_plan(settings.cache) if settings.cache.redis.url else None
    with clean_stdout(), closing_journal(), opened_cache(shared) as cache:
        teller = Teller(form=arguments.format, plan=plan)
        open_journal(paths.logs, to_stderr=True, log=log_plan(settings, arguments), instance=plan.instance)
        host = PaperHost(
            plan,
            rings,
            hear=teller.hear,
            began=teller.began,
            cache=cache,
            last_resort=giving_up(arguments.format),
        )
        running = _Running(plan, host, rings, teller)
        # What a strategy prints must not stand between the objects.
        with running.heard_signals():
            with instance_lock(ring_directory(), plan.instance), contextlib.redirect_stdout(sys.stderr):
                trio.run(running.run, arguments.duration)
            if teller.session:
                teller.ended(host.document(), host.report(), stopped_by=running.stopped_by)
        teller.finish()
    return 128 + running.stopped_by if running.stopped_by else 0


def _rings_of(plan: PaperPlan, *, venue: str, instance: str) -> LiveRings:
    symbols = dict.fromkeys(symbol for run in plan.runs for symbol in run.symbols or plan.symbols)
    state = last_session(desk_place(plan.state_directory, plan.desk)).state
    held = [one.instrument for one in state.markets if one.instrument.symbol not in symbols] if state else []
    return LiveRings(tuple(symbols), venue=venue, instance=instance, beside=held)


class _Running:
    # One run: the host, its control channel, the clock, the signals.

    def __init__(self, plan: PaperPlan, host: PaperHost, rings: LiveRings, teller: Teller) -> None:
        self._plan, self._host, self._rings, self._teller = plan, host, rings, teller
        self._scope = trio.CancelScope()
        self._wake: trio.lowlevel.TrioToken | None = None
        self._asked_ns = 0
        self.stopped_by = 0
        teller.give_up = self._scope.cancel

    @contextlib.contextmanager
    def heard_signals(self) -> Iterator[None]:
        """A signal ends the run and nothing else, until all is told; asked for again, the process ends at once."""
        before = {number: signal.signal(number, self._obey) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _obey(self, number: int, _frame: object) -> None:
        now_ns = monotonic_ns()
        if self.stopped_by:
            if now_ns - self._asked_ns > REPEATED_S * NS_PER_S:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)  # what is committed is on the disk
            return
        self.stopped_by, self._asked_ns = number, now_ns
        if self._wake is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._wake.run_sync_soon(self._scope.cancel)

    async def run(self, duration_s: float) -> None:
        self._wake = trio.lowlevel.current_trio_token()
        if self.stopped_by:
            return
        with single_error():
            async with trio.open_nursery() as nursery:
                await nursery.start(serve_control, control.socket_path(self._plan.instance), self._operations())
                with self._scope:
                    await self._trade(duration_s)
                nursery.cancel_scope.cancel()

    async def _trade(self, duration_s: float) -> None:
        await self._rings.find()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._rings.keep)
            await nursery.start(self._host.run)
            if self._plan.has_files:
                limit_memory(self._plan.memory_mb)
            nursery.start_soon(self._tell)
            if duration_s:
                await trio.sleep(duration_s)
                self._scope.cancel()

    async def _tell(self) -> None:
        while True:
            await trio.sleep(STATUS_S)
            self._teller.status(self._host.report())

    def _operations(self) -> dict[str, Operation]:
        async def ping(_request: dict[str, Any]) -> dict[str, Any]:
            return {"pid": os.getpid(), "instance_id": self._plan.instance}

        async def status(_request: dict[str, Any]) -> dict[str, Any]:
            return self._host.report()

        async def shutdown(_request: dict[str, Any]) -> dict[str, Any]:
            self._scope.cancel()
            return {"state": "draining"}

        async def accounts() -> dict[str, Any]:
            return self._host.document()

        async def act(act: ActKind, target: str, *, by: str, confirm: str) -> dict[str, Any]:
            return self._host.act(act, target, by=by, confirm=confirm)

        own: dict[str, Operation] = {"ping": ping, "status": status, "shutdown": shutdown}
        return own | paper_operations(accounts, act)
