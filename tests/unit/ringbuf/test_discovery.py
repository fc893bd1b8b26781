"""The service registry: announced, found, gone, damaged."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ringbuf import discovery, layout, registry
from ringbuf.discovery import Announcement
from ringbuf.writer import RingIdentity, RingWriter

SYMBOLS = {"KRAKEN": ["BTCUSD", "ETHUSD"], "BINANCE": ["BTCUSD"]}
Announce = Callable[..., Announcement]


@pytest.fixture
def announce() -> Iterator[Announce]:
    """Announces instances that leave at the end of the test."""
    made: list[Announcement] = []

    def announcing(instance: str, venues: dict[str, list[str]] | None = None, *, prefix: str = "") -> Announcement:
        symbols = SYMBOLS if venues is None else venues
        made.append(Announcement(instance, providers=["kraken"], symbols=symbols, prefix=prefix, control="/x.sock"))
        return made[-1]

    yield announcing
    for announced in made:
        announced.close()


def listed() -> list[tuple[str, str]]:
    """Names and health."""
    return [(state.instance, state.health) for state in discovery.instances()]


def test_an_announced_instance_is_listed_whole(announce: Announce) -> None:
    """Every field comes back, symbols by venue, and the file is private."""
    assert discovery.instances() == []
    before_ns = time.time_ns()
    announce("main", prefix="main__")
    (state,) = discovery.instances()
    assert (state.instance, state.providers, state.prefix, state.control) == (
        "main",
        ("kraken",),
        "main__",
        "/x.sock",
    )
    assert state.symbols == {"KRAKEN": ("BTCUSD", "ETHUSD"), "BINANCE": ("BTCUSD",)}
    assert (state.venues, state.symbols_complete, state.pid) == (("KRAKEN", "BINANCE"), True, os.getpid())
    assert before_ns <= state.started_ns == state.heartbeat_ns
    assert state.alive
    assert 0 <= state.heartbeat_age_s < 20
    assert stat.S_IMODE(registry.path().stat().st_mode) == 0o600


def test_a_name_can_be_had_once(announce: Announce) -> None:
    """A living instance keeps its name; leaving gives it back; bad names never get in."""
    first = announce("main")
    with pytest.raises(layout.RingBusyError, match="already running"):
        announce("main")
    first.close()
    first.close()
    assert listed() == []
    announce("main")
    with pytest.raises(layout.RingError, match="bad instance name"):
        announce("a/b")
    assert listed() == [("main", "alive")]


def test_what_is_served_may_change(announce: Announce) -> None:
    """An update replaces symbols and providers and counts as a heartbeat."""
    announced = announce("main")
    announced.update(symbols={"BINANCE": ["XRPUSD"]}, providers=["binance"])
    (state,) = discovery.instances()
    assert (state.symbols, state.providers) == ({"BINANCE": ("XRPUSD",)}, ("binance",))
    announced.update(symbols={})
    assert (discovery.instances()[0].symbols, discovery.instances()[0].providers) == ({}, ("binance",))


def test_silence_makes_stale_and_a_beat_revives(announce: Announce, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 seconds without a beat, measured from any instant; an instance that hangs keeps its name."""
    announced = announce("main")
    later_ns = time.monotonic_ns() + 31_000_000_000
    (state,) = discovery.instances(monotonic_ns=later_ns)
    assert (state.health, state.alive, round(state.heartbeat_age_s)) == ("stale", False, 31)
    announce("other")
    assert [one.health for one in discovery.instances(monotonic_ns=later_ns)] == ["stale", "stale"]
    monkeypatch.setattr(time, "monotonic_ns", lambda: later_ns)
    announced.beat(1)
    assert [one.health for one in discovery.instances()] == ["alive", "stale"]


@pytest.mark.parametrize("wall_ns", [0, 1, 2**63, 2**64 - 1])
def test_clock_jumps_kill_nobody(announce: Announce, wall_ns: int) -> None:
    """Whatever the wall clock is set to, an instance that beats is alive; no age is ever negative."""
    announce("main").beat(wall_ns)
    (state,) = discovery.instances()
    assert (state.alive, state.heartbeat_ns) == (True, wall_ns)
    (state,) = discovery.instances(monotonic_ns=0)
    assert (state.alive, state.heartbeat_age_s) == (True, 0.0)


