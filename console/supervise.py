"""The engine: one nursery that starts feeds, rings, store and control in order, and stops them in the other order.

Stop order: feeds first, so that nothing new comes; then the store drains the rings and flushes; then the control
socket goes, the rings are removed and the name is given back.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from console import status
from console.control_server import serve_control
from console.feedhost import FeedHost
from console.journal import Journal
from console.plan import EnginePlan
from console.storage import Storage, open_storage
from core.clock import wall_ns
from core.errors import ConfigurationError, RefusedError, single_error
from core.flow.publish import RingPublisher
from core.model.instruments import InstrumentRegistry
from ringbuf import control, layout

HEARTBEAT_S = 1.0
DRAIN_S = 60.0

logger = logging.getLogger("ringside.engine")


class Engine:
    """One run of a plan. `run` may be called once; `stop` from any thread."""

    def __init__(self, plan: EnginePlan, journal: Journal) -> None:
        self.plan = plan
        self.journal = journal
        self.state = "starting"
        self.started_ns = wall_ns()
        self.hosts: list[FeedHost] = []
        self.publisher: RingPublisher | None = None
        self.storage: Storage | None = None
        self.summary: dict[str, Any] = {}
        self._stop = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None

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
        directory = _ring_directory()
        with _instance_lock(directory, self.plan.instance), self._storage(), self._rings(directory):
            try:
                with single_error():
                    async with trio.open_nursery() as nursery:
                        await self._run_services(nursery, task_status)
            finally:
                self.state = "stopped"
                self.summary = status.summary(self)
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
            instance=plan.instance,
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
        path = control.socket_path(self.plan.instance)
        await nursery.start(serve_control, path, self._operations())
        task_status.started(path)
        nursery.start_soon(self._beat)
        async with trio.open_nursery() as writers:
            if self.storage is not None:
                writers.start_soon(self.storage.consume, self.publisher)
            try:
                await self._run_feeds()
            finally:
                self.state = "draining"
                if self.storage is not None:
                    self.storage.drain()
                    # A disk that hangs must not keep the engine for ever: what is then unsaved is counted as lost.
                    writers.cancel_scope.deadline = trio.current_time() + DRAIN_S
        nursery.cancel_scope.cancel()

    async def _run_feeds(self) -> None:
        assert self.publisher is not None
        registry = self.storage.registry if self.storage is not None else InstrumentRegistry()
        ready = self.storage.keeps_up if self.storage is not None else _always
        self.hosts = [FeedHost(plan, sink=self.publisher, registry=registry, ready=ready) for plan in self.plan.feeds]
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
        await self._stop.wait()
        scope.cancel()

    async def _beat(self) -> None:
        while True:
            if self.publisher is not None:
                self.publisher.beat(wall_ns())
            await trio.sleep(HEARTBEAT_S)

    def _operations(self) -> dict[str, Any]:
        def shutdown(_request: dict[str, Any]) -> dict[str, Any]:
            logger.info("shutdown asked for over the control channel")
            self._stop.set()
            return {"state": "draining"}

        return {
            "ping": lambda _request: {"pid": os.getpid()},
            "status": lambda _request: status.status(self),
            "shutdown": shutdown,
        }


def _always() -> bool:
    return True


def _ring_directory() -> Path:
    try:
        return layout.directory()
    except layout.RingError as error:
        raise ConfigurationError("shared memory cannot be used", str(error)) from error


@contextmanager
def _instance_lock(directory: Path, instance: str) -> Iterator[None]:
    try:
        layout.check_instance(instance)
    except layout.RingError as error:
        raise ConfigurationError("bad instance name", str(error)) from error
    path = directory / f"{instance}.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not layout.lock(fd, 0, 1):
            hint = "stop it first, or give this one another --instance-id"
            raise RefusedError("name is taken", f"an engine called {instance} is already running", hint=hint)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(fd)
