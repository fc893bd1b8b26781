"""What the full-screen console costs: share of one core and bytes to the terminal, at 50 symbols and 1000 trades/s.

A child process plays the engine: it writes real rings and answers `status`. The console runs in a 160x50
pseudo-terminal; then, on the same data and at the same pace, a board made of Textual's `DataTable`: the baseline.

    python -m perf.screen_cost [--seconds 10] [--frames 10] [--only ringside|baseline]
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from perf.figures import Figure

SYMBOLS = 50
TRADES_PER_S = 1000
SIZE = (50, 160)
WARM_UP_S = 3.0
BUDGET = (15.0, 60.0)
ROLES = ("ringside", "baseline")


def engine(directory: Path) -> None:
    """Play the engine until killed."""
    from tests.tui.fake_engine import FakeEngine, Listing

    generator = random.Random(7)
    listings = [
        Listing(f"S{number:02d}USD", "KRAKEN" if number % 2 else "BINANCE", "USD" if number % 2 else "USDT", 2)
        for number in range(SYMBOLS)
    ]
    prices = {listing.key: generator.uniform(10, 50_000) for listing in listings}
    period_s = 0.01
    with FakeEngine(directory, *listings, instance="cost", capacity=16_384) as running:
        print("ready", flush=True)
        next_s = time.monotonic()
        while True:
            for _ in range(round(TRADES_PER_S * period_s)):
                listing = generator.choice(listings)
                price = prices[listing.key] = prices[listing.key] * (1 + generator.gauss(0, 1e-4))
                running.trade(
                    listing.key,
                    f"{price:.2f}",
                    f"{generator.expovariate(2):.4f}",
                    side=generator.choice((b"A", b"B")),
                )
                running.quote(listing.key, f"{price - 0.01:.2f}", f"{price + 0.01:.2f}")
            first = prices[listings[0].key]
            sides = [
                [(f"{first + sign * 0.01 * level:.2f}", f"{generator.expovariate(1):.4f}") for level in range(1, 11)]
                for sign in (-1, 1)
            ]
            running.book(listings[0].key, *sides)
            next_s += period_s
            time.sleep(max(next_s - time.monotonic(), 0))


def console(control_path: Path, frames_per_s: float) -> int:
    """Run the console on this terminal."""
    from console.tui.app import run_console

    return run_console(control_path, frames_per_s=frames_per_s, inline=False)


def baseline(control_path: Path, frames_per_s: float) -> int:
    """Run a board made of `DataTable` on this terminal, fed by the same attachment."""
    from textual.app import App, ComposeResult
    from textual.widgets import DataTable

    from console.tui.attach import Attachment
    from console.tui.boardrows import board_columns, board_row
    from console.tui.engine_link import EngineLink
    from console.tui.text import UNICODE
    from core.clock import monotonic_ns, wall_ns

    attachment = Attachment(wall_ns=wall_ns, monotonic_ns=monotonic_ns)
    link = EngineLink(control_path)

    class Baseline(App[None]):
        """One DataTable, every changed cell updated."""

        seen = 0

        def compose(self) -> ComposeResult:
            """The table."""
            yield DataTable()

        def on_mount(self) -> None:
            """Begin."""
            link.start()
            self.cells: dict[tuple[str, str], str] = {}
            self.set_interval(1 / frames_per_s, self.frame)

        def frame(self) -> None:
            """Take the news and update what changed."""
            report = link.report
            if report.status is not None and report.number != self.seen:
                self.seen = report.number
                attachment.update_status(report.status)
            snapshot = attachment.frame()
            table = self.query_one(DataTable)
            columns = board_columns(snapshot.symbols, 90)
            if not table.columns and snapshot.symbols:
                for column in columns:
                    table.add_column(column.name, key=column.name, width=column.width)
                for view in snapshot.symbols:
                    table.add_row(*("" for _ in columns), key=view.key[0])
            for view in snapshot.symbols:
                for column in columns:
                    row = board_row(view, [column], width=20, cursor=False, focused=False, glyphs=UNICODE)
                    text = "".join(cell for cell, _style in row).strip()
                    if self.cells.get((view.key[0], column.name)) != text:
                        self.cells[(view.key[0], column.name)] = text
                        table.update_cell(view.key[0], column.name, text)

    Baseline().run()
    return 0


def measure() -> list[Figure]:
    """The console against the baseline of the same run, and against what is needed."""
    costs = cost_of_roles(ROLES, seconds=10.0, frames_per_s=10.0)
    load = f"screen: {SYMBOLS} symbols, {TRADES_PER_S} trades/s"
    figures = []
    for at, (what, unit) in enumerate((("one core", "%"), ("to the terminal", "KiB/s"))):
        ours, table = (costs[role][at] for role in ROLES)
        figures += [
            Figure(f"{load}, {what}", ours, table, unit, "a board made of DataTable"),
            Figure(f"{load}, {what}", ours, BUDGET[at], unit, "what is needed"),
        ]
    return figures


def cost_of_roles(roles: Sequence[str], *, seconds: float, frames_per_s: float) -> dict[str, tuple[float, float]]:
    """(per cent of a core, KiB/s) of each of some `ROLES`, one after the other on the same engine."""
    directory = Path(tempfile.mkdtemp(prefix="ringside-cost-", dir="/dev/shm"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "RINGSIDE_SHM": str(directory)}
    playing = subprocess.Popen(
        [sys.executable, __file__, "--role", "engine", "--control", str(directory)],
        env=environment,
        stdout=subprocess.PIPE,
    )
    try:
        assert playing.stdout is not None
        playing.stdout.readline()
        control_path = directory / "cost.sock"
        return {role: cost(role, control_path, seconds=seconds, frames_per_s=frames_per_s) for role in roles}
    finally:
        playing.kill()
        playing.wait()
        shutil.rmtree(directory, ignore_errors=True)


def cost(role: str, control_path: Path, *, seconds: float, frames_per_s: float) -> tuple[float, float]:
    """(per cent of a core, KiB/s) of one role in a pseudo-terminal, after warming up."""
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[1])}
    for name in ("NO_COLOR", "COLORTERM"):
        environment.pop(name, None)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    command = [
        sys.executable,
        __file__,
        "--role",
        role,
        "--control",
        str(control_path),
        "--frames",
        str(frames_per_s),
    ]
    child = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    try:
        _drain(master, WARM_UP_S)
        before_s = _cpu_s(child.pid)
        started_s = time.monotonic()
        written = _drain(master, seconds)
        elapsed_s = time.monotonic() - started_s
        used_s = _cpu_s(child.pid) - before_s
    finally:
        child.send_signal(signal.SIGTERM)
        _drain(master, 1.0)
        child.kill()
        child.wait()
        os.close(master)
    return 100 * used_s / elapsed_s, written / 1024 / elapsed_s


def _drain(master: int, seconds: float) -> int:
    until_s, count = time.monotonic() + seconds, 0
    while (left_s := until_s - time.monotonic()) > 0:
        if select.select([master], [], [], left_s)[0]:
            try:
                count += len(os.read(master, 1 << 16))
            except OSError:
                break
    return count


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure both and print a JSON object; 1 when the console is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--frames", type=float, default=10.0)
    parser.add_argument("--only", choices=ROLES)
    parser.add_argument("--role", choices=("engine", *ROLES), help=argparse.SUPPRESS)
    parser.add_argument("--control", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.role == "engine":
        engine(chosen.control)
    if chosen.role in ROLES:
        return {"ringside": console, "baseline": baseline}[chosen.role](chosen.control, chosen.frames)
    roles = (chosen.only,) if chosen.only else ROLES
    found = cost_of_roles(roles, seconds=chosen.seconds, frames_per_s=chosen.frames)
    report: dict[str, object] = {
        role: {"cpu_percent": round(cpu, 1), "kib_per_s": round(rate, 1)} for role, (cpu, rate) in found.items()
    }
    if len(found) == 2:
        report["ratio"] = {
            name: round(found["baseline"][at] / found["ringside"][at], 1) for at, name in enumerate(("cpu", "output"))
        }
    print(json.dumps({"symbols": SYMBOLS, "trades_per_s": TRADES_PER_S, "size": "160x50", **report}, indent=2))
    cost = found.get("ringside")
    return int(cost is not None and (cost[0] > BUDGET[0] or cost[1] > BUDGET[1]))


if __name__ == "__main__":
    sys.exit(main())
