"""The simulated Databento whole: a gateway and an archive on 127.0.0.1, with the generator's market."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio
from trio import TaskStatus

from providers.base import wall_receipts
from providers.simulated.databento_archive import RunningArchive, serve_archive
from providers.simulated.databento_gateway import RunningGateway, serve_gateway
from providers.simulated.databento_market import DATASET, MarketTape
from providers.simulated.faults import NO_FAULTS, FaultPlan
from providers.simulated.market import MarketSource
from providers.simulated.venue import RunningVenue

KEY: Final = "db-simulated"
"""The key that the simulated servers accept: no secret."""
_TRUSTED: Final = "REQUESTS_CA_BUNDLE"


async def serve_databento(
    source: MarketSource,
    *,
    faults: FaultPlan = NO_FAULTS,
    task_status: TaskStatus[RunningVenue] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the market of `source` until cancelled, with `faults` of the menu `DATABENTO`; reports where once it
    listens.

    While it runs this process trusts the archive's certificate, and for the vendor's client no other.

    Raises:
        ConfigurationError: no certificate can be made.
    """
    market = MarketTape(source)

    async def gateway(task_status: TaskStatus[RunningGateway]) -> None:
        await serve_gateway(market.library, key=KEY, tape=market.tape, plan=faults, task_status=task_status)

    async def archive(task_status: TaskStatus[RunningArchive]) -> None:
        await serve_archive(market.library, key=KEY, plan=faults, task_status=task_status)

    async with trio.open_nursery() as nursery:
        live: RunningGateway = await nursery.start(gateway)
        past: RunningArchive = await nursery.start(archive)
        nursery.start_soon(market.run)
        with _trusting(past.certificate):
            task_status.started(
                RunningVenue(
                    venue=DATASET,
                    stream_url=live.address,
                    rest_url=past.rest_url,
                    receipts=wall_receipts,
                    finished=trio.Event(),
                    symbols=tuple(market.library.names.values()),
                )
            )
            await trio.sleep_forever()


@contextmanager
def _trusting(certificate: Path) -> Iterator[None]:
    before = os.environ.get(_TRUSTED)
    os.environ[_TRUSTED] = str(certificate)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_TRUSTED, None)
        else:
            os.environ[_TRUSTED] = before
