"""What the control channel can ask of an engine, and what a read-only engine refuses."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from console import status
from console.alerting.operations import CHANGING as ALERTS_CHANGING
from console.alerting.operations import alert_operations
from console.backfill_operations import backfill_operations
from console.control_server import Operation
from console.incident_operations import incident_operations
from console.log_operations import log_operations
from console.metrics.document import asked_patterns, frame_document
from console.paper.operations import paper_operations
from console.store_operations import store_operations
from core.errors import ConsoleError, NotFoundError, RefusedError, UsageError
from core.model.symbology import parse_symbol
from core.sim.lines import ACTS

if TYPE_CHECKING:
    from console.plan import FeedPlan
    from console.status import HostReport
    from console.supervise import Engine
    from core.model.instruments import Instrument
    from core.sim.lines import ActKind
    from providers.base import Interval

CHANGING = frozenset({"subscribe", "unsubscribe", "shutdown", "compress", "prune", "ingest", *ACTS, *ALERTS_CHANGING})
"""Operations that a read-only engine refuses."""

logger = logging.getLogger("ringside.control")


class Host(Protocol):
    """One planned feed, in this process or in one of its own. `error` is what it was given up for."""

    plan: FeedPlan
    error: ConsoleError | None

    async def run(self) -> None:
        """Keep the feed going until cancelled or until it ends for good."""

    def report(self) -> HostReport:
        """What the status shows of it."""

    def intervals(self) -> Sequence[Interval]:
        """What its stream did not bring, as `ToldIntervals.hear` takes it."""

    def instruments(self) -> dict[str, Instrument]:
        """What it streams, by symbol."""

    def serves(self, venue: str) -> bool:
        """Whether it is meant by this name of a venue."""

    async def subscribe(self, symbol: str) -> dict[str, Any]:
        """Stream one more symbol publicly."""

    async def unsubscribe(self, symbol: str) -> dict[str, Any]:
        """Stop streaming a symbol."""


def operations(engine: Engine) -> dict[str, Operation]:
    """The operations of an engine by name, the changing ones refused when it is read-only."""

    async def ping(_request: dict[str, Any]) -> dict[str, Any]:
        return {"pid": os.getpid(), "instance_id": engine.plan.instance}

    async def describe(_request: dict[str, Any]) -> dict[str, Any]:
        return status.status(engine)

    async def metrics(request: dict[str, Any]) -> dict[str, Any]:
        return frame_document(await engine.metrics.frame(), asked_patterns(request))

    async def rings(_request: dict[str, Any]) -> dict[str, Any]:
        return {"rings": status.rings(engine)}

    async def subscribe(request: dict[str, Any]) -> dict[str, Any]:
        host, symbol = _addressed(engine, request)
        answer = await host.subscribe(symbol)
        logger.info("subscribed to %s on %s", answer["symbol"], answer["venue"])
        engine.announce()
        return answer

    async def unsubscribe(request: dict[str, Any]) -> dict[str, Any]:
        host, symbol = _addressed(engine, request, streaming=True)
        answer = await host.unsubscribe(symbol)
        logger.info("unsubscribed from %s on %s", answer["symbol"], answer["venue"])
        engine.announce()
        return answer

    async def shutdown(_request: dict[str, Any]) -> dict[str, Any]:
        logger.info("shutdown asked for over the control channel")
        engine.stop()
        return {"state": "draining"}

    offered: dict[str, Operation] = {
        "ping": ping,
        "status": describe,
        "rings": rings,
        "metrics": metrics,
        "subscribe": subscribe,
        "unsubscribe": unsubscribe,
        "shutdown": shutdown,
    }
    offered |= store_operations(engine) | backfill_operations(engine) | _paper_operations(engine)
    offered |= incident_operations(engine) | alert_operations(engine)
    offered |= log_operations(engine.journal)
    return refuse_changes(offered) if engine.plan.read_only else offered


def _paper_operations(engine: Engine) -> dict[str, Operation]:
    async def accounts() -> dict[str, Any]:
        return {"enabled": False} if engine.paper is None else await engine.paper.accounts()

    async def act(act: ActKind, target: str, *, by: str, confirm: str) -> dict[str, Any]:
        if engine.paper is None:
            raise RefusedError("nobody trades on paper", engine.plan.instance, hint="start it with --paper-trading")
        return await engine.paper.act(act, target, by=by, confirm=confirm)

    return paper_operations(accounts, act)


def refuse_changes(offered: dict[str, Operation]) -> dict[str, Operation]:
    """The same operations, those refused that change anything."""
    return {name: _refusing(name) if name in CHANGING else operation for name, operation in offered.items()}


def _refusing(name: str) -> Operation:
    async def refuse(_request: dict[str, Any]) -> dict[str, Any]:
        raise RefusedError("this engine is read-only", name, hint="it was started with --read-only")

    return refuse


def _addressed(engine: Engine, request: dict[str, Any], *, streaming: bool = False) -> tuple[Host, str]:
    # A symbol alone is enough when only one feed can be meant.
    symbol, venue = request.get("symbol"), request.get("venue", "")
    if not isinstance(symbol, str) or not isinstance(venue, str):
        raise UsageError("bad request", "symbol and venue are texts")
    symbol = parse_symbol(symbol)
    hosts = [host for host in engine.hosts if host.serves(venue.upper())]
    if len(hosts) > 1 and streaming:
        hosts = [host for host in hosts if symbol in host.instruments()]
    if not hosts:
        raise NotFoundError("no such feed", venue or symbol)
    if len(hosts) > 1:
        names = ", ".join(row["venue"] for host in hosts for row in host.report()["connections"])
        raise UsageError("which venue", symbol, hint=f"there are {names}")
    return hosts[0], symbol