def test_another_boot_is_dead(announce: Announce, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was announced before the machine started again is dead, whatever its pid and its monotonic times say."""
    announced = announce("main")
    monkeypatch.setattr(registry, "boot_id", lambda: "another")
    announced.beat(time.time_ns() - 60_000_000_000)
    (state,) = discovery.instances()
    assert state.health == "dead"
    assert 60 <= state.heartbeat_age_s < 80
    announce("main")
    assert listed() == [("main", "alive")]


def test_a_boot_that_has_no_name(announce: Announce, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel does not say which boot it is, all are of the same."""
    monkeypatch.setattr(Path, "read_text", _unreadable)
    assert registry.boot_id() == ""


def _unreadable(*_args: object, **_options: object) -> str:
    raise FileNotFoundError


def _in_child(work: Callable[[], object]) -> None:
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(9)
    assert os.waitpid(pid, 0)[1] == 9 << 8


def test_the_dead_are_listed_until_another_comes(announce: Announce) -> None:
    """A killed instance shows as dead; the next announcement clears it and may have its name."""
    _in_child(lambda: Announcement("gone", providers=[], symbols=SYMBOLS))
    assert listed() == [("gone", "dead")]
    announce("new")
    assert listed() == [("new", "alive")]


def test_a_lock_inherited_by_a_child_does_not_keep_the_dead_alive(announce: Announce) -> None:
    """The pid's start time tells that the owner is gone although its forked child still holds the slot."""
    read, write = os.pipe()

    def announce_and_leave_a_child() -> None:
        Announcement("gone", providers=[], symbols=SYMBOLS)
        if os.fork() == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)

    _in_child(announce_and_leave_a_child)
    assert listed() == [("gone", "dead")]
    announce("gone")
    assert listed() == [("gone", "alive")]
    os.close(write)
    os.close(read)


def test_the_sixty_fifth_is_refused(announce: Announce) -> None:
    """64 instances run; one more is told so; when one leaves there is room."""
    announced = [announce(f"engine-{number:02d}") for number in range(registry.SLOTS)]
    with pytest.raises(layout.RingError, match="full: 64 instances"):
        announce("one-too-many")
    assert len(discovery.instances()) == 64
    announced[7].close()
    announce("welcome")
    assert len(discovery.instances()) == 64


def test_symbols_that_do_not_fit_are_cut_and_said_to_be(announce: Announce) -> None:
    """As many as fit are listed in order; asking for another one finds the instance that may have it."""
    many = [f"S{number:05d}USD" for number in range(2000)]
    announce("big", {"KRAKEN": many, "BINANCE": ["BTCUSD"]})
    (state,) = discovery.instances()
    kept = len(state.symbols["KRAKEN"])
    assert 200 < kept < 400
    assert (state.symbols["KRAKEN"], state.symbols["BINANCE"]) == (tuple(many[:kept]), ())
    assert not state.symbols_complete
    assert discovery.find("S01999USD", "KRAKEN").instance == "big"
    with pytest.raises(layout.RingError, match="no running instance"):
        discovery.find("S01999USD", "NOWHERE")
    with pytest.raises(layout.RingError, match="too many venues"):
        announce("bigger", {f"VENUE-{number}": [] for number in range(1000)})


def test_find_names_who_serves(announce: Announce) -> None:
    """One is found; none and several are errors with names; the dead are never found; odd text is made harmless."""
    announce("alpha")
    announce("beta", {"KRAKEN": ["BTCUSD", "XRPUSD"]})
    assert discovery.find("XRPUSD").instance == "beta"
    assert discovery.find("BTCUSD", "BINANCE").instance == "alpha"
    with pytest.raises(layout.RingError, match=r"alpha \(KRAKEN\), alpha \(BINANCE\), beta \(KRAKEN\)"):
        discovery.find("BTCUSD")
    with pytest.raises(layout.RingError, match=r"serves \?\[31mX at \?\?; running: alpha, beta"):
        discovery.find("\x1b[31mX", "\n\r")
    _in_child(lambda: Announcement("gone", providers=[], symbols={"KRAKEN": ["ADAUSD"]}))
    with pytest.raises(layout.RingError, match="no running instance serves ADAUSD"):
        discovery.find("ADAUSD")


def ring(venue: str, *, owner: str, prefix: str = "", schema: str = "trades") -> RingWriter:
    """A small ring of BTCUSD."""
    identity = RingIdentity(
        schema=schema, record_bytes=48, symbol="BTCUSD", venue=venue, instrument_id=1, instance=owner
    )
    name = layout.ring_name("BTCUSD", venue, schema=schema, instance=prefix)
    return RingWriter(layout.directory() / name, identity, capacity=64)


def test_a_ring_is_found_by_symbol(announce: Announce) -> None:
    """Public rings under the announced prefix, private ones under the instance's own; never another's ring."""
    announce("alpha")
    announce("beta", {"SIM.KRAKEN": ["BTCUSD"]})
    writers = [ring("KRAKEN", owner="alpha"), ring("BINANCE", owner="alpha", schema="mbp-1")]
    writers.append(ring("SIM.KRAKEN", owner="beta", prefix="beta"))
    found = discovery.ring_path("BTCUSD", "KRAKEN")
    assert (found.name, found.parent) == ("ringside_BTCUSD_KRAKEN", layout.directory())
    assert discovery.ring_path("BTCUSD", "BINANCE", schema="mbp-1").name == "ringside_BTCUSD_BINANCE.mbp-1"
    assert discovery.ring_path("BTCUSD", instance="beta").name == "beta__BTCUSD_SIM.KRAKEN"
    with pytest.raises(layout.RingError, match="name the instance and the venue"):
        discovery.ring_path("BTCUSD")
    with pytest.raises(layout.RingError, match="alpha has no trades ring of BTCUSD at BINANCE yet"):
        discovery.ring_path("BTCUSD", "BINANCE")
    writers.append(ring("BINANCE", owner="stranger"))
    with pytest.raises(layout.RingError, match="no trades ring"):
        discovery.ring_path("BTCUSD", "BINANCE")
    (layout.directory() / "alpha__BTCUSD_BINANCE").write_bytes(b"not a ring")
    with pytest.raises(layout.RingError, match="no trades ring"):
        discovery.ring_path("BTCUSD", "BINANCE")
    for writer in writers:
        writer.close()


