"""A session that is read: only what is committed counts, and damage is told by file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from console.paper.past import HEAD, LEDGER, TAPE_FILE, Cursor, Past
from console.paper.session import Session, begin
from core.errors import ConfigurationError, PermanentError
from core.sim.lines import RingLine, encode_lines
from core.sim.state import encode_head
from core.sim.tape import ACT, CLOCK, END, TAPE, TRADE, row_of
from tests.unit.console.paper.desks import PERPETUAL, SPOT, head, hole, tick, traded, write

KEYS = (SPOT, PERPETUAL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A session in which forty trades of each symbol came."""
    return tmp_path / "paper" / "default" / write(tmp_path, traded(40))


def ring(inode: int, market: int = 0) -> RingLine:
    """From which ring a symbol is read from now on."""
    venue, symbol = KEYS[market]
    return RingLine(venue=venue, symbol=symbol, ring="ringside_X", inode=inode, epoch=3)


def commit(session: Session, *, market: int = 0, cursor: int, kind: int = TRADE) -> None:
    """A step without lines."""
    session.commit([], lambda lines: row_of(kind=kind, market=market, cursor=cursor, lines=lines))


def replace_line(folder: Path, number: int, content: bytes) -> None:
    """Put something else in the place of a line of the ledger, counted from 1."""
    lines = (folder / LEDGER).read_bytes().split(b"\n")
    lines[number - 1] = content
    (folder / LEDGER).write_bytes(b"\n".join(lines))


def change_row(folder: Path, number: int, **fields: int) -> None:
    """Change fields of a row of the tape, counted from 1."""
    import numpy as np

    rows = np.fromfile(folder / TAPE_FILE, TAPE)
    for name, value in fields.items():
        rows[name][number - 1] = value
    rows.tofile(folder / TAPE_FILE)


def test_a_whole_session_is_what_the_desk_was(folder: Path) -> None:
    """Nothing is left out, and its state is that of the desk at its end."""
    recorded, past = traded(40), Past(folder)
    assert past.lines == recorded.lines
    assert list(past.steps) == list(recorded.steps)
    assert past.state() == recorded.desk.state()
    assert past.notes == ()


def test_what_was_not_finished_is_left_out_and_told(folder: Path) -> None:
    """A line and a row cut short, a step whose end is missing, lines and steps that the other file does not have."""
    whole = Past(folder)
    ledger, tape = (folder / LEDGER).read_bytes(), (folder / TAPE_FILE).read_bytes()

    def notes(ledger: bytes, tape: bytes) -> tuple[str, ...]:
        (folder / LEDGER).write_bytes(ledger)
        (folder / TAPE_FILE).write_bytes(tape)
        return Past(folder).notes

    assert notes(ledger + b'{"kind"', tape) == ("the last line of the ledger was not finished, bytes left out: 7",)
    assert notes(ledger, tape + b"1234") == ("the last row of the tape was not finished, bytes left out: 4",)
    more = encode_lines([hole(1), hole(2)])
    assert notes(ledger + more, tape) == ("the last step of the ledger was not finished, lines left out: 2",)
    row = row_of(kind=CLOCK, lines=len(whole.lines) + 1)
    assert notes(ledger, tape + row.tobytes()) == ("the ledger is shorter than the tape, steps left out: 1",)
    row["kind"] = TRADE
    assert notes(ledger, tape + row.tobytes()) == ("the last step of the tape was not finished, rows left out: 1",)
    assert list(Past(folder).steps) == list(whole.steps)
    assert notes(b"", b"") == ()
    assert Past(folder).state() == whole.head.state


@pytest.mark.parametrize(
    "content", [b"\0" * 200, b"{", b'{"kind":"nothing"}', b"[" * 100_000, b"\xff\xfe", b"7", b""]
)
def test_a_damaged_line_in_the_middle_is_an_error(folder: Path, content: bytes) -> None:
    """It says which, in which file, and how to go on without it."""
    replace_line(folder, 3, content)
    with pytest.raises(PermanentError, match=f"damaged session: {folder}/ledger.ndjson: line 3 is damaged") as error:
        Past(folder)
    assert "accounts reset" in error.value.hint


def test_damaged_lines_at_the_end_are_left_out(folder: Path) -> None:
    """As a disk leaves them that lost its power; the session ends with the step before."""
    whole = Past(folder)
    count = len(whole.lines)
    for number in (count - 1, count):
        replace_line(folder, number, b"\0" * 50)
    past = Past(folder)
    assert past.notes[0] == "the end of the ledger is damaged, lines left out: 2"
    assert list(past.steps) == [step for step in whole.steps if step.lines <= count - 2]
    assert past.lines == whole.lines[: past.steps[-1].lines]
    assert past.state().next_number <= whole.state().next_number


