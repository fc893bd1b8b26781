"""Delay from a venue's send to the stamp of receipt, while the board is redrawn ten times a second, in each host.

The venue is another process that keeps its time. The delay is read off the records themselves, in the rings.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from core.model.records import TRADE
from perf._paced_venue import SYMBOLS, paced_venue
from perf.figures import Figure
from ringbuf import layout
from ringbuf.reader import RingReader

MESSAGES_PER_S = 2000
WARM_UP_S = 4.0
MEASURED_S = 12.0
READY_S = 30.0
INSTANCE = "bench"
PROMISED_INLINE_P99_MS = 5.0


def measure() -> list[Figure]:
    """p50, p99 and the worst of each host; inline is the baseline of the others."""
    with paced_venue(messages_per_s=MESSAGES_PER_S) as (stream_url, rest_url):
        found = {}
        for host in ("inline", "split", "daemon"):
            with tempfile.TemporaryDirectory(prefix="ringside-perf-", dir="/dev/shm") as shm:
                os.environ["RINGSIDE_SHM"] = shm
                environment = {
                    "TERM": "xterm-256color",
                    "RINGSIDE_HOME": f"{shm}/home",
                    "RINGSIDE__VENUES__KRAKEN__STREAM_URL": stream_url,
                    "RINGSIDE__VENUES__KRAKEN__REST_URL": rest_url,
                }
                found[host] = _quantiles_ms(_measure_host(host, environment))
                del os.environ["RINGSIDE_SHM"]
    figures = [
        Figure(f"{host} host, {name} from send to receipt", found[host][at], found["inline"][at], "ms", "inline host")
        for host in ("split", "daemon")
        for at, name in enumerate(("p50", "p99", "worst"))
    ]
    promised = Figure("inline host, p99", found["inline"][1], PROMISED_INLINE_P99_MS, "ms", "what is promised")
    return [promised, *figures]


def _quantiles_ms(delays_ns: NDArray[np.int64]) -> tuple[float, float, float]:
    p50, p99 = np.percentile(delays_ns, [50, 99])
    return float(p50) / 1e6, float(p99) / 1e6, float(delays_ns.max()) / 1e6


def _measure_host(host: str, environment: dict[str, str]) -> NDArray[np.int64]:
    serve = ["serve", "--provider", "kraken", "--symbols", ",".join(f"{name}USD" for name in SYMBOLS)]
    serve += ["--ipc", "--instance-id", INSTANCE]
    if host == "inline":
        with _in_terminal(serve, environment) as terminal:
            return _follow([terminal])
    if host == "split":
        with _in_terminal([*serve, "--split"], environment) as terminal:
            return _follow([terminal])
    with _in_terminal(["--batch", *serve], environment) as engine:
        _wait_for(f"{INSTANCE}.sock", [engine])
        with _in_terminal(["attach", INSTANCE], environment) as screen:
            return _follow([engine, screen])


@contextmanager
def _in_terminal(arguments: list[str], environment: dict[str, str]) -> Iterator[int]:
    # Gives the master side, which has to be read, or the program inside stalls.
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    command = [sys.executable, "-m", "console", *arguments]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=os.environ | environment)
    try:
        yield master
    finally:
        process.send_signal(signal.SIGTERM)
        while process.poll() is None:
            _drain([master], 0.05)
        os.close(master)
        os.close(slave)


def _drain(terminals: list[int], wait_s: float) -> None:
    for ready in select.select(terminals, [], [], wait_s)[0]:
        os.read(ready, 1 << 16)


def _wait_for(name: str, terminals: list[int]) -> None:
    deadline_s = time.monotonic() + READY_S
    while not (layout.directory() / name).exists():
        _drain(terminals, 0.05)
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"no {name}")


def _follow(terminals: list[int]) -> NDArray[np.int64]:
    names = [layout.ring_name(f"{name}USD", "KRAKEN", instance=INSTANCE) for name in SYMBOLS]
    for name in names:
        _wait_for(name, terminals)
    _read_for(WARM_UP_S, terminals)
    readers = [RingReader(layout.directory() / name, dtype=TRADE) for name in names]
    _read_for(MEASURED_S, terminals)
    delays = []
    for reader in readers:
        batch = reader.pop_batch()
        delays.append(batch["ts_recv"].astype(np.int64) - batch["ts_event"].astype(np.int64))
        reader.close()
    return np.concatenate(delays)


def _read_for(duration_s: float, terminals: list[int]) -> None:
    deadline_s = time.monotonic() + duration_s
    while time.monotonic() < deadline_s:
        _drain(terminals, 0.05)
