"""History of Databento from a local archive to the store, end to end: a million trades through the real client, with
the plan, the price, the order and the ledger, beside the client alone.

The archive runs in a process of its own. The client alone fetches the same range as a stream and makes an array of
it: it stores nothing, and checks nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio

from console.__main__ import main
from core.clock import DAY_NS
from perf.figures import Figure
from tests.simulator.bought import DATASET, FIRST_DAY_NS, SYMBOL, command, selling, sold, trades
from tests.unit.providers.databento.support import KEY

ROWS: Final = 1_000_000
ROUNDS: Final = 3


def measure() -> list[Figure]:
    """The best of some rounds each, of which the first buys and the others download into another store."""
    with tempfile.TemporaryDirectory(prefix="ringside-perf-") as name, _archive(Path(name)) as environment:
        os.environ.update(environment)
        ours = max(_ours(Path(name) / f"home{number}") for number in range(ROUNDS))
        alone = max(_client_alone() for _ in range(ROUNDS))
    return [
        Figure("a million trades bought and stored", ours, alone, "records/s", "the client to an array", digits=6)
    ]


def _ours(home: Path) -> float:
    os.environ["RINGSIDE_HOME"] = str(home)
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(command(1, "--yes"))
    elapsed_s = time.perf_counter() - began
    assert code == 0, printed.getvalue()
    assert json.loads(printed.getvalue())["rows"][0]["stored"] == ROWS
    return ROWS / elapsed_s


def _client_alone() -> float:
    import databento

    client = databento.Historical(KEY.value, gateway=os.environ["RINGSIDE__VENUES__DATABENTO__REST_URL"])
    began = time.perf_counter()
    found = client.timeseries.get_range(
        DATASET, start=FIRST_DAY_NS, end=FIRST_DAY_NS + DAY_NS, symbols=[SYMBOL], schema="trades"
    ).to_ndarray()
    assert len(found) == ROWS
    return ROWS / (time.perf_counter() - began)


@contextlib.contextmanager
def _archive(folder: Path) -> Iterator[dict[str, str]]:
    # Its environment goes through a file: it is made where the certificate is.
    told = folder / "environment"
    os.mkfifo(told)
    pid = os.fork()
    if pid == 0:
        trio.run(_sell, told)
        os._exit(0)
    try:
        lines = told.read_text().splitlines()
        yield dict(line.split("=", 1) for line in lines)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


async def _sell(told: Path) -> None:
    async with selling(sold(trades(1, ROWS))) as (_, environment):
        names = ("DATABENTO_API_KEY", "REQUESTS_CA_BUNDLE", "RINGSIDE__VENUES__DATABENTO__REST_URL")
        told.write_text("\n".join(f"{name}={environment[name]}" for name in names))
        await trio.sleep_forever()
