"""The engine: one nursery that starts feeds, rings, store and control in order, and stops them in the other order.

Stop order: feeds first, so that nothing new comes; then paper trading takes what is in the rings and writes it down,
and the store drains them and flushes; then the control socket goes, the rings are removed and the name is given back.
"""

from __future__ import annotations

import logging
import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from console import status
from console.announcer import Announcer
from console.childhost import ChildHost
from console.collector import spare_the_collector
from console.control_server import serve_control
from console.feedhost import FeedHost
from console.instance_lock import instance_lock, ring_directory
from console.intervals import ToldIntervals
from console.journal import Journal
from console.metrics.service import Metrics
from console.operations import Host, operations
from console.plan import EnginePlan
from console.storage import Storage, StoredRing, open_storage
from console.stores import opened_cache
from core.clock import wall_ns
from core.errors import single_error
from core.flow.cachefeed import RingKey, consume_to_cache
from core.flow.publish import RingPublisher
from core.flow.sweep import sweep
from core.model.instruments import InstrumentRegistry
from core.model.records import Schema
from core.store.repository import SeriesKey
from providers.base import Interval
from ringbuf import control

if TYPE_CHECKING:
    from console.alerting.service import AlertService
    from console.paper.engine import PaperService
    from core.store.cache.tiered import TieredCache

HEARTBEAT_S = 1.0
SETTLED_S = 2.0
STORE_POLL_S = 0.01
DRAIN_S = 60.0
FAILING_DRAIN_S = 5.0

logger = logging.getLogger("ringside.engine")


