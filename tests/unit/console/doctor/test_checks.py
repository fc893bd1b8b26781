"""Each check on real directories, sockets, rings and servers, good and bad."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from config.paths import find_paths
from config.schema import CacheSettings, DatabaseSettings, EngineSettings, RedisCacheSettings, Settings
from console.doctor import clocks, disks, engines, leftovers, machine, permissions, servers, terminal
from console.doctor.checks import chosen
from console.doctor.finding import Fault, State
from console.doctor.place import Place, find_place
from console.doctor.running import run_checks
from console.instance_lock import instance_lock
from ringbuf import layout
from ringbuf.control import encode
from ringbuf.discovery import Announcement
from ringbuf.writer import RingIdentity, RingWriter

IDENTITY = RingIdentity(
    schema="trades", record_bytes=48, symbol="BTCUSD", venue="SIM", instrument_id=1, instance="alpha"
)


def with_database(url: str) -> Place:
    """A place whose settings name a database."""
    return attrs.evolve(find_place(), settings=Settings(database=DatabaseSettings(url=url)))


def with_redis(url: str) -> Place:
    """A place whose settings name a Redis."""
    return attrs.evolve(find_place(), settings=Settings(cache=CacheSettings(redis=RedisCacheSettings(url=url))))


def with_variables(**variables: str) -> Place:
    """A place with this environment and no other."""
    return attrs.evolve(find_place(), environment=variables)


def silent_port() -> tuple[socket.socket, int]:
    """A server that takes connections and never says a word; close it."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


def killed_ring(directory: Path) -> Path:
    """A ring whose producer was killed: closed by the kernel alone, as after SIGKILL."""
    path = directory / "ringside_BTCUSD_SIM"
    child = os.fork()
    if not child:
        RingWriter(path, IDENTITY, capacity=64)
        os._exit(0)
    os.waitpid(child, 0)
    with path.open("r+b") as file:  # long ago
        file.seek(layout.HEARTBEAT * 8)
        file.write((1).to_bytes(8, "little"))
    return path


def test_a_terminal_that_cannot_draw_is_said() -> None:
    """No UTF-8 locale is worth a word and what to set; with one there is none about it."""
    assert "not UTF-8" in terminal.terminal(with_variables(LANG="C")).found
    assert "LANG=C.UTF-8" in terminal.terminal(with_variables(LANG="C")).advice
    assert "not UTF-8" not in terminal.terminal(with_variables(LC_ALL="en_US.UTF-8", LANG="C")).found


def test_this_machine_can_run_it() -> None:
    """The tests run where the rings are proven."""
    assert machine.python(find_place()).state is State.OK
    assert machine.limits(find_place()).state in {State.OK, State.WARNING}


def test_the_memory_of_a_control_group_is_read(tmp_path: Path) -> None:
    """The limit of the own group counts; one that says max is none; a file of garbage is none."""
    own = tmp_path / "cgroup"
    own.write_text("0::/engine\n")
    group = tmp_path / "engine"
    group.mkdir()
    (group / "memory.max").write_text("1000000000\n")
    (group / "memory.current").write_text("400\n")
    assert machine.memory_of_group(tmp_path, own) == (1_000_000_000, 400)
    (group / "memory.max").write_text("max\n")
    assert machine.memory_of_group(tmp_path, own) == (None, 0)
    assert machine.memory_of_group(tmp_path, tmp_path / "none") == (None, 0)


def test_all_that_is_needed_is_installed() -> None:
    """Every package that the program names has a version."""
    found = machine.package_versions()
    assert found["attrs"]
    assert all(found.values())


def test_the_clock_is_judged_by_the_kernel() -> None:
    """Whatever the kernel says, the finding is one of the four states and says so in words."""
    found = clocks.clock(find_place())
    assert found.state in set(State)
    assert found.found


def test_skew_is_not_invented() -> None:
    """Without an engine that streams from a venue nothing was measured."""
    assert clocks.skew(find_place()).found.startswith("not measured")


