"""Sessions on disk: what is committed, what waits for a disk that is full, names in order, and what goes when."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from console.paper import session as sessions_module
from console.paper.past import HEAD, LEDGER, TAPE_FILE, Past
from console.paper.session import Session, begin, find, prune, sessions
from core.clock import DAY_NS, NS_PER_S, parse_rfc3339_ns
from core.errors import ConfigurationError, ConsoleError, NotFoundError, ResourceExhaustedError, TransientError
from core.sim.lines import HoleLine, Line, encode_lines
from core.sim.tape import CLOCK, TAPE, TRADE, Rows, row_of
from tests.unit.console.paper.desks import head, hole
from tests.unit.core.store.test_faults import largest_file

NOW_NS = parse_rfc3339_ns("2026-11-22T21:46:01Z")
NAME = "20261122T214601Z"


def row(kind: int = TRADE) -> Callable[[int], Rows]:
    """What makes the only row of a step."""
    return lambda lines: row_of(kind=kind, lines=lines)


def begun(folder: Path, *, created_ns: int = NOW_NS) -> Session:
    """A session that just began."""
    return begin(folder, head(created_ns=created_ns))


def written(folder: Path, *, created_ns: int) -> str:
    """The name of a session that began then and is over."""
    session = begun(folder, created_ns=created_ns)
    session.close()
    return session.head.session


def test_a_session_begins_with_its_head_and_nothing_else(tmp_path: Path) -> None:
    """The folder is named after the instant, only the user may look, and the state at the beginning can be read."""
    session = begun(tmp_path)
    assert session.folder == tmp_path / NAME
    assert session.lines == 0
    assert sorted(path.name for path in session.folder.iterdir()) == sorted((HEAD, LEDGER, TAPE_FILE))
    assert stat.S_IMODE(session.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in session.folder.iterdir()} == {0o600}
    past = Past(session.folder)
    assert past.head == session.head
    assert past.head.session == NAME
    assert past.state() == session.head.state
    assert (past.lines, list(past.steps), past.notes) == ([], [], ())
    session.close()


def test_a_step_can_be_read_when_it_is_committed(tmp_path: Path) -> None:
    """Without any sync; its lines are numbered from 1, and the row says how many stand after it."""
    session = begun(tmp_path)
    assert session.commit([hole(1), hole(2)], row()) == 1
    assert session.commit([], row()) == 3
    assert session.commit([hole(3)], row()) == 3
    past = Past(session.folder)
    assert past.lines == [hole(1), hole(2), hole(3)]
    assert [step.lines for step in past.steps] == [2, 2, 3]
    assert session.lines == 3
    session.sync()
    session.close()


def test_a_noted_line_goes_with_the_next_step(tmp_path: Path) -> None:
    """Right before its lines, and nobody sees it before."""
    session = begun(tmp_path)
    session.note(hole(1))
    assert session.lines == 1
    assert Path(session.folder / LEDGER).read_bytes() == b""
    assert session.commit([hole(2)], row()) == 2
    assert Past(session.folder).lines == [hole(1), hole(2)]
    session.close()
    assert len(Past(session.folder).steps) == 1


def test_a_line_noted_last_is_committed_by_the_end(tmp_path: Path) -> None:
    """With a clock mark at an instant that passed long ago, which changes nothing."""
    session = begun(tmp_path)
    session.note(hole(1))
    session.close()
    past = Past(session.folder)
    assert past.lines == [hole(1)]
    assert [step.kind for step in past.steps] == [CLOCK]
    assert past.rows["ts_ns"].tolist() == [0]
    assert past.state() == session.head.state


def test_what_a_full_disk_does_not_take_waits_in_order(tmp_path: Path) -> None:
    """Nothing is lost and nothing raised: the problem is told, readers see whole steps, and later all is there."""
    session = begun(tmp_path)
    line_bytes = len(encode_lines([hole(0)]))
    with largest_file(line_bytes + line_bytes // 2):
        for number in range(4):
            assert session.commit([hole(number)], row()) == number + 1
        assert "File too large" in session.problem
        assert (session.folder / LEDGER).stat().st_size == line_bytes + line_bytes // 2
        past = Past(session.folder)
        assert past.lines == [hole(0)]
        assert past.notes == (f"the last line of the ledger was not finished, bytes left out: {line_bytes // 2}",)
    session.commit([], row())
    assert session.problem == ""
    past = Past(session.folder)
    assert past.lines == [hole(number) for number in range(4)]
    assert [step.lines for step in past.steps] == [1, 2, 3, 4, 4]
    session.close()


def test_no_row_of_the_tape_comes_before_its_lines(tmp_path: Path) -> None:
    """The tape waits for as long as the ledger does, though it has room."""
    session = begun(tmp_path)
    with largest_file(2 * TAPE.itemsize):
        for number in range(3):
            session.commit([hole(number)], row())
        assert (session.folder / TAPE_FILE).stat().st_size == 0
    session.close()
    assert len(Past(session.folder).steps) == 3


def test_a_row_that_was_cut_short_is_finished_later(tmp_path: Path) -> None:
    """A reader leaves the half of it out."""
    session = begun(tmp_path)
    with largest_file(TAPE.itemsize + 10):
        session.commit([], row())
        session.commit([], row())
        assert len(Past(session.folder).rows) == 1
    session.close()
    assert len(Past(session.folder).rows) == 2


def test_too_much_that_waits_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; what waits is written all the same once there is room."""
    monkeypatch.setattr(sessions_module, "MOST_WAITING_BYTES", 100)
    session = begun(tmp_path)
    with largest_file(10), pytest.raises(ResourceExhaustedError, match="writing the session"):
        session.commit([hole(1)], row())
    session.close()
    assert Past(session.folder).lines == [hole(1)]


