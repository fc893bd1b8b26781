"""What killed engines leave behind."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

from core.flow.sweep import FORGOTTEN_NS, sweep
from ringbuf import layout
from ringbuf.writer import RingWriter
from tests.unit.ringbuf.test_ring import IDENTITY

NOW_NS = 10**18


def test_only_what_nobody_will_miss_is_removed() -> None:
    """Dead private rings of others, forgotten rings, dead sockets and locks go; the living and the unknown stay."""
    directory = layout.directory()
    pid = os.fork()
    if pid == 0:
        for name, age_ns in ((".dead", 0), ("fresh", 0), ("forgotten", 2 * FORGOTTEN_NS)):
            RingWriter(directory / name, IDENTITY, capacity=64).beat(NOW_NS - age_ns)
        for name, age_ns in ((".mine", 0), (".mine-forgotten", 2 * FORGOTTEN_NS)):
            RingWriter(directory / name, replace(IDENTITY, instance="me"), capacity=64).beat(NOW_NS - age_ns)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(directory / "gone.sock"))
        (directory / "gone.lock").touch()
        os._exit(9)
    os.waitpid(pid, 0)
    alive = RingWriter(directory / ".alive", IDENTITY, capacity=64)
    (directory / "note.txt").write_text("not ours", encoding="utf-8")
    os.mkfifo(directory / "12345.bell0")
    held = os.open(directory / "here.lock", os.O_RDWR | os.O_CREAT, 0o600)
    assert layout.lock(held, 0, 1)
    removed = sweep(directory, now_ns=NOW_NS, instance="me")
    assert removed == [".dead", ".mine-forgotten", "forgotten", "gone.lock", "gone.sock", "12345.bell0"]
    left_names = {path.name for path in directory.iterdir()}
    assert {".alive", ".mine", "fresh", "here.lock", "note.txt"} <= left_names
    os.close(held)
    alive.close()