def _damage(offset: int, value: bytes) -> None:
    with registry.path().open("r+b") as file:
        file.seek(offset)
        file.write(value)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0, b"GARBAGE!", "not one of ours"),
        (8, b"\x63", "version 99"),
        (12, b"\x63", "damaged"),
        (16, b"\x63", "damaged"),
    ],
)
def test_a_foreign_registry(announce: Announce, offset: int, value: bytes, message: str) -> None:
    """In use it is refused by all; when nobody uses it the next instance replaces it."""
    announced = announce("main")
    _damage(offset, value)
    with pytest.raises(layout.RingError, match=message):
        discovery.instances()
    with pytest.raises(layout.RingError, match=message):
        announce("other")
    announced.close()
    announce("other")
    assert listed() == [("other", "alive")]


def test_a_truncated_registry(announce: Announce) -> None:
    """Cut short it is an error and no crash, also for the instance that stands in it; empty is nobody."""
    announced = announce("main")
    os.truncate(registry.path(), 100)
    with pytest.raises(layout.RingError, match="damaged"):
        discovery.instances()
    announced.beat(1)
    os.truncate(registry.path(), 0)
    assert discovery.instances() == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff\xff",
        b"[" * 3000,
        b'{"instance":"a/b"}',
        b'{"instance":"a","prefix":"../x","control":"","boot":"","providers":[],"symbols":{},"complete":true}',
        b'{"instance":"a","prefix":"","control":"","boot":"","providers":[3],"symbols":{},"complete":true}',
        b'{"instance":"a","prefix":"","control":"","boot":"","providers":[],"symbols":{"K":3},"complete":true}',
        b'{"instance":"a","prefix":"","control":"","boot":"","providers":[],"symbols":{"K\\u001b":[]},"complete":true}',
        b'{"instance":"a","prefix":"","control":"","boot":"","providers":[],"symbols":{},"complete":1}',
    ],
)
def test_entries_that_no_instance_wrote_are_left_out(announce: Announce, text: bytes) -> None:
    """With a good checksum and a bad content: skipped, the others listed, and the slot is given to the next."""
    announce("main")
    slot = registry.pack(text, pid=os.getpid(), start=1, started_ns=1, heartbeat_ns=1, monotonic_ns=1)
    _damage(registry.FIRST_SLOT + registry.SLOT_BYTES, slot)
    assert listed() == [("main", "alive")]
    announce("second")
    assert listed() == [("main", "alive"), ("second", "alive")]


@pytest.mark.parametrize(("offset", "value"), [(0, b"\0\0\0\0"), (4, b"\xff\xff\xff\xff"), (200, b"\0\0")])
def test_an_entry_with_a_bad_checksum_is_left_out(announce: Announce, offset: int, value: bytes) -> None:
    """A torn or damaged entry is not believed; the next beat of its owner makes it good again."""
    announced = announce("main")
    _damage(registry.FIRST_SLOT + offset, value)
    assert listed() == []
    announced.beat(time.time_ns())
    assert listed() == [("main", "alive")]


def test_a_registry_that_was_removed_is_made_again(announce: Announce) -> None:
    """Cleaners of temporary files cannot make an instance invisible for longer than a heartbeat."""
    announced = announce("main")
    registry.path().unlink()
    assert listed() == []
    announced.beat(time.time_ns())
    assert listed() == [("main", "alive")]


def test_a_registry_that_is_being_made_is_empty(announce: Announce) -> None:
    """Between taking its space and naming itself it holds zeros: nobody is listed, and the next instance names it."""
    registry.path().write_bytes(bytes(registry.FILE_BYTES))
    assert discovery.instances() == []
    announce("main")
    assert listed() == [("main", "alive")]


def test_other_refusals(announce: Announce, monkeypatch: pytest.MonkeyPatch) -> None:
    """A symlink, somebody who holds the file, a full shared memory: each is a clear error."""
    registry.path().symlink_to("/etc/passwd")
    with pytest.raises(layout.RingError, match="cannot open registry"):
        discovery.instances()
    registry.path().unlink()
    fd = layout.open_file(registry.path(), create=True)
    assert layout.lock(fd, 0, 1)
    monkeypatch.setattr(registry, "_LOCK_TRIES", 2)
    with pytest.raises(layout.RingError, match="does not let go"):
        announce("main")
    os.close(fd)
    monkeypatch.setattr(os, "posix_fallocate", _no_room)
    with pytest.raises(layout.RingError, match="cannot allocate the registry"):
        announce("main")


def _no_room(*_args: Sequence[int]) -> None:
    raise OSError(28, "No space left on device")