@contextmanager
def live_engine(status: dict[str, Any]) -> Iterator[list[str]]:
    """An engine in the registry that answers with this status; the list has what it was asked."""
    asked: list[str] = []

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                request = json.loads(line)
                asked.append(request["op"])
                self.wfile.write(encode({"v": 1, "id": request["id"], "ok": True, "result": status}))

    path = layout.directory() / "live.sock"
    with socketserver.ThreadingUnixStreamServer(os.fspath(path), Answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        living = Announcement("live", providers=["kraken"], symbols={}, control=str(path))
        try:
            yield asked
        finally:
            living.close()
            server.shutdown()
            path.unlink()


def status_of(*, ahead_ms: float, delay_ms: float = 20) -> dict[str, Any]:
    """What an engine says whose clock stands so against that of its venue."""
    return {
        "source": "live",
        "state": "running",
        "latency": {"count": 5, "venue_p50_ns": int(delay_ms * 1e6)},
        "connections": [{"venue": "KRAKEN", "status": "connected", "clock_ahead_ns": int(ahead_ms * 1e6)}],
    }


def test_a_slow_clock_is_found_by_what_venues_stamp() -> None:
    """No delay is ever below nothing: how far stamps are ahead tells, and then the delay is not called well."""
    with live_engine(status_of(ahead_ms=400, delay_ms=0)):
        found = clocks.skew(find_place())
    assert found.state is State.WARNING
    assert found.found == "live: KRAKEN stamps 400 ms ahead of this clock"
    assert "synchronise" in found.advice


def test_a_clock_that_differs_by_little_is_well() -> None:
    """A stamp may be some milliseconds ahead; a delay of seconds means the clock is fast, or the line slow."""
    with live_engine(status_of(ahead_ms=200)):
        assert clocks.skew(find_place()).state is State.OK
    with live_engine(status_of(ahead_ms=0, delay_ms=5000)):
        assert "5000 ms after" in clocks.skew(find_place()).found


def test_an_engine_without_such_a_field_costs_nothing() -> None:
    """One of another version, or one that lies, is judged by what it says besides."""
    for strange in (None, "much", [1], True, -5):
        status = status_of(ahead_ms=0)
        status["connections"] = [{"venue": "KRAKEN", "clock_ahead_ns": strange}, 7]
        with live_engine(status):
            assert clocks.skew(find_place()).state is State.OK


def test_each_engine_is_asked_once() -> None:
    """However many checks want to know, at the same time or one after the other."""
    with live_engine(status_of(ahead_ms=0)) as asked:
        found = run_checks(chosen(["skew", "engines"]), find_place())
    assert asked == ["status"]
    assert [one.state for one in found] == [State.OK, State.OK]


def test_rings_that_do_not_fit_are_an_error() -> None:
    """What the settings describe is compared with what is free; a place of fewer symbols fits."""
    many = Settings(engine=EngineSettings(symbols=tuple(f"A{number}USD" for number in range(100_000))))
    place = find_place()
    found = disks.shared_memory(attrs.evolve(place, settings=many))
    assert found.state is State.ERROR
    assert "larger" in found.advice
    assert disks.shared_memory(place).state is State.OK


def test_rings_on_a_disk_are_warned_of(tmp_path: Path) -> None:
    """Shared memory that is none is told with the kind of filesystem it is on."""
    kind = disks.filesystem_of(tmp_path)
    place = attrs.evolve(find_place(), shared_memory=tmp_path / "rings")
    expected = State.OK if kind == "tmpfs" else State.WARNING
    assert disks.shared_memory(place).state is expected


def test_the_nearest_mount_counts(tmp_path: Path) -> None:
    """Of all mounts above a path the longest is its own, and of two on one place the later."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"a / ext4 rw\nb {tmp_path} xfs rw\nc {tmp_path} tmpfs rw\nd {tmp_path}x nfs rw\nbroken\n")
    assert disks.filesystem_of(tmp_path / "deep", mounts) == "tmpfs"
    assert disks.filesystem_of(tmp_path, tmp_path / "none") == ""


def test_room_on_the_disk_is_told() -> None:
    """Directories that do not exist yet are judged by where they will be."""
    found = disks.disk(find_place())
    assert "free of" in found.found
    assert found.state is not State.ERROR


def test_what_is_open_to_others_is_found_and_mended() -> None:
    """A file that others may read is told, mended to 0600, and then well; a link out of it is not followed."""
    place = find_place()
    data = find_paths().data
    data.mkdir(parents=True, mode=0o700)
    file, outside = data / "x.dbn", data.parent / "outside"
    file.write_text("x")
    outside.write_text("x")
    file.chmod(0o644)
    outside.chmod(0o644)
    (data / "link").symlink_to(outside)
    found = permissions.permissions(place)
    assert found.state is State.WARNING
    assert "x.dbn" in found.found
    said = list(permissions.mend_modes(permissions.survey(place)[0]))
    assert len(said) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
    assert permissions.permissions(place).state is State.OK


def test_a_program_that_is_open_to_others_stays_a_program() -> None:
    """What the owner may do with a file is not taken from him: alerts may start it."""
    place = find_place(None)
    folder = place.paths.configuration
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    program = folder / "page.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert list(permissions.mend_modes(permissions.survey(place)[0])) != []
    assert stat.S_IMODE(program.stat().st_mode) == 0o700


def test_the_lock_of_an_engine_that_just_began_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """However old what we saw is: only who holds a lock removes its file, and nobody else gets the name."""
    place = find_place(None)
    directory = layout.directory()
    path = directory / "alpha.lock"
    path.touch(mode=0o600)
    seen = [leftovers.LeftOver(name=path.name, path=path, size_bytes=0, age_s=1)]
    monkeypatch.setattr("core.flow.sweep.left_over", lambda _folder, now_ns: [path])
    with instance_lock(directory, "alpha"):
        assert list(leftovers.remove(place, seen)) == [f"left {path.name}: somebody uses it now"]
        assert path.exists()
    path.touch(mode=0o600)
    assert [one.startswith("removed") for one in leftovers.remove(place, seen)] == [True]
    assert not path.exists()


def test_a_ring_of_a_killed_engine_is_left_over_and_goes() -> None:
    """It is told with its name and size, removed when told to, and then there is nothing."""
    place = find_place()
    path = killed_ring(place.shared_memory)
    found = leftovers.leftovers(place)
    assert found.state is State.WARNING
    assert path.name in found.found
    assert [str(one).startswith("removed") for one in leftovers.remove(place, leftovers.find_leftovers(place))] == [
        True
    ]
    assert not path.exists()
    assert leftovers.leftovers(place).state is State.OK


def test_what_lives_is_never_touched() -> None:
    """A ring whose producer holds it, a lock that is held and an announced engine are no left-overs; nor is one that
    was taken over between the look and the deed."""
    place = find_place()
    path = killed_ring(place.shared_memory)
    seen = leftovers.find_leftovers(place)
    with_owner = RingWriter(path, IDENTITY, capacity=64)
    living = Announcement("beta", providers=["simulated"], symbols={})
    try:
        assert leftovers.find_leftovers(place) == []
        assert list(leftovers.remove(place, seen)) == [f"left {path.name}: somebody uses it now"]
        assert path.exists()
    finally:
        with_owner.close()
        living.close()


def test_a_dead_entry_of_the_registry_goes() -> None:
    """The entry of an engine that was killed is told and cleared; one that lives stays."""
    child = os.fork()
    if not child:
        Announcement("gone", providers=["simulated"], symbols={})
        os._exit(0)
    os.waitpid(child, 0)
    place = find_place()
    living = Announcement("beta", providers=["simulated"], symbols={})
    try:
        # Announcing has cleared it already: what is told is what is there.
        assert [one.name for one in leftovers.find_leftovers(place)] == []
    finally:
        living.close()


def test_no_database_is_no_fault() -> None:
    """Without one data goes to files, which is said."""
    assert servers.database(find_place()).state is State.OK


def test_a_database_is_looked_at(migrated_url: str) -> None:
    """One that is migrated is well, with its version and its clock."""
    found = servers.database(with_database(migrated_url))
    assert found.state in {State.OK, State.WARNING}  # the tests' server may do without fsync
    assert "migrat" not in found.advice


def test_a_database_that_is_not_migrated_is_an_error(postgres_url: str) -> None:
    """The advice is the command that migrates it."""
    found = servers.database(with_database(postgres_url))
    assert (found.state, found.fault) == (State.ERROR, Fault.MACHINE)
    assert "db migrate" in found.advice


def test_a_redis_is_looked_at(redis_url: str) -> None:
    """Its version is told."""
    found = servers.redis(with_redis(redis_url))
    assert found.state is State.OK
    assert "Redis" in found.found


def test_a_key_is_judged_and_never_shown() -> None:
    """A key that is needed and missing is an error of a key; one that is there is not in the finding."""
    wanting = Settings(engine=EngineSettings(provider="databento"))
    missing = servers.keys(attrs.evolve(with_variables(), settings=wanting))
    assert (missing.state, missing.fault) == (State.ERROR, Fault.KEY)
    good = servers.keys(with_variables(DATABENTO_API_KEY="db-verysecretkey1234567890"))
    assert good.state is State.OK
    assert "verysecret" not in repr(good)
    bad = servers.keys(with_variables(DATABENTO_API_KEY="two words"))
    assert bad.state is State.WARNING
    assert "two words" not in repr(bad)


def test_settings_that_cannot_be_used_are_told() -> None:
    """Every problem of the file is in the finding, and so is one of meaning."""
    file = find_paths().configuration_file
    file.parent.mkdir(parents=True)
    file.write_text("[engine]\nproviders = 'x'\n")
    found = servers.settings(find_place())
    assert found.state is State.ERROR
    assert "providers" in found.found
    file.write_text("[engine]\nprovider = 'nowhere'\n")
    assert servers.settings(find_place()).state is State.ERROR
    file.write_text("")
    assert servers.settings(find_place()).state is State.OK


def test_calendars_are_known_for_a_while() -> None:
    """Each ends on a day that is told."""
    assert "CME until 20" in engines.calendars(find_place()).found


def test_an_engine_that_does_not_answer_is_an_error() -> None:
    """It stands in the registry and nobody listens on its socket."""
    living = Announcement(
        "beta", providers=["simulated"], symbols={}, control=str(find_place().shared_memory / "beta.sock")
    )
    try:
        found = engines.engines(find_place())
        assert found.state is State.ERROR
        assert "beta" in found.found
    finally:
        living.close()


def test_a_damaged_catalogue_is_an_error() -> None:
    """What is no database says so, in words and with what to do."""
    from console.doctor.running import Check

    state = find_paths().state
    state.mkdir(parents=True, mode=0o700)
    (state / "catalogue.sqlite3").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    (found,) = run_checks([Check(name="store", title="", look=engines.store)], find_place())
    assert found.state is State.ERROR
    assert found.advice


@pytest.mark.parametrize("kind", ["refused", "silent"])
def test_a_server_that_is_away_is_no_fault_of_the_machine(kind: str) -> None:
    """Whether it refuses or hangs, the finding comes in time and is the server's."""
    from core.clock import monotonic_ns

    listener, port = silent_port()
    if kind == "refused":
        listener.close()
    place = attrs.evolve(
        find_place(),
        settings=Settings(
            database=DatabaseSettings(url=f"postgresql://u:p@127.0.0.1:{port}/d"),
            cache=CacheSettings(redis=RedisCacheSettings(url=f"redis://127.0.0.1:{port}/0")),
        ),
    )
    began_ns = monotonic_ns()
    found = run_checks(chosen(["database", "redis"]), place)
    listener.close()
    assert [(one.state, one.fault) for one in found] == [(State.ERROR, Fault.SERVER)] * 2
    assert (monotonic_ns() - began_ns) / 1e9 < 8
