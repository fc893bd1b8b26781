"""History that is sold: a library of trades, the archive that sells it, and the command that buys it."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from console.__main__ import main
from core.clock import DAY_NS, parse_rfc3339_ns
from core.model.records import OHLCV, TRADE, Records
from providers.simulated.databento_archive import RunningArchive, serve_archive
from providers.simulated.databento_library import Library
from tests.unit.providers.databento.support import KEY

DATASET, SYMBOL, NUMBER = "GLBX.MDP3", "ESH5", 118
FIRST_DAY_NS = parse_rfc3339_ns("2024-01-02T00:00:00Z")


def trades(days: int, per_day: int) -> Records:
    """So many trades of each of some days, every tenth of which has an equal twin."""
    records = np.zeros(days * per_day, TRADE)
    at = np.arange(per_day) - np.arange(per_day) % 10 % 2
    day = (at * (DAY_NS // (per_day + 1)) + 1).astype(np.uint64)
    stamps = np.concatenate([day + np.uint64(FIRST_DAY_NS + number * DAY_NS) for number in range(days)])
    records["length"], records["publisher_id"], records["instrument_id"] = TRADE.itemsize // 4, 1, NUMBER
    records["ts_event"] = records["ts_recv"] = stamps
    records["price"] = 4_700_000_000_000 + stamps % np.uint64(97) * np.uint64(250_000_000)
    records["size"], records["action"], records["side"], records["flags"] = 1 + stamps % np.uint64(5), b"T", b"B", 128
    return records


def sold(records: Records) -> Library:
    """The library of these trades; there are bars of the days around them."""
    bars = np.zeros(2, OHLCV)
    bars["length"], bars["rtype"], bars["publisher_id"], bars["instrument_id"] = OHLCV.itemsize // 4, 0x23, 1, NUMBER
    bars["ts_event"] = [FIRST_DAY_NS - DAY_NS, FIRST_DAY_NS + 100 * DAY_NS]
    return Library(dataset=DATASET, names={NUMBER: SYMBOL}, arrays={"trades": records, "ohlcv-1d": bars})


@asynccontextmanager
async def selling(library: Library) -> AsyncIterator[tuple[RunningArchive, dict[str, str]]]:
    """A running archive, and the environment of a command that buys there."""

    async def serve(task_status: trio.TaskStatus[RunningArchive]) -> None:
        await serve_archive(library, key=KEY.value, task_status=task_status)

    async with trio.open_nursery() as nursery:
        running: RunningArchive = await nursery.start(serve)
        yield (
            running,
            {
                **os.environ,
                "DATABENTO_API_KEY": KEY.value,
                "REQUESTS_CA_BUNDLE": str(running.certificate),
                "RINGSIDE__VENUES__DATABENTO__REST_URL": running.rest_url,
                "RINGSIDE__DATABASE__URL": "",
            },
        )
        nursery.cancel_scope.cancel()


def command(days: int, *more: str, action: str = "fetch") -> list[str]:
    """The command that fetches so many days."""
    end = str(FIRST_DAY_NS + days * DAY_NS)
    return [
        "--batch", *action.split(), "--symbols", SYMBOL, "--exchange", "CME", "--start", str(FIRST_DAY_NS), "--end",
        end, "--json", *more,
    ]  # fmt: skip


async def ask(arguments: list[str], environment: dict[str, str], home: Path) -> tuple[int, Any]:
    """The exit code of a command, run in a thread of this process, and what it printed as JSON."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        for name, value in {**environment, "RINGSIDE_HOME": str(home)}.items():
            patch.setenv(name, value)
        code = await trio.to_thread.run_sync(main, arguments)
    return code, json.loads(printed.getvalue())