def test_a_line_that_does_not_fit_is_told_with_its_file(folder: Path) -> None:
    """When the state is asked for; what is written can still be looked at."""
    at = next(number for number, line in enumerate(Past(folder).lines) if b'"fill"' in encode_lines([line]))
    lines = (folder / LEDGER).read_bytes().split(b"\n")
    replace_line(folder, at + 1, lines[at].replace(b'"fee_e12":', b'"fee_e12":1'))
    past = Past(folder)
    with pytest.raises(PermanentError, match=f"does not balance: {folder}/ledger.ndjson: line {at + 1}: .*fee_e12"):
        past.state()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": 0}, "row 5 is of no kind that there is"),
        ({"kind": (ACT + 1) | END}, "row 5 is of no kind that there is"),
        ({"kind": CLOCK}, "row 6 is of another kind or symbol than its step"),
        ({"market": 2}, "step 5 is of a symbol that the session has not"),
        ({"lines": 1000}, "step 6 has fewer lines than the one before it"),
    ],
)
def test_a_damaged_row_of_the_tape_is_an_error(folder: Path, fields: dict[str, int], said: str) -> None:
    """It says which."""
    change_row(folder, 5, **fields)
    with pytest.raises(PermanentError, match=f"damaged session: {folder}/tape.bin: {said}"):
        Past(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"version":1e400}'])
def test_a_damaged_head_is_an_error(folder: Path, content: bytes) -> None:
    """Whatever is in its place."""
    (folder / HEAD).write_bytes(content)
    with pytest.raises(PermanentError, match=f"damaged session: {folder}/session.json") as error:
        Past(folder)
    assert str(error.value).isprintable()


def test_a_head_whose_values_make_no_sense_is_an_error(folder: Path) -> None:
    """Or one of another version; control characters in it are told as text."""
    raw = (folder / HEAD).read_bytes()
    (folder / HEAD).write_bytes(raw.replace(b'"version":1', b'"version":2'))
    with pytest.raises(PermanentError, match="version 2 is not known"):
        Past(folder)
    (folder / HEAD).write_bytes(raw.replace(b'"price_increment_e9":10000000', b'"price_increment_e9":-1'))
    with pytest.raises(PermanentError, match="finer than 1e-9"):
        Past(folder)
    (folder / HEAD).write_bytes(raw.replace(b'"fraction_ppm":950000', b'"fraction_ppm":"\\u001b[2J"'))
    with pytest.raises(PermanentError) as error:
        Past(folder)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", [HEAD, LEDGER, TAPE_FILE])
def test_a_file_that_is_none_is_an_error(folder: Path, name: str) -> None:
    """One that is missing, a link, a folder or a pipe that nobody writes: none is waited for or followed."""
    path = folder / name
    path.rename(folder / "aside")
    with pytest.raises(ConfigurationError, match=f"reading the session: {path}"):
        Past(folder)
    path.symlink_to(folder / "aside")
    with pytest.raises(ConfigurationError, match=f"reading the session: {path}"):
        Past(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(PermanentError, match=f"{path} is no file"):
        Past(folder)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(PermanentError, match=f"{path} is no file"):
        Past(folder)


def test_a_session_is_read_while_it_is_written(tmp_path: Path) -> None:
    """By whoever opens it in between: each sees the steps so far, and no more when more follow."""
    session = begin(tmp_path, head())
    pasts = []
    for number in range(5):
        session.commit([hole(number)], lambda lines: row_of(kind=CLOCK, lines=lines))
        pasts.append(Past(session.folder))
    session.close()
    assert [len(past.lines) for past in pasts] == [len(past.rows) for past in pasts] == [1, 2, 3, 4, 5]


def test_cursors_tell_how_far_each_ring_was_read(tmp_path: Path) -> None:
    """The newest ring of a symbol, and the cursor after its last trades; other steps say nothing of it."""
    session = begin(tmp_path, head())
    session.note(ring(7))
    session.note(ring(8, market=1))
    commit(session, cursor=10)
    commit(session, market=1, cursor=100)
    commit(session, cursor=20)
    commit(session, cursor=0, kind=CLOCK)
    commit(session, cursor=0, kind=ACT)
    assert Past(session.folder).cursors() == {
        SPOT: Cursor("ringside_X", 7, 3, 20),
        PERPETUAL: Cursor("ringside_X", 8, 3, 100),
    }
    session.note(ring(9))
    commit(session, market=1, cursor=110)
    assert Past(session.folder).cursors() == {PERPETUAL: Cursor("ringside_X", 8, 3, 110)}
    commit(session, cursor=5)
    assert Past(session.folder).cursors()[SPOT] == Cursor("ringside_X", 9, 3, 5)
    session.close()


def test_a_session_without_a_step_is_where_the_one_before_it_was(tmp_path: Path) -> None:
    """However many of them were killed before they saw a trade; when that one is gone nothing is known."""
    session = begin(tmp_path, head())
    session.note(ring(7))
    commit(session, cursor=10)
    session.close()
    names = [session.head.session]
    for _ in range(3):
        session = begin(tmp_path, replace(head(), resumed=names[-1]))
        session.close()
        names.append(session.head.session)
    assert Past(session.folder).cursors() == {SPOT: Cursor("ringside_X", 7, 3, 10)}
    (tmp_path / names[0] / HEAD).unlink()
    assert Past(session.folder).cursors() == {}
    (tmp_path / names[1] / HEAD).write_bytes(encode_head(replace(head(), session=names[1], resumed=names[2])))
    assert Past(session.folder).cursors() == {}


def test_marks_are_those_of_the_last_trades(folder: Path) -> None:
    """Of each symbol, as the desk had them."""
    for market, start in zip(Past(folder).state().markets, traded(40).desk.state().markets, strict=True):
        assert (market.mark_e9, market.newest_ns) == (start.mark_e9, start.newest_ns)
        assert market.newest_ns == int(tick(39).ts_ns[0])
