"""A session whose ledger is a real file, and a process that writes one until it is killed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import trio

from console.paper.strategy_log import Numbered, StrategyLogService
from core.sim.lines import Line, decode_line, encode_lines
from core.store.catalogue_strategy_log import CatalogueStrategyLog
from tests.unit.console.paper.ledgers import trading

SESSION: Final = "s1"
HASHES: Final = {"sma": "ab" * 32}


class Ledger:
    """The ledger of a session in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self.reads: list[int] = []
        path.touch()

    def write(self, lines: list[Line]) -> list[Numbered]:
        """Append lines; the same with their numbers."""
        with self.path.open("ab") as file:
            file.write(encode_lines(lines))
        first, self.length = self.length + 1, self.length + len(lines)
        return list(enumerate(lines, first))

    def read_from(self, first: int) -> Iterator[Numbered]:
        """The lines from that number on, without one that is not whole."""
        self.reads.append(first)
        with self.path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if number >= first and raw.endswith(b"\n"):
                    yield number, decode_line(raw[:-1])


async def trade_for_ever(directory: Path) -> None:
    """Write a ledger in `directory`, step by step, and log it in the catalogue there."""
    ledger = Ledger(directory / "ledger.ndjson")
    with closing(CatalogueStrategyLog(directory / "catalogue.sqlite3")) as log:
        service = StrategyLogService(log, SESSION, HASHES, read_from=ledger.read_from)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.run)
            while True:
                service.push(ledger.write(trading(10)))
                await trio.sleep(0.01)


if __name__ == "__main__":
    trio.run(trade_for_ever, Path(sys.argv[1]))
