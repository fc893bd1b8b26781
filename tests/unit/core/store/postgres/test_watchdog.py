"""Sockets whose time is up are cut, and no others."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from core.store.postgres.watchdog import Watchdog

LONG_S = 60.0


def test_a_hanging_read_ends() -> None:
    """Whoever waits for a socket learns of its end once the time is up."""
    watchdog = Watchdog()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watched = watchdog.watch(ours.fileno(), 0.05)
        ours.settimeout(LONG_S)
        assert ours.recv(1) == b""
        assert watched.cut
        watchdog.release(watched)


def test_a_shorter_time_given_later_counts() -> None:
    """The thread that waits for a far deadline wakes for a near one; the far one is left alone."""
    watchdog = Watchdog()
    ours, theirs = socket.socketpair()
    others, peer = socket.socketpair()
    with ours, theirs, others, peer:
        patient = watchdog.watch(others.fileno(), LONG_S)
        hasty = watchdog.watch(ours.fileno(), 0.05)
        ours.settimeout(LONG_S)
        assert ours.recv(1) == b""
        assert (patient.cut, hasty.cut) == (False, True)
        watchdog.release(patient)
        watchdog.release(hasty)
        peer.sendall(b"x")
        assert others.recv(1) == b"x"


def test_what_was_released_is_left_alone() -> None:
    """A socket released in time outlives its deadline."""
    watchdog = Watchdog()
    ours, theirs = socket.socketpair()
    marker, peer = socket.socketpair()
    with ours, theirs, marker, peer:
        first = watchdog.watch(ours.fileno(), 0.05)
        watchdog.release(first)
        second = watchdog.watch(marker.fileno(), 0.1)
        marker.settimeout(LONG_S)
        assert marker.recv(1) == b""  # by now the first deadline is over
        watchdog.release(second)
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"
        assert not first.cut


def test_no_descriptor_is_kept() -> None:
    """Watching and releasing, cut or not, leaves as many files open as before; a closed one cannot be watched."""
    watchdog = Watchdog()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(10):
            watchdog.release(watchdog.watch(ours.fileno(), LONG_S))
        cut = watchdog.watch(ours.fileno(), 0.0)
        ours.settimeout(LONG_S)
        assert ours.recv(1) == b""
        watchdog.release(cut)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    number = os.open("/dev/null", os.O_RDONLY)
    os.close(number)
    with pytest.raises(OSError, match="Bad file descriptor"):
        watchdog.watch(number, LONG_S)