def test_a_disk_that_is_full_to_the_end_is_told(tmp_path: Path) -> None:
    """By closing the session, which is closed all the same."""
    session = begun(tmp_path)
    open_files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all it takes
    with largest_file(10):
        session.commit([hole(1)], row())
        with pytest.raises(TransientError, match="File too large"):
            session.close()
    assert len(os.listdir("/proc/self/fd")) == open_files - 2  # noqa: PTH208 - names are all it takes


def test_a_session_that_cannot_begin_is_an_error(tmp_path: Path) -> None:
    """Whether its folder cannot be made or its head not be written; then it does not count."""
    with pytest.raises(ConfigurationError, match="beginning a session"):
        begun(tmp_path / "nowhere")
    with largest_file(10), pytest.raises(ResourceExhaustedError, match="beginning a session"):
        begun(tmp_path)
    assert sessions(tmp_path) == []
    assert written(tmp_path, created_ns=NOW_NS) == f"{NAME}-2"


def test_a_file_that_cannot_be_synced_is_an_error(tmp_path: Path) -> None:
    """Nobody may take for durable what is not."""
    session = begun(tmp_path)
    session.close()
    with pytest.raises(ConsoleError, match="syncing the session"):
        session.sync()


def test_names_go_by_time_whatever_the_clock_does(tmp_path: Path) -> None:
    """Of one second they are numbered, also beyond nine; an hour back makes none older than those there are."""
    names = [written(tmp_path, created_ns=NOW_NS) for _ in range(11)]
    assert names == [NAME, *(f"{NAME}-{number}" for number in range(2, 12))]
    back = written(tmp_path, created_ns=NOW_NS - 3600 * NS_PER_S)
    assert back == f"{NAME}-12"
    later = written(tmp_path, created_ns=NOW_NS + NS_PER_S)
    assert later == "20261122T214602Z"
    assert sessions(tmp_path) == [*names, back, later]
    assert find(tmp_path, "latest").head.session == later