class Engine:
    """One run of a plan. `run` may be called once; `stop` from any thread. `metrics_port` is where Prometheus is
    answered, 0 where it is not."""

    def __init__(self, plan: EnginePlan, journal: Journal) -> None:
        self.plan = plan
        self.journal = journal
        self.state = "starting"
        self.started_ns = wall_ns()
        self.hosts: list[Host] = []
        self.publisher: RingPublisher | None = None
        self.storage: Storage | None = None
        self.cache: TieredCache | None = None
        self.paper: PaperService | None = None
        self.alerts: AlertService | None = None
        self.metrics = Metrics(self)
        self.metrics_port = 0
        self.summary: dict[str, Any] = {}
        self.final_report: dict[str, Any] = {}
        self._told = ToldIntervals()
        self._stop = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._announcer = Announcer(plan)

    def stop(self) -> None:
        """Ask the engine to stop cleanly. Safe from any thread, and more than once."""
        token = self._token
        if token is None:
            return
        try:
            token.run_sync_soon(self._stop.set)
        except trio.RunFinishedError:
            return

    async def run(self, *, task_status: trio.TaskStatus[Path] = trio.TASK_STATUS_IGNORED) -> dict[str, Any]:
        """Run until stopped, or until everything ended when the plan says so; returns the summary.

        Reports the path of the control socket once it answers.

        Raises:
            ConsoleError: it could not start, or no feed is left.
        """
        self._token = trio.lowlevel.current_trio_token()
        _allow_many_files()
        directory = ring_directory()
        for name in sweep(directory, now_ns=wall_ns(), instance=self.plan.ring_owner or self.plan.instance):
            logger.info("removed what a killed engine had left: %s", name)
        with (
            instance_lock(directory, self.plan.instance),
            self._storage(),
            opened_cache(self.plan.cache) as self.cache,
            self._rings(directory),
        ):
            try:
                with single_error():
                    async with trio.open_nursery() as nursery:
                        await self._run_services(nursery, task_status)
            finally:
                self._announcer.close()
                self.state = "stopped"
                self.summary = status.summary(self)
                final = status.status(self)
                self.final_report = {
                    name: final[name] for name in ("connections", "latency", "delays", "feeds", "rings", "intervals")
                } | {"journal": self.journal.newest()}
        return self.summary

    @contextmanager
    def _storage(self) -> Iterator[None]:
        if not self.plan.persist:
            yield
            return
        with open_storage(self.plan) as self.storage:
            yield

    @contextmanager
    def _rings(self, directory: Path) -> Iterator[None]:
        plan = self.plan
        self.publisher = RingPublisher(
            directory,
            instance=plan.ring_owner or plan.instance,
            named=plan.named,
            capacity=plan.ring_capacity,
            public_symbols=plan.public_symbols,
        )
        try:
            yield
        finally:
            self.publisher.close()

    async def _run_services(self, nursery: trio.Nursery, task_status: trio.TaskStatus[Path]) -> None:
        assert self.publisher is not None
        if self.plan.metrics_port is not None:
            await _serve_metrics(self, nursery, self.plan.metrics_port)
        path = control.socket_path(self.plan.instance)
        await nursery.start(serve_control, path, operations(self))
        task_status.started(path)
        nursery.start_soon(self._beat)
        nursery.start_soon(_settle)
        self.paper = _make_paper(self)
        self.alerts = _make_alerts(self)
        if self.alerts is not None:
            await nursery.start(self.alerts.run)
        if self.alerts is not None or self.plan.metrics_port is not None:
            nursery.start_soon(self.metrics.run)
        if self.cache is not None:
            nursery.start_soon(consume_to_cache, self._cached_rings, self.cache)
        async with trio.open_nursery() as writers:
            if self.storage is not None:
                writers.start_soon(self.storage.consume, self.stored_rings, self._fresh_intervals)
            if self.paper is not None:
                writers.start_soon(self.paper.run)
            try:
                await self._run_feeds()
            finally:
                self.state = "draining"
                if self.plan.stored_elsewhere:
                    await self._wait_for_store()
                if self.paper is not None:
                    self.paper.stop()
                if self.storage is not None:
                    self.storage.drain()
                    # A disk that hangs must not keep the engine for ever: what is then unsaved is counted as lost.
                    patience_s = FAILING_DRAIN_S if self.storage.state.problem else DRAIN_S
                    writers.cancel_scope.deadline = trio.current_time() + patience_s
        nursery.cancel_scope.cancel()
        if self.paper is not None and self.paper.refused is not None:
            raise self.paper.refused

    def hear_intervals(self) -> ToldIntervals:
        """What the hosts have told so far of trades that their streams did not bring."""
        self._told.hear(host.intervals() for host in self.hosts)
        return self._told

    def _fresh_intervals(self) -> list[Interval]:
        return self.hear_intervals().take()

    def stored_rings(self) -> Iterator[StoredRing]:
        """Every ring that can be read now, those of child processes included."""
        assert self.publisher is not None
        for ring in self.publisher.rings():
            series = SeriesKey(ring.instrument.venue, ring.instrument.symbol, ring.schema)
            yield StoredRing(ring.writer.path, ring.inode, series, ring.instrument, ring.first)
        for host in self.hosts:
            if isinstance(host, ChildHost):
                yield from host.stored_rings()

    def _cached_rings(self) -> dict[RingKey, SeriesKey]:
        rings = (ring for ring in self.stored_rings() if ring.series.schema is Schema.TRADES)
        return {(ring.path, ring.inode): ring.series for ring in rings}

    async def _wait_for_store(self) -> None:
        # Our rings go when we do: the parent must have stored what is in them.
        assert self.publisher is not None
        with trio.CancelScope(shield=True, deadline=trio.current_time() + DRAIN_S):
            while self.publisher.store_lag() > 0:  # another process reads: there is no event to wait for
                await trio.sleep(STORE_POLL_S)

    def _make_hosts(self) -> list[Host]:
        assert self.publisher is not None
        if self.plan.split:
            return [ChildHost(plan, self.plan) for plan in self.plan.feeds]
        registry = self.storage.registry if self.storage is not None else InstrumentRegistry()
        return [
            FeedHost(plan, publisher=self.publisher, registry=registry, ready=self._keeps_up)
            for plan in self.plan.feeds
        ]

    def _keeps_up(self) -> bool:
        if self.paper is not None and not self.paper.keeps_up():
            return False
        if self.storage is not None:
            return self.storage.keeps_up()
        assert self.publisher is not None
        return not self.plan.stored_elsewhere or self.publisher.store_lag() < 0.5

    async def _run_feeds(self) -> None:
        self.hosts = self._make_hosts()
        self.state = "running"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_on_stop, nursery.cancel_scope)
            async with trio.open_nursery() as feeds:
                for host in self.hosts:
                    feeds.start_soon(host.run)
            self._check_survivors()
            if self.plan.until_end:
                nursery.cancel_scope.cancel()

    def _check_survivors(self) -> None:
        # Every feed has ended. When all of them failed there is nothing left to do and the cause must be heard.
        errors = [host.error for host in self.hosts if host.error is not None]
        if errors and len(errors) == len(self.hosts):
            raise errors[0]

    async def _cancel_on_stop(self, scope: trio.CancelScope) -> None:
        with trio.move_on_after(self.plan.duration_s or math.inf):
            await self._stop.wait()
        scope.cancel()

    async def _beat(self) -> None:
        while True:
            if self.publisher is not None:
                self.publisher.beat(wall_ns())
            self.hear_intervals()
            self.announce()
            await trio.sleep(HEARTBEAT_S)

    def announce(self) -> None:
        """Tell the service registry what is served now. A child process is announced by its parent."""
        if not self.plan.ring_owner:
            self._announcer.tell(self._brief_rings())

    def _brief_rings(self) -> Iterator[dict[str, Any]]:
        assert self.publisher is not None
        for ring in self.publisher.rings():
            yield {"venue": ring.instrument.venue, "symbol": ring.instrument.symbol, "public": ring.path is not None}
        for host in self.hosts:
            if isinstance(host, ChildHost):
                yield from host.report()["rings"]


async def _serve_metrics(engine: Engine, nursery: trio.Nursery, port: int) -> None:
    from console.metrics.exporter import Pages, serve_metrics  # most engines need no HTTP

    pages = Pages(engine.metrics.frame, engine.metrics.problem)
    engine.metrics_port = await nursery.start(serve_metrics, port, pages)


def _make_paper(engine: Engine) -> PaperService | None:
    if engine.plan.paper is None:
        return None
    from console.paper.engine import PaperService  # strategies and all they need come with it

    return PaperService(engine, engine.plan.paper)


def _make_alerts(engine: Engine) -> AlertService | None:
    if engine.plan.alerts is None:
        return None
    from console.alerting.service import AlertService  # a child of an engine needs none of it

    return AlertService(engine, engine.plan.alerts)


async def _settle() -> None:
    await trio.sleep(SETTLED_S)
    spare_the_collector()


def _allow_many_files() -> None:
    # A ring with its observer and the store's reader takes half a dozen descriptors; the usual soft limit of 1024
    # would end at sixty symbols.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