def test_a_session_is_found_by_its_name_or_the_beginning_of_it(tmp_path: Path) -> None:
    """When only one begins so; a whole name is meant even if others begin with it."""
    for created_ns in (NOW_NS, NOW_NS, NOW_NS + DAY_NS):
        written(tmp_path, created_ns=created_ns)
    assert find(tmp_path, NAME).folder.name == NAME
    assert find(tmp_path, f"{NAME}-").folder.name == f"{NAME}-2"
    assert find(tmp_path, "20261123").folder.name == "20261123T214601Z"


@pytest.mark.parametrize("name", ["", "2027", "../elsewhere", "\x1b[2J", "2026"])
def test_a_session_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, name: str) -> None:
    """So are several that begin so; what is asked for is printed without its control characters."""
    for created_ns in (NOW_NS, NOW_NS + DAY_NS):
        written(tmp_path, created_ns=created_ns)
    with pytest.raises(NotFoundError, match=f"20261123T214601Z, {NAME}") as error:
        find(tmp_path, name)
    assert str(error.value).isprintable()


def test_of_many_sessions_the_newest_are_told(tmp_path: Path) -> None:
    """And that there are more."""
    for second in range(7):
        written(tmp_path, created_ns=NOW_NS + second * NS_PER_S)
    with pytest.raises(NotFoundError, match=r"20261122T214607Z, .*20261122T214603Z \.\.\.") as error:
        find(tmp_path, "nothing")
    assert NAME not in str(error.value)


def test_a_desk_on_which_nothing_was_traded_has_no_sessions(tmp_path: Path) -> None:
    """Nor has one without a folder; that the folder is something else is an error."""
    assert sessions(tmp_path / "nowhere") == []
    with pytest.raises(NotFoundError, match="nothing was traded there yet"):
        find(tmp_path / "nowhere", "latest")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="reading the sessions"):
        sessions(tmp_path / "file")


def test_what_is_no_session_is_passed_over(tmp_path: Path) -> None:
    """Other names, and a session whose writer was killed before its head was there."""
    name = written(tmp_path, created_ns=NOW_NS)
    (tmp_path / "20261122").mkdir()
    (tmp_path / "20261122T214605Z").mkdir()
    (tmp_path / ".lock").touch()
    assert sessions(tmp_path) == [name]
    assert find(tmp_path, "latest").folder.name == name
    assert written(tmp_path, created_ns=NOW_NS) == "20261122T214605Z-2"


def test_old_sessions_are_removed_but_never_the_latest(tmp_path: Path) -> None:
    """A session is as old as the beginning of the next; one without a head goes likewise."""
    ages = (50, 40, 31, 29)
    names = [written(tmp_path, created_ns=NOW_NS - days * DAY_NS) for days in ages]
    assert prune(tmp_path, 60, NOW_NS) == []
    assert prune(tmp_path, 30, NOW_NS) == names[:2]
    assert sessions(tmp_path) == names[2:]
    assert prune(tmp_path, 0, NOW_NS + 1000 * DAY_NS) == names[2:3]
    assert sessions(tmp_path) == names[3:]
    (tmp_path / "20261122T214605Z").mkdir()
    (tmp_path / "20261122T214606Z").mkdir()
    assert prune(tmp_path, 0, NOW_NS + 1000 * DAY_NS) == ["20261122T214605Z"]
    assert sessions(tmp_path) == names[3:]


def test_a_session_that_cannot_be_removed_is_told(tmp_path: Path) -> None:
    """A file that bears such a name is nobody's session."""
    (tmp_path / "20200101T000000Z").touch()
    written(tmp_path, created_ns=NOW_NS)
    with pytest.raises(ConsoleError, match="removing a session"):
        prune(tmp_path, 30, NOW_NS + 1000 * DAY_NS)


def test_lines_of_any_kind_are_kept_as_they_are(tmp_path: Path) -> None:
    """With words in them that could break a line."""
    line: Line = HoleLine(venue="SIM", symbol="BTC", ts_ns=1, rows=0, cause="a\nbreak\0 and “more”")
    session = begun(tmp_path)
    session.commit([line], row())
    assert Past(session.folder).lines == [line]
    session.close()
